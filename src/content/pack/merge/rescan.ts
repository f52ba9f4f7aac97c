/** Walks directories again that changed after their part had walked them. */

import { binaryString } from "../../../archive/mod.ts";
import { Arena, type Block, BlockBuilder, blocksOf } from "../../../image/mod.ts";
import { type Directory, joinPath } from "../../../linux/mod.ts";
import { changedDirectories } from "../scan/changed_directories.ts";
import { Walker, type WalkerOptions } from "../scan/walker.ts";
import type { MergedTree } from "./merged_tree.ts";

/** How often directories that go on changing are walked again. */
const MAX_RESCANS = 3;

/** Options of {@link rescan}. */
export interface RescanOptions
  extends Pick<WalkerOptions, "packer" | "claims" | "stats" | "rights" | "excludes"> {
  readonly top: Directory;
  /** The tree that the directories and entries which the rescan finds are added to. */
  readonly tree: MergedTree;
  /** Throws if the pack is cancelled. */
  tick(): void;
}

/**
 * Packs entries that appeared in directories after these were walked, until no directory changes
 * any more: only then every entry is in a directory that was walked, whatever was moved meanwhile.
 * Counts directories that still change as unstable.
 * @param changed paths of directories that changed after their part had walked them
 */
export function rescan(options: RescanOptions, changed: readonly Uint8Array[]): void {
  const { tree, stats } = options;
  const gone = new Set<string>();
  let pending = changed;
  for (let scan = 0; pending.length > 0 && scan < MAX_RESCANS; scan++) {
    tree.add(walkAgain(options, pending));
    pending = changedSinceWalked(options, gone);
  }
  for (const path of pending) stats.addUnstable(path);
}

/**
 * Returns the directories of the tree that have changed, and those that are gone and were not
 * before: the place that they were moved to may have been walked earlier.
 * @param gone the directories that were gone after the last scan; updated to those gone now
 */
function changedSinceWalked(
  { top, tree, tick }: RescanOptions,
  gone: Set<string>,
): Uint8Array[] {
  const changes = changedDirectories(top, tree.blocks, tick);
  const goneBefore = new Set(gone);
  gone.clear();
  for (const path of changes.gone) gone.add(binaryString(path));
  return [
    ...changes.changed,
    ...changes.gone.filter((path) => !goneBefore.has(binaryString(path))),
  ];
}

/** Returns blocks with what is new in those directories, and of new directories below them. */
function walkAgain(options: RescanOptions, directories: readonly Uint8Array[]): Block[] {
  const { tree } = options;
  const arena = new Arena();
  const found: Uint8Array[] = [];
  const walker = new Walker({
    ...options,
    builder: new BlockBuilder(arena),
    previous: undefined,
    largeFileBytes: Infinity,
    onDirectory: (path) => found.push(path),
    onLarge: () => {
      throw new TypeError("Cannot hand on a large file when all parts are done");
    },
  });
  for (const path of directories) {
    walker.walkAgain(path, (name) => tree.kindAt(joinPath(path, name)) !== undefined);
  }
  for (let path = found.pop(); path; path = found.pop()) walker.walk(path);
  return blocksOf(arena.buffers);
}
