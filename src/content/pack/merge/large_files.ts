/** Puts the records of large files into the directories that they were found in. */

import { blocksOf, KIND, TEMPORARY_LAYER } from "../../../image/mod.ts";
import type { Block } from "../../../image/mod.ts";
import type { LargeFileResults } from "../pack_job.ts";
import type { MergedTree } from "./merged_tree.ts";

/**
 * Replaces the placeholder of each large file by the record that some part made of it; removes a
 * file that no part could pack, because it was gone or of another type by then.
 */
export function placeLargeFiles(tree: MergedTree, results: readonly LargeFileResults[]): void {
  const packed = new Map<number, Block>();
  for (const { keys, arena } of results) {
    blocksOf(arena).forEach((block, n) => packed.set(keys[n]!, block));
  }
  tree.each((placeholder, record, directory) => {
    const isPlaceholder = placeholder.kind(record) === KIND.file &&
      placeholder.layer(record) === TEMPORARY_LAYER.largeFile;
    if (!isPlaceholder) return;
    const block = packed.get(placeholder.offset(record));
    tree.change(
      { directory, record },
      block ? { kind: "replace", block, record: block.self } : { kind: "remove" },
    );
  });
  tree.apply();
}
