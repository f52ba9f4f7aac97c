/**
 * Has the kernel read changed files while the plan is being made. A frozen tree's inodes are new to the
 * kernel, so that none of their content is in memory: read one after the other, each small file would
 * cost the disk's latency.
 */

import { type Block, KIND, RECORD } from "../../../image/mod.ts";
import { type Directory, FADVISE, SystemError } from "../../../linux/mod.ts";

/** The most bytes that are read ahead, by the sizes that files had. */
const MOST_BYTES = 64 << 20;
/** The kernel reads larger files ahead by itself, well before they are needed. */
const LARGE_FILE_BYTES = 1 << 20;

/** Reads changed files ahead, up to a bound. */
export class ReadAhead {
  #left = MOST_BYTES;

  /**
   * Begins to read the changed files of a directory that has the same entries as before. What cannot be
   * opened is passed over: whoever needs it reports why.
   */
  begin(dir: Directory, block: Block, inodes: ReadonlySet<number>): void {
    for (let record = block.first; record < block.end && this.#left > 0; record += RECORD) {
      if (block.kind(record) !== KIND.file || !inodes.has(block.inodeNumber(record))) continue;
      const size = block.size(record);
      if (size > LARGE_FILE_BYTES) continue;
      this.#left -= size;
      advise(dir, block.name(record));
    }
  }
}

function advise(dir: Directory, name: Uint8Array): void {
  try {
    using file = dir.openFile(name);
    file.advise(FADVISE.WILLNEED);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}
