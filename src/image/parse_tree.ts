/** Finds the parts of an uncompressed tree file, and checks each before any of it is used. */

import { compareBytes } from "../archive/mod.ts";
import { Block, type Memory } from "./block.ts";
import { checkBlock } from "./check_block.ts";
import { HEAD } from "./layout.ts";
import {
  blocksAt,
  decodeHeader,
  decodeStale,
  type StaleEntry,
  treeFileSize,
  type TreeHeader,
} from "./tree_file.ts";

/** The parts of a tree file: those of a whole one, or of a patch. */
export interface ParsedTree {
  readonly header: TreeHeader;
  /** Ordered by path. */
  readonly blocks: readonly Block[];
  /** Ordered by path and layer. */
  readonly stale: readonly StaleEntry[];
  /** What a patch removes, ordered as `stale` is; see `REMOVED_DIRECTORY`. */
  readonly removals: readonly StaleEntry[];
}

/** Parses a tree file and checks every block. @throws {RangeError} where it is malformed */
export function parseTree(memory: Memory): ParsedTree {
  const { bytes } = memory;
  const header = decodeHeader(bytes);
  if (treeFileSize(header) !== bytes.length) throw new RangeError("its parts do not add up");
  const start = blocksAt(header);
  const end = start + header.blockBytes;
  const isWhole = header.patch === undefined;
  const blocks: Block[] = [];
  for (let at = start; at < end;) {
    if (at + HEAD.size > end) throw new RangeError("a directory leaves the file");
    const block = new Block(memory, at);
    checkBlock(block, end, header.layers);
    const before = blocks.at(-1);
    const isFirst = !isWhole || block.path.length === 0;
    if (before ? compareBytes(before.path, block.path) >= 0 : !isFirst) {
      throw new RangeError("its directories are out of order");
    }
    blocks.push(block);
    at += block.length;
  }
  if (blocks.length !== header.blocks) throw new RangeError("its number of directories is wrong");
  const removalsAt = end + header.staleBytes;
  return {
    header,
    blocks,
    stale: decodeStale(bytes.subarray(end, removalsAt), header.stale),
    removals: decodeStale(bytes.subarray(removalsAt), header.patch?.removals ?? 0),
  };
}
