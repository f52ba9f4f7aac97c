/** The compressed bytes that a decompressor consumes. */

import { ArchiveError } from "./archive_error.ts";
import type { ByteSource } from "./byte_source.ts";

const CAPACITY = 64 * 1024;

/** The compressed bytes at hand, and where in the stream they are. */
export class CompressedInput {
  readonly #source: ByteSource;
  readonly #bytes = new Uint8Array(CAPACITY);
  #start = 0;
  #end = 0;
  #offset = 0;

  /** @param format for messages */
  constructor(source: ByteSource, private readonly format: string) {
    this.#source = source;
  }

  /** Bytes that are not consumed; empty only once the stream has ended. Valid until the next call. */
  available(): Uint8Array {
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = this.#source.read(this.#bytes);
    }
    return this.#bytes.subarray(this.#start, this.#end);
  }

  consume(count: number): void {
    this.#start += count;
    this.#offset += count;
  }

  /**
   * Returns whether another member or frame follows, rather than the end or zero padding. Called
   * between two of them.
   * @throws {ArchiveError} where there is none at all, or padding is followed by other bytes
   */
  hasNext(): boolean {
    const next = this.available();
    if (this.#offset === 0) {
      if (next.length === 0) throw this.truncated("nothing is there");
      return true;
    }
    if (next.length > 0 && next[0] !== 0) return true;
    for (let rest = next; rest.length > 0; rest = this.available()) {
      if (rest.some((byte) => byte !== 0)) {
        throw this.damaged("data follows the padding at its end");
      }
      this.consume(rest.length);
    }
    return false;
  }

  /** Returns the failure of a stream that is damaged near the current position. */
  damaged(why: string): ArchiveError {
    return new ArchiveError(
      "malformed",
      `the ${this.format} stream is damaged near offset ${this.#offset}: ${why}`,
    );
  }

  /** Returns the failure of a stream that ends at the current position. */
  truncated(why: string): ArchiveError {
    return new ArchiveError(
      "truncated",
      `the ${this.format} stream ends early, at offset ${this.#offset}: ${why}`,
    );
  }
}
