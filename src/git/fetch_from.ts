import { logger } from "../log/mod.ts";
import { GitFailure } from "./failure.ts";
import type { GitSession } from "./session.ts";

const log = logger("git");

/** Commits of history; the whole of it where absent. */
export type Depth = number | undefined;

/** To git, a history without an end: unlike `--unshallow` it may be asked of a whole repository, too. */
export const ENDLESS_DEPTH = 2147483647;

/** Where a fetch puts what is to have no name; the ref is deleted at once. */
const TEMPORARY_REF = "refs/wsdaemon/fetched";

/** A tag that was moved on the remote is moved here; a remote that is shallow itself is one, too. */
const PLAIN_FETCH = [
  "fetch",
  "--quiet",
  "--force",
  "--update-shallow",
  "--no-recurse-submodules",
  "--no-auto-maintenance",
];

/**
 * Fetches from a remote. Tags of commits that come with it come along where a refspec says where to
 * put it, as with `git clone`. A server that cannot cut the history gives the whole of it.
 * @param refspecs the remote's configured ones where there are none
 * @throws {GitFailure}
 */
export async function fetchFrom(
  git: GitSession,
  remote: string,
  refspecs: readonly string[],
  depth: Depth,
): Promise<void> {
  // What is gone on the remote may stand in the way of what has come.
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

export interface FetchCommitOptions {
  depth: Depth;
  /** The ref that keeps it here; none where absent. */
  name?: string | undefined;
}

/**
 * Fetches a ref or a commit's full hash from `origin`, and the tags that come along.
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
