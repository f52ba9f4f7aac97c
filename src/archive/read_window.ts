/** The window of the archive that a reader has in memory. */

import { ArchiveError } from "./archive_error.ts";
import { BLOCK } from "./raw_header.ts";
import type { ByteSource } from "./byte_source.ts";

const CAPACITY = 128 * 1024;

/** Bytes read from the source and not consumed yet; refilled when a caller needs more. */
export class ReadWindow {
  readonly #source: ByteSource;
  readonly #bytes = new Uint8Array(CAPACITY);
  #start = 0;
  #end = 0;
  #ended = false;
  #offset = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Bytes of the archive consumed so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes in the window that are not consumed. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Reads more. @returns whether there was more */
  #fill(): boolean {
    if (this.#ended) return false;
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
    } else if (this.#end === CAPACITY) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = this.#source.read(this.#bytes.subarray(this.#end));
    this.#end += count;
    this.#ended = count === 0;
    return count > 0;
  }

  /** Returns up to `count` unconsumed bytes; valid until the next refill. */
  peek(count: number): Uint8Array {
    return this.#bytes.subarray(this.#start, Math.min(this.#end, this.#start + count));
  }

  /** Consumes `count` bytes, which must be in the window. */
  consume(count: number): void {
    this.#start += count;
    this.#offset += count;
  }

  /** Reads up to `into.length` bytes, past the window where it is empty; 0 at the end. */
  read(into: Uint8Array): number {
    const part = this.peek(into.length);
    if (part.length > 0) {
      into.set(part);
      this.consume(part.length);
      return part.length;
    }
    const count = this.#ended ? 0 : this.#source.read(into);
    if (count === 0) this.#ended = true;
    this.#offset += count;
    return count;
  }

  /** Fills the window until it has a block. @returns whether it has; false at the end of the archive */
  hasBlock(): boolean {
    while (this.length < BLOCK && this.#fill());
    return this.length >= BLOCK;
  }

  /** Consumes a block; valid until the next refill. @throws {ArchiveError} where the archive ends */
  block(within: string): Uint8Array {
    if (!this.hasBlock()) throw this.truncated(within);
    const block = this.peek(BLOCK);
    this.consume(BLOCK);
    return block;
  }

  /** Consumes `size` bytes into memory of their own; the caller has limited `size`. */
  bytes(size: number, within: string): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const count = this.read(bytes.subarray(at));
      if (count === 0) throw this.truncated(within);
      at += count;
    }
    return bytes;
  }

  /** Skips `size` bytes. @throws {ArchiveError} where the archive ends before */
  skip(size: number, within: string): void {
    for (let left = size; left > 0;) {
      if (this.length === 0 && !this.#fill()) throw this.truncated(within);
      const count = Math.min(left, this.length);
      this.consume(count);
      left -= count;
    }
  }

  /** Returns the failure of an archive that ends at the current position. */
  truncated(within: string): ArchiveError {
    const end = this.#offset + this.length;
    return new ArchiveError("truncated", `the archive ends early, at offset ${end}, in ${within}`);
  }
}
