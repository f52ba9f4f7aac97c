/** Puts the records of large files into the directories that they were found in. */

import { type Block, blocksOf, CHUNK_ENTRY, KIND, TEMPORARY_LAYER } from "../../../image/mod.ts";
import type { LargeFileResults } from "../pack_job.ts";
import type { StoredSegment } from "../write/file_segment.ts";
import type { EntryRef, MergedTree } from "./merged_tree.ts";

/** Options of {@link placeLargeFiles}. */
interface PlaceOptions {
  /** Packs a file anew, because it has changed while several parts were reading it. */
  pack(entry: EntryRef): void;
  /** Blocks in which there is no placeholder. */
  readonly without?: ReadonlySet<Block>;
}

/**
 * Replaces the placeholder of each large file by the record that some part made of it; removes a
 * file that no part could pack, because it was gone or of another type by then.
 */
export function placeLargeFiles(
  tree: MergedTree,
  results: readonly LargeFileResults[],
  { pack, without }: PlaceOptions,
): void {
  const packed = new Map<number, Block>();
  const changed = new Set<number>();
  const segments = Map.groupBy(results.flatMap(({ segments }) => segments), ({ id }) => id);
  for (const { keys, arena, shared } of results) {
    blocksOf(arena).forEach((block, n) => packed.set(keys[n]!, block));
    for (const [key, { id, chunks }] of shared) {
      if (!fillIn(packed.get(key)!, segments.get(id) ?? [], chunks)) changed.add(key);
    }
  }
  tree.each((placeholder, record, directory) => {
    const isPlaceholder = placeholder.kind(record) === KIND.file &&
      placeholder.layer(record) === TEMPORARY_LAYER.largeFile;
    if (!isPlaceholder) return;
    const entry = { directory, record };
    const key = placeholder.offset(record);
    if (changed.has(key)) return pack(entry);
    const block = packed.get(key);
    tree.change(
      entry,
      block ? { kind: "replace", block, record: block.self } : { kind: "remove" },
    );
  }, without);
  tree.apply();
}

/**
 * Fills the chunks of segments into the list of their file.
 * @param chunks how many are missing in it
 * @returns whether all of them were stored as they were cut
 */
function fillIn(block: Block, segments: readonly StoredSegment[], chunks: number): boolean {
  const list = block.chunks(block.self);
  let filled = 0;
  for (const { first, chunks } of segments) {
    if (!chunks) return false;
    list.bytes.set(chunks, first * CHUNK_ENTRY);
    filled += chunks.length / CHUNK_ENTRY;
  }
  return filled === chunks;
}
