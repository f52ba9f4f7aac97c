/** How much an archive may make us write and keep. */

import { DaemonError } from "../../errors.ts";
import {
  DIRECTORY_BYTES,
  EMPTY_BYTES,
  fileBytes,
  LINK_BYTES,
  symlinkBytes,
} from "../disk_usage.ts";

/** Entries that a foreign archive may have where nothing else limits it. */
const MAX_FOREIGN_ENTRIES = 10_000_000;
/**
 * Memory for what is kept until the end, such as the metadata of directories: a fraction of what
 * ends a Worker, and the daemon with it, and enough for more than a million directories.
 */
const MAX_KEPT_BYTES = 512 * 1024 * 1024;

/**
 * Counts what is about to be written as the disk will count it, and ends what exceeds the limit.
 */
export class Budget {
  readonly #limitBytes: number;
  readonly #maxEntries: number;
  #diskBytes = 0;
  #contentBytes = 0;
  #entries = 0;
  #kept = 0;

  /**
   * @param limitBytes what may be taken on disk; absent for no limit but the disk
   * @param trusted whether any number of entries may come
   */
  constructor(limitBytes: number | undefined, trusted = false) {
    this.#limitBytes = limitBytes ?? Infinity;
    this.#maxEntries = trusted ? Infinity : MAX_FOREIGN_ENTRIES;
  }

  /** Bytes that are taken on disk so far. */
  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** A regular file with so many bytes of data. @throws {DaemonError} RESOURCE_EXHAUSTED */
  file(dataBytes: number): void {
    this.#contentBytes += dataBytes;
    this.#entry(fileBytes(dataBytes));
  }

  /**
   * A directory, also one that is made on the way to an entry.
   * @throws {DaemonError} RESOURCE_EXHAUSTED
   */
  directory(): void {
    this.#entry(DIRECTORY_BYTES);
  }

  /** A symbolic link. @throws {DaemonError} RESOURCE_EXHAUSTED */
  symlink(targetLength: number): void {
    this.#entry(symlinkBytes(targetLength));
  }

  /** Another name of an inode. @throws {DaemonError} RESOURCE_EXHAUSTED */
  link(): void {
    this.#entry(LINK_BYTES);
  }

  /** An inode without data. @throws {DaemonError} RESOURCE_EXHAUSTED */
  other(): void {
    this.#entry(EMPTY_BYTES);
  }

  /** Bytes of metadata, or of a body that is skipped. @throws {DaemonError} RESOURCE_EXHAUSTED */
  bytes(count: number): void {
    this.#diskBytes += count;
    this.#check();
  }

  /** What was removed, and is free again. */
  refund(bytes: number): void {
    this.#diskBytes = Math.max(0, this.#diskBytes - bytes);
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

  #entry(bytes: number): void {
    this.#diskBytes += bytes;
    if (++this.#entries > this.#maxEntries) {
      throw exhausted(`the archive has more than ${this.#maxEntries} entries`);
    }
    this.#check();
  }

  #check(): void {
    if (this.#diskBytes <= this.#limitBytes) return;
    throw exhausted(
      `the archive takes more than the ${this.#limitBytes} bytes on disk that are allowed: ` +
        `${this.#entries} entries with ${this.#contentBytes} bytes of content come to ${this.#diskBytes} bytes`,
    );
  }
}

function exhausted(why: string): DaemonError {
  return new DaemonError("RESOURCE_EXHAUSTED", why);
}
