/** Bringing a repository to its clone target: asking the remote, fetching, checking out. */

import { DaemonError } from "../errors.ts";
import { logger } from "../log.ts";
import { GitFailure } from "./failure.ts";
import type { CheckoutRequest } from "./request.ts";
import type { GitSession } from "./session.ts";

const log = logger("git");

export interface TargetOptions {
  /** Whether the history is fetched only to depth 1. */
  shallow: boolean;
  /** Whether what is in the way in the working tree is overwritten. */
  force: boolean;
  /** Whether the repository has just been made, and may become one of SHA-256. */
  fresh: boolean;
}

/** What the remote says of itself. */
interface Advertised {
  /** The commit of its HEAD; absent where the repository is empty. */
  head?: string;
  /** The branch that its HEAD is. */
  defaultBranch?: string;
  /** Whether it has the branch that was asked for. */
  hasTarget: boolean;
  /** Whether its hashes are SHA-256. */
  isSha256: boolean;
}

/** What to check out: `branch` at `start`, or `start` alone. */
interface Destination {
  start: string;
  branch?: string;
  /** Whether the branch follows the remote's. */
  track: boolean;
}

/** Fetches the target from `origin` and checks it out. @throws {DaemonError} FAILED_PRECONDITION */
export async function reachTarget(
  git: GitSession,
  request: CheckoutRequest,
  options: TargetOptions,
): Promise<void> {
  const advertised = await ask(git, request);
  if (options.fresh && advertised.isSha256) await useSha256(git);
  if (!options.shallow) await git.runRemote(["fetch", "--quiet", ...PLAIN_FETCH, "origin"]);
  const destination = await fetchDestination(git, request, advertised, options);
  if (advertised.defaultBranch !== undefined) {
    const to = tracking(advertised.defaultBranch);
    await git.run(["symbolic-ref", "refs/remotes/origin/HEAD", to]);
  }
  if (!destination) return await startEmpty(git, request);
  // A linked worktree, as a prebuild may have, is no reason not to reach the target here.
  const how = ["--quiet", "--ignore-other-worktrees", ...options.force ? ["--force"] : []];
  const { branch, start, track } = destination;
  await git.run(
    branch === undefined
      ? ["checkout", ...how, "--detach", start]
      : ["checkout", ...how, track ? "--track" : "--no-track", "-B", branch, start],
  );
}

const PLAIN_FETCH = ["--no-recurse-submodules", "--no-auto-maintenance"];

function tracking(branch: string): string {
  return `refs/remotes/origin/${branch}`;
}

async function ask(git: GitSession, { mode, target }: CheckoutRequest): Promise<Advertised> {
  const wanted = mode === "REMOTE_BRANCH" ? `refs/heads/${target}` : undefined;
  const { stdout } = await git.runRemote(
    ["ls-remote", "--symref", "origin", "HEAD", ...(wanted === undefined ? [] : [wanted])],
  );
  const advertised: Advertised = { hasTarget: false, isSha256: false };
  for (const line of stdout.split("\n")) {
    const [value = "", name] = line.split("\t");
    if (/^[0-9a-f]{64}$/.test(value)) advertised.isSha256 = true;
    if (name === wanted) advertised.hasTarget = true;
    if (name !== "HEAD") continue;
    if (!value.startsWith("ref: ")) advertised.head = value;
    else if (value.startsWith("ref: refs/heads/")) advertised.defaultBranch = value.slice(16);
  }
  return advertised;
}

/** What `git clone` does with a new repository as soon as it knows the remote's hashes. */
async function useSha256(git: GitSession): Promise<void> {
  await git.run(["config", "core.repositoryFormatVersion", "1"]);
  await git.run(["config", "extensions.objectFormat", "sha256"]);
}

async function fetchDestination(
  git: GitSession,
  request: CheckoutRequest,
  advertised: Advertised,
  { shallow }: TargetOptions,
): Promise<Destination | undefined> {
  const { mode, target } = request;
  if (mode === "REMOTE_BRANCH" && advertised.hasTarget) {
    if (shallow) await fetchBranch(git, target);
    return { branch: target, start: tracking(target), track: true };
  }
  const head = await fetchHead(git, advertised, shallow);
  if (mode === "REMOTE_COMMIT") {
    return { start: await fetchCommit(git, target, shallow), track: false };
  }
  if (head === undefined) return undefined;
  switch (mode) {
    case "LOCAL_BRANCH":
      return { branch: target, start: head, track: false };
    case "REMOTE_BRANCH":
      log.warn("The remote {remote} has no branch {target}; it starts as its HEAD", {
        remote: request.remote.url,
        target,
      });
      return { branch: target, start: head, track: false };
    default:
      return advertised.defaultBranch === undefined
        ? { start: head, track: false }
        : { branch: advertised.defaultBranch, start: head, track: true };
  }
}

/** Fetches what the remote's HEAD is. @returns its name here; `undefined` where there is nothing */
async function fetchHead(
  git: GitSession,
  { head, defaultBranch }: Advertised,
  shallow: boolean,
): Promise<string | undefined> {
  if (head === undefined) return undefined;
  if (defaultBranch === undefined) {
    await git.runRemote(
      ["fetch", "--quiet", ...PLAIN_FETCH, ...depth(shallow), "--no-tags", "origin", "HEAD"],
    );
    return (await git.run(["rev-parse", "--verify", "FETCH_HEAD^{commit}"])).stdout.trim();
  }
  if (shallow) await fetchBranch(git, defaultBranch);
  return tracking(defaultBranch);
}

async function fetchBranch(git: GitSession, branch: string): Promise<void> {
  const refspec = `+refs/heads/${branch}:${tracking(branch)}`;
  await git.runRemote(
    ["fetch", "--quiet", ...PLAIN_FETCH, ...depth(true), "--no-tags", "origin", refspec],
  );
}

/** @returns the whole hash of the commit, which is here then */
async function fetchCommit(git: GitSession, commit: string, shallow: boolean): Promise<string> {
  const here = await findCommit(git, commit);
  if (here !== undefined) return here;
  if (!await fetchByHash(git, commit, shallow)) {
    if (!await hasBranches(git, "origin")) {
      const message = `the remote is empty; it has no commit ${commit}`;
      throw new DaemonError("FAILED_PRECONDITION", message);
    }
    const whole = shallow ? ["--depth", "2147483647"] : [];
    await git.runRemote(["fetch", "--quiet", ...PLAIN_FETCH, ...whole, "origin"]);
  }
  const fetched = await findCommit(git, commit);
  if (fetched !== undefined) return fetched;
  throw new DaemonError("FAILED_PRECONDITION", `the remote has no commit ${commit}`);
}

/** @returns whether the server gave it: some give branches only, and an abbreviation is no hash */
async function fetchByHash(git: GitSession, commit: string, shallow: boolean): Promise<boolean> {
  if (!/^(?:.{40}|.{64})$/.test(commit)) return false;
  try {
    await git.runRemote(
      ["fetch", "--quiet", ...PLAIN_FETCH, ...depth(shallow), "--no-tags", "origin", commit],
    );
    return true;
  } catch (error) {
    if (error instanceof GitFailure) return false;
    throw error;
  }
}

/**
 * The commit whose hash starts with `text`; a branch or tag of that name is another matter.
 * @throws {DaemonError} FAILED_PRECONDITION where several do
 */
async function findCommit(git: GitSession, text: string): Promise<string | undefined> {
  const found = await git.run(["rev-parse", `--disambiguate=${text}`]);
  const objects = found.stdout.split("\n").filter((hash) => hash !== "");
  if (objects.length === 0) return undefined;
  const { stdout } = await git.run(["cat-file", "--batch-check=%(objecttype) %(objectname)"], {
    input: new TextEncoder().encode(objects.map((hash) => `${hash}\n`).join("")),
  });
  const commits = stdout.split("\n").flatMap((line) => /^commit (.+)/.exec(line)?.[1] ?? []);
  if (commits.length <= 1) return commits[0];
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `${commits.length} commits of the remote start with ${text}`,
  );
}

/** An empty remote: the branch to be is all there is to set. */
async function startEmpty(git: GitSession, { mode, target }: CheckoutRequest): Promise<void> {
  if (mode === "LOCAL_BRANCH" || mode === "REMOTE_BRANCH") {
    await git.run(["symbolic-ref", "HEAD", `refs/heads/${target}`]);
  }
}

/** Fetches `upstream`, as deep as the rest. An empty one has nothing to fetch. */
export async function fetchUpstream(git: GitSession, shallow: boolean): Promise<void> {
  try {
    await git.runRemote(["fetch", "--quiet", ...PLAIN_FETCH, ...depth(shallow), "upstream"]);
  } catch (error) {
    // A fetch of limited depth fails where there is nothing.
    if (!(error instanceof GitFailure) || await hasBranches(git, "upstream")) throw error;
  }
}

async function hasBranches(git: GitSession, remote: string): Promise<boolean> {
  return (await git.runRemote(["ls-remote", "--heads", remote])).stdout !== "";
}

function depth(shallow: boolean): string[] {
  return shallow ? ["--depth", "1"] : [];
}
