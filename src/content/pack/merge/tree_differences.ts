/**
 * Finds what differs between a merged tree and the baseline, so that an index and a baseline are written as
 * what is other than before.
 */

import { binaryString } from "../../../archive/mod.ts";
import {
  type Block,
  type IndexChain,
  isSameBlock,
  isSameInIndex,
  MAX_PATCHES,
  REMOVED_DIRECTORY,
  sortStale,
  type StaleEntry,
} from "../../../image/mod.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import type { VisitedDirectories } from "../scan/previous_tree.ts";
import type { MergedTree } from "./merged_tree.ts";

/** A merged tree, whose layers have their numbers, and the baseline that it is compared with. */
export interface TreesToCompare {
  readonly baseline: BaselineReader;
  readonly tree: MergedTree;
  /** Blocks of the tree that are those of the baseline. */
  readonly retained: ReadonlySet<Block>;
  /** Directories of the baseline that some part has visited are there still. */
  readonly visited: VisitedDirectories;
}

/** What differs; blocks and directories are ordered by path. */
export interface TreeDifferences {
  /** Blocks that are not in the baseline. */
  readonly blocks: readonly Block[];
  /** Those of them that differ in what an index has. */
  readonly indexBlocks: readonly Block[];
  /** Numbers of the baseline's blocks that they take the place of, and of removed directories. */
  readonly dead: ReadonlySet<number>;
  /** Removed directories. */
  readonly removed: readonly Uint8Array[];
}

/** Compares a merged tree with the baseline. */
export function treeDifferences(
  { baseline, tree, retained, visited }: TreesToCompare,
): TreeDifferences {
  const blocks: Block[] = [];
  const indexBlocks: Block[] = [];
  const removed: Uint8Array[] = [];
  const dead = new Set<number>();
  for (const block of tree.blocks) {
    if (retained.has(block)) continue;
    const before = baseline.find(block.path);
    if (before && isSameBlock(before.block, block)) continue;
    if (before) dead.add(before.number);
    blocks.push(block);
    if (!before || !isSameInIndex(before.block, block)) indexBlocks.push(block);
  }
  for (let number = 0; number < baseline.directories; number++) {
    if (visited.hasVisited(number)) continue;
    const { path } = baseline.block(number);
    if (tree.directory(path)) continue;
    removed.push(path.slice());
    dead.add(number);
  }
  return { blocks, indexBlocks, dead, removed };
}

/** The stale entries that a patch adds and removes. */
export interface StaleDifferences {
  readonly added: readonly StaleEntry[];
  readonly removed: readonly StaleEntry[];
}

/**
 * Compares stale entries.
 * @param isUnused whether the image no longer has a layer: its entries are gone without being listed
 */
export function staleDifferences(
  before: readonly StaleEntry[],
  now: readonly StaleEntry[],
  isUnused: (layer: number) => boolean,
): StaleDifferences {
  const key = ({ layer, path }: StaleEntry) => `${layer}/${binaryString(path)}`;
  const [old, fresh] = [new Set(before.map(key)), new Set(now.map(key))];
  return {
    added: now.filter((entry) => !old.has(key(entry))),
    removed: before.filter((entry) => !isUnused(entry.layer) && !fresh.has(key(entry))),
  };
}

/** Returns the removals of a patch. */
export function removalsOf(
  directories: readonly Uint8Array[],
  stale: readonly StaleEntry[],
): StaleEntry[] {
  const removed = directories.map((path) => ({ layer: REMOVED_DIRECTORY, path }));
  return sortStale([...removed, ...stale]);
}

/** As many numbers of a table may be unused. */
const MAX_UNUSED = 1000;

/**
 * Returns whether another patch may be put over an index; else it is written whole. There are at most
 * {@link MAX_PATCHES}, and those that are there have no more bytes than what is below them all.
 */
export function mayPatch(
  { size, below = [] }: IndexChain,
  { header: { layers, blockBytes } }: BaselineReader,
  { indexBlocks }: TreeDifferences,
): boolean {
  const whole = below.at(-1);
  const patchBytes = below.slice(0, -1).reduce((sum, patch) => sum + patch.size, size);
  const isShort = whole === undefined || patchBytes <= whole.size;
  const unused = layers.filter(({ isUnused }) => isUnused).length;
  return below.length < MAX_PATCHES && isShort && unused <= MAX_UNUSED &&
    2 * bytesOf(indexBlocks) <= blockBytes;
}

/**
 * Returns whether a baseline may be added to; else it is written whole. It becomes at most about twice as long
 * as it was when it was written whole.
 */
export function mayAppend(baseline: BaselineReader, { blocks }: TreeDifferences): boolean {
  return baseline.size + bytesOf(blocks) <= 2 * baseline.wholeBytes;
}

function bytesOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { length }) => sum + length, 0);
}
