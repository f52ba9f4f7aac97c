import { logger } from "../log/mod.ts";
import { GitFailure } from "./git_failure.ts";
import type { GitSession } from "./git_session.ts";

const log = logger("git");

/** How many commits of history are fetched; all where absent. */
export type Depth = number | undefined;

/** Git's value for the whole history, which unlike `--unshallow` is allowed in a whole repository, too. */
export const ENDLESS_DEPTH = 2147483647;

/** The ref of a fetched commit that gets no name; it is deleted at once. */
const TEMPORARY_REF = "refs/wsdaemon/fetched";

/** Moves tags that the remote has moved, and fetches from a remote that is itself shallow. */
const PLAIN_FETCH = [
  "fetch",
  "--quiet",
  "--force",
  "--update-shallow",
  "--no-recurse-submodules",
  "--no-auto-maintenance",
];

/**
 * Fetches from a remote. Tags of fetched commits are fetched, too, where a refspec has a destination, as by
 * `git clone`. The whole history is fetched from a server that cannot cut it.
 * @param refspecs the remote's configured ones where there are none
 * @throws {GitFailure}
 */
export async function fetchFrom(
  git: GitSession,
  remote: string,
  refspecs: readonly string[],
  depth: Depth,
): Promise<void> {
  // A ref that the remote deleted may conflict with one that it made since.
  const prune = refspecs.length === 0 ? ["--prune"] : [];
  const fetch = (how: readonly string[]) =>
    git.runRemote([...PLAIN_FETCH, ...prune, ...how, remote, ...refspecs]);
  if (depth === undefined) {
    await fetch([]);
    return;
  }
  try {
    await fetch(["--depth", String(depth)]);
  } catch (error) {
    if (!(error instanceof GitFailure) || !error.refusesDepth) throw error;
    log.info("The server of {remote} cannot cut the history, which is fetched as a whole", {
      remote,
    });
    await fetch([]);
  }
}

/** How a commit is fetched. */
export interface FetchCommitOptions {
  depth: Depth;
  /** The local ref that names it; none where absent. */
  name?: string | undefined;
}

/**
 * Fetches a ref or a commit's whole hash from `origin`, and the tags of fetched commits.
 * @returns the hash of its commit; `undefined` where it leads to something else
 * @throws {GitFailure}
 */
export async function fetchCommitOf(
  git: GitSession,
  source: string,
  { depth, name }: FetchCommitOptions,
): Promise<string | undefined> {
  const ref = name ?? TEMPORARY_REF;
  await fetchFrom(git, "origin", [`+${source}:${ref}`], depth);
  const { code, stdout } = await git.run(
    ["rev-parse", "--quiet", "--verify", `${ref}^{commit}`],
    { answers: [1, 128] },
  );
  if (name === undefined) await git.run(["update-ref", "-d", TEMPORARY_REF]);
  return code === 0 ? stdout.trim() : undefined;
}
