/** Fetches the commit that a request names by its hash. */

import { DaemonError } from "../errors.ts";
import { BRANCHES, listRefs } from "./advertised.ts";
import { GitFailure } from "./git_failure.ts";
import { ENDLESS_DEPTH, fetchCommitOf, fetchFrom } from "./fetch_from.ts";
import type { GitSession } from "./git_session.ts";

/** How much history is fetched with a commit, so that `git log` and `git describe` show something. */
const COMMIT_DEPTH = 20;

/** The namespaces in which a commit is searched, and what is fetched of each. */
const SEARCHED_REFS: readonly (readonly [namespace: string, refspecs: readonly string[]])[] = [
  [BRANCHES, []],
  ["refs/tags/", ["+refs/tags/*:refs/tags/*"]],
];

/**
 * Fetches a commit from `origin`.
 * @param name its hash, whole or abbreviated
 * @param shallow whether its history is cut
 * @returns its whole hash
 * @throws {DaemonError} FAILED_PRECONDITION where the remote does not have it or does not give it
 */
export async function fetchCommit(
  git: GitSession,
  name: string,
  shallow: boolean,
): Promise<string> {
  const here = await findCommit(git, name);
  if (here !== undefined && !shallow) return here;
  const hash = here ?? (/^(?:.{40}|.{64})$/.test(name) ? name : undefined);
  const given = hash !== undefined && await fetchByHash(git, hash, shallow);
  if (given || here !== undefined) {
    const found = await findCommit(git, name);
    if (found !== undefined) return found;
  }
  return await searchEverywhere(git, name, shallow);
}

/** Fetches by hash. @returns whether the server allows that: some serve only what their refs name */
async function fetchByHash(git: GitSession, hash: string, shallow: boolean): Promise<boolean> {
  try {
    await fetchCommitOf(git, hash, { depth: shallow ? COMMIT_DEPTH : undefined });
    return true;
  } catch (error) {
    if (error instanceof GitFailure && !error.transient && error.code === "FAILED_PRECONDITION") {
      return false;
    }
    throw error;
  }
}

/** Fetches all branches with their history, then all tags, until the commit is among them. */
async function searchEverywhere(
  git: GitSession,
  name: string,
  shallow: boolean,
): Promise<string> {
  const refs = await listRefs(git, "origin");
  if (refs.length === 0) {
    throw new DaemonError("FAILED_PRECONDITION", `the remote is empty; it has no commit ${name}`, {
      reason: "GIT_TARGET_NOT_FOUND",
    });
  }
  for (const [namespace, refspecs] of SEARCHED_REFS) {
    // A fetch with a depth fails where no ref matches.
    if (!refs.some(({ name }) => name.startsWith(namespace))) continue;
    await fetchFrom(git, "origin", refspecs, shallow ? ENDLESS_DEPTH : undefined);
    const found = await findCommit(git, name);
    if (found !== undefined) return found;
  }
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `the remote has no commit ${name} on any of its branches and tags, nor does it give one of ` +
      "that hash",
    { reason: "GIT_TARGET_NOT_FOUND" },
  );
}

/**
 * Returns the commit whose hash starts with `text`, never a branch or tag of that name.
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
    { reason: "GIT_TARGET_NOT_FOUND" },
  );
}
