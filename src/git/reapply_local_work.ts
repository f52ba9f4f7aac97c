/** Brings local work back after a checkout: into its place, merged, as a stash, or left set aside. */

import { LOCAL_REPO_ENV } from "./git_environment.ts";
import { type ClearTargetFiles, discardIfEmpty, listed, warnOfAside } from "./aside_folder.ts";
import { ASIDE_FOLDER } from "./git_folder.ts";
import type { GitSession } from "./git_session.ts";
import { type AsideFolders, type AsideMoves, moveBack, type SetAside } from "./local_work.ts";
import { mergeChange } from "./merge_change.ts";
import { bytesOfPath, type RawPath } from "./raw_path.ts";
import { makeStash, stagedAlone, type Stashed, storeBlob } from "./stash.ts";
import { ABSENT, isRegular, LINK, type TreeChange } from "./tree_changes.ts";

/** Local work that was set aside, and where it is brought back to. */
export interface Reapplication {
  files: ClearTargetFiles;
  stamp: string;
  folder: string;
  place: AsideFolders;
  moves: AsideMoves;
  setAside: readonly SetAside[];
  /** What was staged at conflicting paths. */
  staged: readonly TreeChange[];
  /** The commit that was checked out before; none where its branch had none. */
  commit: string | undefined;
}

/**
 * Brings local work back where its path is free, merges changes of files that the target changes too,
 * stashes tracked files that do not merge, and warns of what stays set aside.
 * @throws {DaemonError} where git fails; local work stays set aside then
 */
export async function reapplyLocalWork(git: GitSession, work: Reapplication): Promise<void> {
  const { files, stamp, folder, place, moves, setAside, staged, commit } = work;
  const left: SetAside[] = [];
  const settled: RawPath[] = [];
  for (const item of await moveBack(setAside, moves, place)) {
    if (await mergeChange(git, files, folder, item)) settled.push(item.path);
    else left.push(item);
  }
  const entries = await stashable(git, stamp, left, staged, setAside);
  if (commit !== undefined && entries.length > 0) {
    const made = await makeStash(git, LOCAL_REPO_ENV, files.scratch, { commit, entries });
    if (made) {
      git.warn(
        `Local changes at ${
          JSON.stringify(files.location)
        } do not fit the clone target; they are ` +
          `stashed: ${listed(entries.map(({ path }) => path))}`,
      );
      settled.push(...entries.filter(({ worktree }) => worktree).map(({ path }) => path));
    }
  }
  await discardAside(place, settled);
  const kept = left.filter(({ path }) => !settled.includes(path));
  warnOfAside(git, files, folder, kept.map(({ path }) => path));
  await discardIfEmpty(place.discarded, files, stamp);
}

/** Returns what a stash can hold: local files of tracked paths, and what only the index had. */
async function stashable(
  git: GitSession,
  stamp: string,
  left: readonly SetAside[],
  staged: readonly TreeChange[],
  setAside: readonly SetAside[],
): Promise<Stashed[]> {
  const entries = new Map<RawPath, Stashed>();
  const stagedPaths = new Set(staged.map(({ path }) => path));
  const relative = `.git/${ASIDE_FOLDER}/${stamp}`;
  for (const item of left) {
    const { path, change } = item;
    const isTracked = stagedPaths.has(path) || change !== undefined && change.oldMode !== ABSENT;
    const worktree = isTracked ? await storeBlob(git, relative, item) : undefined;
    if (worktree) entries.set(path, { path, worktree });
  }
  const hashes = new Map(setAside.map(({ path, hash }) => [path, hash]));
  for (const change of staged) {
    if (!isRegular(change.newMode) && change.newMode !== LINK) continue;
    const entry = entries.get(change.path);
    const index = stagedAlone(change, entry ? undefined : hashes.get(change.path));
    if (index) entries.set(change.path, { path: change.path, ...entry, index });
  }
  return [...entries.values()];
}

/** Discards what was set aside and has been merged or stashed. */
async function discardAside(place: AsideFolders, paths: readonly RawPath[]): Promise<void> {
  const { content, aside, discarded, owner } = place;
  const moves = paths.map((path) => ({
    from: bytesOfPath(path),
    to: bytesOfPath(`settled/${path}`),
  }));
  await content.movePaths(aside, { tree: discarded, folder: "" }, moves, owner);
}
