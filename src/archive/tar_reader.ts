/**
 * Reads tar archives of every dialect: v7, ustar, old-GNU, GNU and PAX, sparse files included.
 *
 * Bytes in, entries out: nothing is resolved, trusted or written here, and what an archive can make
 * us hold is limited before it is held: {@link MAX_EXTENSION_BYTES} of extension headers an entry,
 * {@link MAX_PATH_BYTES} a path, {@link MAX_EXTENTS} extents a sparse file. An archive ends
 * with two zero blocks, or where its stream ends after an entry; what follows the end marker is
 * padding and is left to the caller.
 */

import { ArchiveError } from "./archive_error.ts";
import type { ByteSource } from "./byte_source.ts";
import { MAX_EXTENSION_BYTES, TarGrammar } from "./tar_grammar.ts";
import type { TarEntry } from "./tar_entry.ts";

/** Reads one archive from its beginning to its end marker. */
export class TarReader {
  readonly #grammar: TarGrammar;

  /** @param options.maxExtensionBytes for archives that are trusted with more than any other's */
  constructor(source: ByteSource, options: { maxExtensionBytes?: number } = {}) {
    const { maxExtensionBytes = MAX_EXTENSION_BYTES } = options;
    this.#grammar = new TarGrammar(source, maxExtensionBytes);
  }

  /** Bytes of the uncompressed archive consumed so far. */
  get offset(): number {
    return this.#grammar.window.offset;
  }

  /**
   * Skips what is left of the last entry's body, and returns the next entry; `undefined` at the end
   * marker.
   * @throws {ArchiveError} where the archive is malformed, exceeds a limit, or ends early
   */
  next(): TarEntry | undefined {
    return this.#grammar.next();
  }

  /**
   * Reads the current entry's stored bytes, those of a sparse file's extents one after the other.
   * @returns how many bytes were put into `into`; 0 once there are no more
   * @throws {ArchiveError} where the archive ends early
   */
  read(into: Uint8Array): number {
    return this.#grammar.read(into);
  }

  /**
   * Reads the padding after the end marker to the end of the source, so that a compressed source can
   * check itself to its end.
   * @returns whether any of it is not zero: data that tar does not extract
   * @throws {ArchiveError} a limit, where there are more than `maxBytes` of it
   */
  drain(maxBytes: number): boolean {
    const buffer = new Uint8Array(64 * 1024);
    let hasData = false;
    for (let total = 0; total <= maxBytes;) {
      const count = this.#grammar.window.read(buffer);
      if (count === 0) return hasData;
      total += count;
      hasData ||= buffer.subarray(0, count).some((byte) => byte !== 0);
    }
    throw new ArchiveError("limit", `more than ${maxBytes} bytes follow the archive's end marker`);
  }
}
