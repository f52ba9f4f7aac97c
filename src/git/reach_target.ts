/** Checks out a repository's clone target: asks the remote, fetches, checks out. */

import { DaemonError } from "../errors.ts";
import { type Advertised, askOrigin, BRANCHES, isFullRef, listRefs } from "./advertised.ts";
import { fetchCommit } from "./fetch_commit.ts";
import { GitFailure } from "./git_failure.ts";
import { fetchCommitOf, fetchFrom } from "./fetch_from.ts";
import { clearTracking } from "./local_refs.ts";
import type { CheckoutRequest } from "./checkout_request.ts";
import type { GitSession } from "./git_session.ts";

/** How the target is fetched and checked out. */
export interface TargetOptions {
  /** Whether the history is cut: to one commit, or to some where a commit is the target. */
  shallow: boolean;
  /** Whether the repository has just been made, and may become one of SHA-256. */
  fresh: boolean;
  /** Called once all is fetched, before the working tree is changed. */
  prepare?(destination: Destination): Promise<void>;
}

/** The target to check out: `branch` at `start`, or `start` alone. */
export interface Destination {
  start: string;
  branch?: string;
  /** Whether the branch follows the remote's. */
  track: boolean;
}

/** How many branches of a remote a message names. */
const MAX_NAMED_REFS = 5;

/** Fetches the target from `origin` and checks it out. @throws {DaemonError} FAILED_PRECONDITION */
export async function reachTarget(
  git: GitSession,
  request: CheckoutRequest,
  options: TargetOptions,
): Promise<void> {
  const advertised = await askOrigin(git, request);
  if (options.fresh && advertised.isSha256) await useSha256(git);
  if (!options.shallow) await fetchFrom(git, "origin", [], undefined);
  const destination = await fetchDestination(git, request, advertised, options.shallow);
  if (advertised.defaultBranch !== undefined) {
    const to = tracking(advertised.defaultBranch);
    await git.run(["symbolic-ref", "refs/remotes/origin/HEAD", to]);
  }
  if (!destination) return await startEmpty(git, request);
  await options.prepare?.(destination);
  // A linked worktree, as a prebuild may have, must not keep the target from being checked out here.
  // Ignored files are somebody's work, too.
  const how = ["--quiet", "--ignore-other-worktrees", "--no-overwrite-ignore"];
  const { branch, start, track } = destination;
  await git.run(
    branch === undefined
      ? ["checkout", ...how, "--detach", start]
      : ["checkout", ...how, track ? "--track" : "--no-track", "-B", branch, start],
  );
}

function tracking(branch: string): string {
  return `refs/remotes/origin/${branch}`;
}

/** Makes a new repository one of SHA-256, as `git clone` does once it knows the remote's hashes. */
async function useSha256(git: GitSession): Promise<void> {
  await git.run(["config", "core.repositoryFormatVersion", "1"]);
  await git.run(["config", "extensions.objectFormat", "sha256"]);
}

/** Fetches the target. @returns `undefined` where the remote is empty */
async function fetchDestination(
  git: GitSession,
  request: CheckoutRequest,
  advertised: Advertised,
  shallow: boolean,
): Promise<Destination | undefined> {
  const { mode, target } = request;
  if (mode === "REMOTE_HEAD" && target !== "") {
    git.warn(`clone_taget ${target} means nothing with target_mode REMOTE_HEAD`);
  }
  if (mode === "REMOTE_BRANCH" && advertised.targetRef !== undefined) {
    return await fetchRef(git, advertised.targetRef, shallow);
  }
  if (mode === "REMOTE_BRANCH" && isFullRef(target) && !mayStart(target, advertised)) {
    throw new DaemonError("FAILED_PRECONDITION", `the remote has no ref ${target}`, {
      reason: "GIT_TARGET_NOT_FOUND",
    });
  }
  if (mode === "REMOTE_COMMIT") {
    if (advertised.head !== undefined) await fetchHead(git, advertised, shallow);
    return { start: await fetchCommit(git, target, shallow), track: false };
  }
  if (advertised.head === undefined) {
    await requireEmpty(git, request);
    return undefined;
  }
  const head = await fetchHead(git, advertised, shallow);
  if (mode === "LOCAL_BRANCH") return { branch: target, start: head, track: false };
  if (mode === "REMOTE_BRANCH") {
    git.warn(
      `${request.remote.url} has no branch or tag ${target}: the new branch of that name starts ` +
        "as the remote's HEAD",
    );
    return { branch: target, start: head, track: false };
  }
  const { defaultBranch } = advertised;
  return defaultBranch === undefined
    ? { start: head, track: false }
    : { branch: defaultBranch, start: head, track: true };
}

/** Returns whether a branch that the remote lacks can be the first of an empty remote. */
function mayStart(target: string, { head }: Advertised): boolean {
  return head === undefined && target.startsWith(BRANCHES);
}

/** Fetches a remote's ref by its full name: a branch to track, or a commit to detach HEAD at. */
async function fetchRef(git: GitSession, ref: string, shallow: boolean): Promise<Destination> {
  if (ref.startsWith(BRANCHES)) {
    const branch = ref.slice(BRANCHES.length);
    if (shallow) await fetchBranch(git, branch);
    return { branch, start: tracking(branch), track: true };
  }
  // A tag keeps its name locally.
  const name = ref.startsWith("refs/tags/") ? ref : undefined;
  const start = await fetchCommitOf(git, ref, { depth: shallow ? 1 : undefined, name });
  if (start !== undefined) return { start, track: false };
  throw new DaemonError("FAILED_PRECONDITION", `${ref} of the remote does not lead to a commit`, {
    reason: "GIT_TARGET_NOT_FOUND",
  });
}

/** Fetches the remote's HEAD. @returns its local name or its hash */
async function fetchHead(
  git: GitSession,
  { defaultBranch }: Advertised,
  shallow: boolean,
): Promise<string> {
  if (defaultBranch !== undefined) {
    if (shallow) await fetchBranch(git, defaultBranch);
    return tracking(defaultBranch);
  }
  const commit = await fetchCommitOf(git, "HEAD", { depth: shallow ? 1 : undefined });
  if (commit !== undefined) return commit;
  throw new DaemonError("FAILED_PRECONDITION", "the remote's HEAD does not lead to a commit", {
    reason: "GIT_TARGET_NOT_FOUND",
  });
}

async function fetchBranch(git: GitSession, branch: string): Promise<void> {
  await clearTracking(git, tracking(branch));
  await fetchFrom(git, "origin", [`+${BRANCHES}${branch}:${tracking(branch)}`], 1);
}

/**
 * Distinguishes a remote without commits from one whose HEAD names a branch that does not exist.
 * @throws {DaemonError} FAILED_PRECONDITION for the latter, naming branches that exist
 */
async function requireEmpty(
  git: GitSession,
  { mode, target }: CheckoutRequest,
): Promise<void> {
  const refs = (await listRefs(git, "origin")).map(({ name }) => name);
  if (refs.length === 0) return;
  const branches = refs.filter((ref) => ref.startsWith(BRANCHES))
    .map((ref) => ref.slice(BRANCHES.length));
  const named = (branches.length > 0 ? branches : refs).slice(0, MAX_NAMED_REFS);
  const missing = mode === "REMOTE_BRANCH" ? `no branch or tag ${target}, and ` : "";
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `the remote has ${missing}no commit at its HEAD, which names a branch that does not exist: ` +
      "correct that there, or choose a target with target_mode REMOTE_BRANCH or REMOTE_COMMIT " +
      `(there is ${named.join(", ")}${refs.length > named.length ? " and more" : ""})`,
    { reason: "GIT_TARGET_NOT_FOUND" },
  );
}

/** Sets the branch to be of a repository whose remote is empty. */
async function startEmpty(git: GitSession, { mode, target }: CheckoutRequest): Promise<void> {
  if (mode === "LOCAL_BRANCH" || mode === "REMOTE_BRANCH") {
    const ref = target.startsWith(BRANCHES) ? target : `${BRANCHES}${target}`;
    await git.run(["symbolic-ref", "HEAD", ref]);
  }
}

/** Fetches `upstream`, as deep as `origin`. An empty one is no failure. */
export async function fetchUpstream(git: GitSession, shallow: boolean): Promise<void> {
  try {
    await fetchFrom(git, "upstream", [], shallow ? 1 : undefined);
  } catch (error) {
    // A fetch with a depth fails where no ref matches.
    if (!(error instanceof GitFailure) || (await listRefs(git, "upstream")).length > 0) throw error;
  }
}
