/** Finds differences between trees, and between a tree and the index, by path. */

import { forEachRecord, type RawPath, rawPath } from "./raw_path.ts";
import type { GitSession } from "./git_session.ts";

/** The mode that Git prints where nothing is at a path. */
export const ABSENT = "000000";
/** Git's mode of symbolic links. */
export const LINK = "120000";
/** Git's mode of submodules. */
export const GITLINK = "160000";

/** A path that differs. */
export interface TreeChange {
  path: RawPath;
  /** {@link ABSENT} where the path is not there. */
  oldMode: string;
  newMode: string;
  oldHash: string;
  newHash: string;
}

const RAW = ["--raw", "-z", "--no-renames", "--no-abbrev"];

/** Returns what differs between two trees, except paths that Git itself never checks out. */
export async function treeChanges(
  git: GitSession,
  from: string,
  to: string,
): Promise<TreeChange[]> {
  return await changesOf(git, ["diff-tree", "-r", ...RAW, from, to]);
}

/** Returns what differs between a tree and the index: what is staged. */
export async function stagedChanges(git: GitSession, tree: string): Promise<TreeChange[]> {
  return await changesOf(git, ["diff-index", "--cached", ...RAW, tree]);
}

async function changesOf(git: GitSession, args: readonly string[]): Promise<TreeChange[]> {
  const changes: TreeChange[] = [];
  let fields: string[] | undefined;
  await forEachRecord(git, args, (record) => {
    if (!fields) {
      fields = rawPath(record.subarray(1)).split(" ");
      return;
    }
    const [oldMode = "", newMode = "", oldHash = "", newHash = ""] = fields;
    fields = undefined;
    const path = rawPath(record);
    if (!/(?:^|\/)\.git(?:\/|$)/i.test(path)) {
      changes.push({ path, oldMode, newMode, oldHash, newHash });
    }
  });
  return changes;
}

/** Stores the tree without entries, and returns its hash in the repository's own algorithm. */
export async function emptyTree(git: GitSession): Promise<string> {
  const args = ["hash-object", "-t", "tree", "-w", "--stdin"];
  return (await git.run(args, { input: new Uint8Array() })).stdout.trim();
}

/** Returns whether a mode is a regular file's. */
export function isRegular(mode: string): boolean {
  return mode.startsWith("100");
}
