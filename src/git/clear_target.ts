/** Clears the working tree, the index and the refs for another commit, without losing local work. */

import { DaemonError } from "../errors.ts";
import { asideFolder, type ClearTargetFiles, discardIfEmpty } from "./aside_folder.ts";
import { clearBranch, commitOf } from "./local_refs.ts";
import { type AsideFolders, AsideMoves, clearPaths, conflictingPaths } from "./local_work.ts";
import { forEachRecord, type RawPath, rawPath } from "./raw_path.ts";
import type { GitSession } from "./git_session.ts";
import type { Destination } from "./reach_target.ts";
import { reapplyLocalWork } from "./reapply_local_work.ts";
import { saveIndex } from "./saved_index.ts";
import { indexInfo } from "./stash.ts";
import { ABSENT, emptyTree, stagedChanges, type TreeChange, treeChanges } from "./tree_changes.ts";

/** A checkout whose local work is set aside, and whose working tree is the target's. */
export interface ClearedTarget {
  /** Path in the tree of the folder that holds local work until it is brought back. */
  folder: string;
  /** Restores working tree, index and HEAD as they were. */
  undo(): Promise<void>;
  /** Brings local work back into the working tree; what does not fit stays set aside. */
  reapply(git: GitSession): Promise<void>;
}

/**
 * Sets local work aside that conflicts with `destination`, in the working tree, the index and the refs,
 * and makes index and working tree the destination's. HEAD is detached there. Restores everything where
 * it fails.
 * @throws {DaemonError} FAILED_PRECONDITION where git fails
 */
export async function clearTarget(
  git: GitSession,
  files: ClearTargetFiles,
  { start, branch }: Destination,
  stamp: string,
): Promise<ClearedTarget> {
  const { content, tree, location, discarded, owner, signal } = files;
  if (branch !== undefined) await clearBranch(git, branch, stamp);
  const commit = await headCommit(git);
  const base = commit === undefined ? await emptyTree(git) : `${commit}^{tree}`;
  const index = await saveIndex(git, files);
  const changes = await treeChanges(git, base, `${start}^{tree}`);
  const folder = asideFolder(location, stamp);
  const place: AsideFolders = {
    content,
    checkout: { tree, folder: location },
    aside: { tree, folder },
    discarded,
    owner,
  };
  await content.makeDirectory(tree, folder, owner);
  const moves = new AsideMoves(place);
  const source = { content, tree, location, indexTime: index.time, signal };
  // Undoing has a time limit of its own: the one that ended the work must not end it, too.
  const withFreshLimit = () =>
    git.withSignal(AbortSignal.any([signal, AbortSignal.timeout(files.timeout)]));
  const restoreHead = await saveHead(git, commit);
  const undo = async () => {
    await restoreHead(withFreshLimit());
    await moves.undo();
    await discardIfEmpty(discarded, files, stamp);
    await index.restore();
  };
  try {
    const staged = await unstageConflicts(git, base, changes);
    const setAside = await clearPaths(git, changes, source, moves, place);
    // Unlike a checkout, this fails where a file cannot be written.
    await git.run(["read-tree", "-m", "-u", base, start]);
    // The checkout that follows then only has to name the branch.
    await git.run(["update-ref", "--no-deref", "HEAD", `${start}^{commit}`]);
    const reapply = (git: GitSession) =>
      reapplyLocalWork(git, { files, stamp, folder, place, moves, setAside, staged, commit });
    return {
      folder,
      undo,
      async reapply(git) {
        await index.forget();
        await reapply(git);
      },
    };
  } catch (error) {
    await undo();
    throw error;
  }
}

/** Reads what HEAD is. @returns what makes it so again */
async function saveHead(
  git: GitSession,
  commit: string | undefined,
): Promise<(git: GitSession) => Promise<void>> {
  const { code, stdout } = await git.run(["symbolic-ref", "--quiet", "HEAD"], { answers: [1] });
  const branch = code === 0 ? stdout.trim() : undefined;
  return async (git) => {
    if (branch !== undefined) await git.run(["symbolic-ref", "HEAD", branch]);
    else if (commit !== undefined) await git.run(["update-ref", "--no-deref", "HEAD", commit]);
  };
}

/** Returns the commit that is checked out; `undefined` where the branch has none yet. */
async function headCommit(git: GitSession): Promise<string | undefined> {
  const commit = await commitOf(git, "HEAD");
  if (commit !== undefined) return commit;
  const { code } = await git.run(["rev-parse", "--quiet", "--verify", "HEAD"], {
    answers: [1, 128],
  });
  if (code !== 0) return undefined;
  throw new DaemonError("FAILED_PRECONDITION", "HEAD names a commit that the repository lacks", {
    reason: "GIT_FAILED",
  });
}

/**
 * Resets those index entries that keep git from a checkout of these changes: unfinished merges, and what
 * is staged at their paths.
 * @returns what was staged there
 */
async function unstageConflicts(
  git: GitSession,
  base: string,
  changes: readonly TreeChange[],
): Promise<TreeChange[]> {
  const conflicts = conflictingPaths(changes);
  const unmerged = new Map<RawPath, true>();
  await forEachRecord(git, ["ls-files", "--unmerged", "-z"], (record) => {
    unmerged.set(rawPath(record.subarray(record.indexOf(0x09) + 1)), true);
  });
  const staged = await stagedChanges(git, base);
  const reset = staged.filter(({ path }) => conflicts(path) || unmerged.has(path));
  const resetPaths = new Set(reset.map(({ path }) => path));
  const intended = changes.filter(({ oldMode, path }) =>
    oldMode === ABSENT && !resetPaths.has(path)
  );
  const entries = [
    ...intended.map(({ path, oldHash: hash }) => ({ path, mode: ABSENT, hash })),
    ...reset.flatMap(({ path, oldMode: mode, oldHash: hash }) => [
      // Removes all stages, then adds the commit's entry.
      { path, mode: ABSENT, hash },
      ...(mode === ABSENT ? [] : [{ path, mode, hash }]),
    ]),
  ];
  if (entries.length > 0) {
    await git.run(["update-index", "-z", "--index-info"], { input: indexInfo(entries) });
  }
  return reset.filter(({ path }) => !unmerged.has(path));
}
