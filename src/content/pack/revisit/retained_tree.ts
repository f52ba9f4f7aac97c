/** Takes over the directories of the baseline in which nothing has changed. */

import { type Block, FLAG, KIND, RECORD } from "../../../image/mod.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import type { PartStats } from "../part_stats.ts";
import type { RestoreRights } from "../restore_rights.ts";
import type { VisitedDirectories } from "../scan/previous_tree.ts";
import { RESOLUTION, type RevisitPlan } from "./revisit_plan.ts";

/** Where retained directories come from, and what is told of them. */
export interface RetainedTreeOptions {
  readonly baseline: BaselineReader;
  readonly visited: VisitedDirectories;
  readonly stats: PartStats;
  readonly rights: RestoreRights;
}

/**
 * Returns the blocks of the directories that a plan retains, ordered by path, as a walk would have
 * built them. Counts what is in them, and marks them as visited.
 */
export function retainedBlocks(plan: RevisitPlan, options: RetainedTreeOptions): Block[] {
  const { baseline, visited, stats, rights } = options;
  const resolutions = new Uint8Array(plan.resolutions);
  const blocks: Block[] = [];
  for (const { block, number } of baseline.all()) {
    if (resolutions[number] !== RESOLUTION.retained) continue;
    visited.visit(number);
    stats.directories++;
    stats.addSockets(block.sockets);
    rights.checkRecord(block, block.self);
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      if (block.isOmitted(record)) stats.addRetainedOmission();
      else retain(block, record, options);
    }
    blocks.push(block);
  }
  return blocks;
}

function retain(block: Block, record: number, { stats, rights }: RetainedTreeOptions): void {
  stats.addRecord(block, record);
  // The merge links a further name of a file anew: the name that has the content may be another now.
  if (block.kind(record) === KIND.link) block.setFlags(record, FLAG.linked);
  else rights.checkRecord(block, record);
}
