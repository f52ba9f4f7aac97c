/** Writes an image's last layer: whiteouts, then everything but regular files. */

import type { WrittenType } from "../../../archive/mod.ts";
import { type Block, KIND, RECORD, tarEntry, whiteoutEntry } from "../../../image/mod.ts";
import { joinPath } from "../../../linux/mod.ts";
import type { LayerWriter } from "../write/layer_writer.ts";
import type { MergedTree } from "./merged_tree.ts";

const TYPES = new Map<number, WrittenType>([
  [KIND.directory, "directory"],
  [KIND.symlink, "symlink"],
  [KIND.fifo, "fifo"],
  [KIND.character, "character"],
  [KIND.block, "block"],
  [KIND.link, "link"],
]);

/**
 * Writes the metadata layer's entries: whiteouts first, then directories from the deepest up, each
 * after its entries, so that a tool that applies them in order sets each directory's times last.
 * @param removed paths that lower layers have and the tree has not
 */
export function writeMetadataLayer(
  layers: LayerWriter,
  tree: MergedTree,
  removed: readonly Uint8Array[],
): void {
  for (const path of removed) layers.header(whiteoutEntry(path));
  for (let n = tree.blocks.length - 1; n >= 0; n--) {
    const block = tree.blocks[n]!;
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      if (block.kind(record) !== KIND.file) {
        writeEntry(layers, block, record, joinPath(block.path, block.name(record)));
      }
    }
    writeEntry(layers, block, block.self, block.path);
  }
}

function writeEntry(layers: LayerWriter, block: Block, record: number, path: Uint8Array): void {
  const kind = block.kind(record);
  const link = block.link(record);
  const isDevice = kind === KIND.character || kind === KIND.block;
  layers.header(tarEntry({
    type: TYPES.get(kind)!,
    path,
    link: link.length > 0 ? link : undefined,
    mode: block.mode(record),
    uid: block.uid(record),
    gid: block.gid(record),
    mtime: block.mtime(record),
    size: 0,
    device: isDevice ? { major: block.size(record), minor: block.offset(record) } : undefined,
    // A hard link's attributes are those of the file that it names.
    xattrs: kind === KIND.link ? undefined : block.xattrs(record),
  }));
}
