import { type Block, KIND } from "../../../image/mod.ts";
import type { MergedTree } from "./merged_tree.ts";

/**
 * Returns the packs that files of the tree have chunks in. There may be others: of a file that has become
 * small, or is gone, since its chunks were stored. An image without chunks must not have any.
 * @param without blocks in which there is no list of chunks
 */
export function packsInUse(tree: MergedTree, without: ReadonlySet<Block>): Set<number> {
  const packs = new Set<number>();
  tree.each((block, record) => {
    if (block.kind(record) !== KIND.file || !block.isChunked(record)) return;
    const list = block.chunks(record);
    for (let n = 0; n < list.count; n++) packs.add(list.pack(n));
  }, without);
  return packs;
}
