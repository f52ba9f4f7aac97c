/** Limits what an archive or image takes on disk and in memory while its entries are made. */

import { DaemonError } from "../errors.ts";
import { DIRECTORY_BYTES, EMPTY_BYTES, fileBytes, LINK_BYTES, symlinkBytes } from "./disk_usage.ts";

/** Entries that a foreign archive may have where nothing else limits it. */
const MAX_FOREIGN_ENTRIES = 10_000_000;
/**
 * The most memory, in bytes, for what is kept until the end, such as the metadata of directories: a
 * fraction of what ends a Worker, and the daemon with it, and enough for a million directories.
 */
const MAX_KEPT_BYTES = 512 * 1024 * 1024;

/** Options of a {@link Budget}. */
export interface BudgetOptions {
  /** What is counted, for messages. */
  readonly subject: "archive" | "image";
  /** The most bytes that may be taken on disk; absent for no limit but the disk. */
  readonly limitBytes?: number | undefined;
  /** Whether any number of entries is accepted, because this product made what is counted. */
  readonly trusted?: boolean;
}

/**
 * Counts what is about to be written as `disk_usage.ts` does, and throws once that exceeds the limit.
 */
export class Budget {
  readonly #subject: BudgetOptions["subject"];
  readonly #limitBytes: number;
  readonly #maxEntries: number;
  #diskBytes = 0;
  #contentBytes = 0;
  #entries = 0;
  #kept = 0;

  constructor({ subject, limitBytes, trusted = false }: BudgetOptions) {
    this.#subject = subject;
    this.#limitBytes = limitBytes ?? Infinity;
    this.#maxEntries = trusted ? Infinity : MAX_FOREIGN_ENTRIES;
  }

  /** Bytes that are taken on disk so far. */
  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** Counts a regular file with that many bytes of data. @throws {DaemonError} RESOURCE_EXHAUSTED */
  file(dataBytes: number): void {
    this.#contentBytes += dataBytes;
    this.#entry(fileBytes(dataBytes));
  }

  /**
   * Counts a directory, also one that is made only because an entry below needs it.
   * @throws {DaemonError} RESOURCE_EXHAUSTED
   */
  directory(): void {
    this.#entry(DIRECTORY_BYTES);
  }

  /** Counts a symbolic link. @throws {DaemonError} RESOURCE_EXHAUSTED */
  symlink(targetLength: number): void {
    this.#entry(symlinkBytes(targetLength));
  }

  /** Counts a further name of an inode. @throws {DaemonError} RESOURCE_EXHAUSTED */
  link(): void {
    this.#entry(LINK_BYTES);
  }

  /** Counts an inode without data. @throws {DaemonError} RESOURCE_EXHAUSTED */
  other(): void {
    this.#entry(EMPTY_BYTES);
  }

  /**
   * Counts bytes of xattrs, of a copy, or of content that is skipped.
   * @throws {DaemonError} RESOURCE_EXHAUSTED
   */
  bytes(count: number): void {
    this.#diskBytes += count;
    this.#check();
  }

  /** Subtracts the bytes of what was removed. */
  refund(bytes: number): void {
    this.#diskBytes = Math.max(0, this.#diskBytes - bytes);
  }

  /**
   * Counts memory that is kept until the end.
   * @param bytes negative for what is released
   * @throws {DaemonError} RESOURCE_EXHAUSTED
   */
  keep(bytes: number): void {
    this.#kept += bytes;
    if (this.#kept > MAX_KEPT_BYTES) {
      throw exhausted(
        `the ${this.#subject} has more directories and left-out entries than fit in memory`,
      );
    }
  }

  /**
   * Compares all that was counted with a limit: for a caller that counts everything without one, so
   * that the message has the total.
   * @throws {DaemonError} RESOURCE_EXHAUSTED
   */
  requireWithin(limitBytes: number): void {
    if (this.#diskBytes <= limitBytes) return;
    const what = `${this.#entries} entries with ${this.#contentBytes} bytes of content`;
    throw limitExceeded(this.#subject, limitBytes, what, this.#diskBytes);
  }

  #entry(bytes: number): void {
    this.#diskBytes += bytes;
    if (++this.#entries > this.#maxEntries) {
      throw exhausted(`the ${this.#subject} has more than ${this.#maxEntries} entries`);
    }
    this.#check();
  }

  #check(): void {
    this.requireWithin(this.#limitBytes);
  }
}

/**
 * Returns the failure of what takes more bytes on disk than are allowed.
 * @param what what was counted, in words
 */
export function limitExceeded(
  subject: string,
  limitBytes: number,
  what: string,
  diskBytes: number,
): DaemonError {
  return exhausted(
    `the ${subject} takes more than the ${limitBytes} bytes on disk that are allowed: ` +
      `${what} come to ${diskBytes} bytes`,
  );
}

function exhausted(why: string): DaemonError {
  return new DaemonError("RESOURCE_EXHAUSTED", why, { reason: "QUOTA_EXCEEDED" });
}
