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
}

/** What the remote says of itself. */
interface Advertised {
  /** The commit of its HEAD; absent where the repository is empty. */
  head?: string;
  /** The branch that its HEAD is. */
  defaultBranch?: string;
  /** Whether it has the branch that was asked for. */
  hasTarget: boolean;
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
  const advertised: Advertised = { hasTarget: false };
  for (const line of stdout.split("\n")) {
    const [value = "", name] = line.split("\t");
    if (name === wanted) advertised.hasTarget = true;
    if (name !== "HEAD") continue;
    if (!value.startsWith("ref: ")) advertised.head = value;
    else if (value.startsWith("ref: refs/heads/")) advertised.defaultBranch = value.slice(16);
  }
  return advertised;
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
  try {
    await git.runRemote(
      ["fetch", "--quiet", ...PLAIN_FETCH, ...depth(shallow), "--no-tags", "origin", commit],
    );
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    // Some servers give branches only, and none finds an abbreviated hash.
    const whole = shallow ? ["--depth", "2147483647"] : [];
    await git.runRemote(["fetch", "--quiet", ...PLAIN_FETCH, ...whole, "origin"]);
  }
  const fetched = await findCommit(git, commit);
  if (fetched !== undefined) return fetched;
  throw new DaemonError("FAILED_PRECONDITION", `the remote has no commit ${commit}`);
}

async function findCommit(git: GitSession, commit: string): Promise<string | undefined> {
  const args = ["rev-parse", "--quiet", "--verify", `${commit}^{commit}`];
  const { code, stdout } = await git.run(args, { answers: [1, 128] });
  return code === 0 ? stdout.trim() : undefined;
}

/** An empty remote: the branch to be is all there is to set. */
async function startEmpty(git: GitSession, { mode, target }: CheckoutRequest): Promise<void> {
  if (mode === "LOCAL_BRANCH" || mode === "REMOTE_BRANCH") {
    await git.run(["symbolic-ref", "HEAD", `refs/heads/${target}`]);
  }
}

/** Fetches `upstream`, as deep as the rest. */
export async function fetchUpstream(git: GitSession, shallow: boolean): Promise<void> {
  await git.runRemote(["fetch", "--quiet", ...PLAIN_FETCH, ...depth(shallow), "upstream"]);
}

function depth(shallow: boolean): string[] {
  return shallow ? ["--depth", "1"] : [];
}
