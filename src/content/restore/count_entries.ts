/** Counts what an image's directories describe. */

import { type Block, KIND, RECORD } from "../../image/mod.ts";
import type { Budget } from "../budget.ts";

/** What blocks describe; bytes are apparent ones, those of hard links included. */
export interface EntryCounts {
  /** Regular files, by their first names. */
  readonly files: number;
  /** Further names of files. */
  readonly links: number;
  readonly contentBytes: number;
}

/** Counts what directories describe, and adds what that takes on disk to the budget. */
export function countEntries(blocks: Iterable<Block>, budget: Budget): EntryCounts {
  const totals = { files: 0, links: 0, contentBytes: 0 };
  for (const block of blocks) {
    // The top directory exists before the restore.
    if (block.path.length > 0) budget.directory();
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      countOnDisk(block, record, budget);
      const kind = block.kind(record);
      if (kind === KIND.file) totals.files++;
      else if (kind === KIND.link) totals.links++;
      else continue;
      totals.contentBytes += block.size(record);
    }
  }
  return totals;
}

function countOnDisk(block: Block, record: number, budget: Budget): void {
  const kind = block.kind(record);
  if (kind === KIND.link) return budget.link();
  budget.bytes(block.xattrBytes(record).length);
  if (kind === KIND.file) budget.file(block.stored(record));
  else if (kind === KIND.symlink) budget.symlink(block.link(record).length);
  else budget.other();
}
