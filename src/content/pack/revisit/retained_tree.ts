/** Takes over the directories of the baseline in which nothing has changed. */

import { Arena, type Block, BlockBuilder, FLAG, KIND, RECORD } from "../../../image/mod.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import type { PartStats } from "../part_stats.ts";
import type { RestoreRights } from "../restore_rights.ts";
import type { VisitedDirectories } from "../scan/previous_tree.ts";
import { ENTRY_OVERHEAD } from "../write/layer_writer.ts";
import { RESOLUTION, type RevisitPlan } from "./revisit_plan.ts";

/** Where retained directories come from, and what is told of them. */
export interface RetainedTreeOptions {
  readonly baseline: BaselineReader;
  readonly visited: VisitedDirectories;
  readonly stats: PartStats;
  readonly rights: RestoreRights;
}

/** The directories that a plan retains. */
export interface RetainedTree {
  /** Ordered by path, as a walk would have built them. */
  readonly blocks: Block[];
  /** Those of them that are the baseline's own, whose memory nobody changes. */
  readonly untouched: ReadonlySet<Block>;
  /**
   * Those of them in which every file has one name only, and content of its own in one piece: what takes the
   * merge passes over all files is not for them.
   */
  readonly plain: ReadonlySet<Block>;
  /** About the bytes of layers that these have, by the numbers of the layers. */
  readonly plainBytes: Float64Array;
}

/** What a walk retains. */
export const NOTHING_RETAINED: RetainedTree = {
  blocks: [],
  untouched: new Set(),
  plain: new Set(),
  plainBytes: new Float64Array(),
};

const NOT_PLAIN = FLAG.linked | FLAG.displaced | FLAG.chunked;

/** Returns the directories that a plan retains. Counts what is in them, and marks them as visited. */
export function retainedTree(plan: RevisitPlan, options: RetainedTreeOptions): RetainedTree {
  const { baseline, visited, stats, rights } = options;
  const resolutions = new Uint8Array(plan.resolutions);
  const blocks: Block[] = [];
  const untouched = new Set<Block>();
  const plain = new Set<Block>();
  const plainBytes = new Float64Array(baseline.header.layers.length);
  const builder = new BlockBuilder(new Arena());
  for (const { block, number } of baseline.all()) {
    if (resolutions[number] !== RESOLUTION.retained) continue;
    visited.visit(number);
    stats.directories++;
    stats.addSockets(block.sockets);
    rights.checkRecord(block, block.self);
    let hasLinks = false;
    let flags = 0;
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      flags |= block.flags(record);
      if (block.isOmitted(record)) stats.addRetainedOmission();
      else {
        stats.addRecord(block, record);
        if (block.kind(record) === KIND.link) hasLinks = true;
        else rights.checkRecord(block, record);
      }
    }
    if (hasLinks) blocks.push(unlinked(block, builder));
    else {
      blocks.push(block);
      untouched.add(block);
      if ((flags & NOT_PLAIN) === 0) {
        plain.add(block);
        addBytes(block, plainBytes);
      }
    }
  }
  return { blocks, untouched, plain, plainBytes };
}

function addBytes(block: Block, bytes: Float64Array): void {
  for (let record = block.first, end = block.end; record < end; record += RECORD) {
    if (block.kind(record) !== KIND.file) continue;
    bytes[block.layer(record)]! += block.stored(record) + ENTRY_OVERHEAD;
  }
}

/** The merge links further names of files anew: the name that has the content may be another now. */
function unlinked(block: Block, builder: BlockBuilder): Block {
  builder.begin(block.path, block.sockets);
  builder.copy(block, block.self);
  for (let record = block.first, end = block.end; record < end; record += RECORD) {
    const isLink = block.kind(record) === KIND.link && !block.isOmitted(record);
    if (isLink) builder.copyLink(block, record);
    else builder.copy(block, record);
  }
  return builder.finish();
}
