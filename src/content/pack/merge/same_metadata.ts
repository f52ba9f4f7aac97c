/**
 * Tells whether the metadata layer of the last image is, entry for entry, what a new one would be: then
 * the new image has that layer, which need be neither written nor stored again.
 */

import { type Block, KIND, RECORD, type StaleEntry } from "../../../image/mod.ts";
import { sameName } from "../../../linux/mod.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import type { MergedTree } from "./merged_tree.ts";
import { haveSameWhiteouts } from "./stale_entries.ts";

/** A tree, and what is known of it. */
export interface TreeToCompare {
  /** All changes are applied. */
  readonly tree: MergedTree;
  /** Blocks of the tree that are those of the baseline. */
  readonly retained: ReadonlySet<Block>;
  /** The stale entries of the new image, sorted. */
  readonly stale: readonly StaleEntry[];
  /** Those of the baseline, sorted. */
  readonly staleBefore: readonly StaleEntry[];
}

/**
 * Returns whether the metadata layer of the image that a baseline describes is that of a tree: it has the
 * same directories with the same names in them, only files differ, and the whiteouts are the same.
 */
export function hasSameMetadata(
  baseline: BaselineReader,
  { tree, retained, stale, staleBefore }: TreeToCompare,
): boolean {
  // With as many directories, each of which was there before, none is missing either.
  if (tree.blocks.length !== baseline.directories) return false;
  const isSame = tree.blocks.every((block) =>
    retained.has(block) || isSameDirectory(baseline.find(block.path)?.block, block)
  );
  // Where the names are the same, the last image's whiteouts are what its stale entries ask for now.
  return isSame && haveSameWhiteouts(tree, staleBefore, stale);
}

function isSameDirectory(before: Block | undefined, now: Block): boolean {
  if (!before || before.count !== now.count) return false;
  if (!isSameEntry(before, before.self, now, now.self)) return false;
  let record = now.first;
  for (let old = before.first; old < before.end; old += RECORD, record += RECORD) {
    if (!isSameEntry(before, old, now, record)) return false;
  }
  return true;
}

/** Compares what the metadata layer has of an entry: of a file nothing, but whiteouts depend on its name. */
function isSameEntry(before: Block, old: number, now: Block, record: number): boolean {
  const kind = now.kind(record);
  if (before.kind(old) !== kind || !sameName(before.name(old), now.name(record))) return false;
  if (kind === KIND.file) return true;
  const [was, is] = [before.mtime(old), now.mtime(record)];
  return before.mode(old) === now.mode(record) &&
    before.uid(old) === now.uid(record) && before.gid(old) === now.gid(record) &&
    was.sec === is.sec && was.nsec === is.nsec &&
    sameName(before.link(old), now.link(record)) &&
    // A hard link's attributes are those of the file that it names.
    (kind === KIND.link || sameName(before.xattrBytes(old), now.xattrBytes(record))) &&
    (!isDevice(kind) ||
      before.size(old) === now.size(record) && before.offset(old) === now.offset(record));
}

function isDevice(kind: number): boolean {
  return kind === KIND.character || kind === KIND.block;
}
