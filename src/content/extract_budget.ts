/** How much an archive may make us write and keep. */

import { DaemonError } from "../errors.ts";

/** Entries that any archive may have, however small the limit on its bytes. */
const MIN_ENTRIES = 100_000;
/** Entries that an archive may have where nothing else limits it. */
const DEFAULT_ENTRIES = 10_000_000;
/** Bytes of limit that stand for one more entry: file systems reserve more than this for an inode. */
const BYTES_PER_ENTRY = 1024;
/**
 * Memory for what is kept until the end, such as the metadata of directories: a fraction of what ends
 * a Worker, and the daemon with it, and enough for more than a million directories.
 */
const MAX_KEPT_BYTES = 512 * 1024 * 1024;

export class Budget {
  readonly #limitBytes: number;
  readonly #limitEntries: number;
  #bytes = 0;
  #entries = 0;
  #kept = 0;

  /** @param limitBytes what may be written; absent for no limit but the disk */
  constructor(limitBytes: number | undefined) {
    this.#limitBytes = limitBytes ?? Infinity;
    this.#limitEntries = limitBytes === undefined
      ? DEFAULT_ENTRIES
      : Math.max(MIN_ENTRIES, Math.floor(limitBytes / BYTES_PER_ENTRY));
  }

  /** Bytes that are about to be written. @throws {DaemonError} RESOURCE_EXHAUSTED */
  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#limitBytes) {
      throw exhausted(`the archive holds more than the ${this.#limitBytes} bytes that are allowed`);
    }
  }

  /** One more entry, or a directory made on the way to it. @throws {DaemonError} RESOURCE_EXHAUSTED */
  entry(): void {
    if (++this.#entries > this.#limitEntries) {
      throw exhausted(`the archive has more than ${this.#limitEntries} entries`);
    }
  }

  /**
   * Memory that is kept until the end.
   * @param bytes below 0 for what is given back
   * @throws {DaemonError} RESOURCE_EXHAUSTED
   */
  keep(bytes: number): void {
    this.#kept += bytes;
    if (this.#kept > MAX_KEPT_BYTES) {
      throw exhausted("the archive has more directories and left-out entries than fit in memory");
    }
  }
}

function exhausted(why: string): DaemonError {
  return new DaemonError("RESOURCE_EXHAUSTED", why);
}
