import { release } from "../memory.ts";
import { Memory } from "./block.ts";

/**
 * Bytes that are appended, in chunks. One array of a million records would be copied each time that
 * it grew, and would then be up to twice the size of what it holds. The first chunk grows by
 * doubling, so that a short list takes little memory.
 */
export class ChunkedBuffer {
  readonly #chunkBytes: number;
  readonly #full: Memory[] = [];
  #last: Memory;
  #used = 0;

  /**
   * @param firstBytes the size to begin with
   * @param chunkBytes the size of a chunk: `firstBytes` doubled some number of times
   */
  constructor(firstBytes: number, chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
    this.#last = new Memory(new ArrayBuffer(firstBytes));
  }

  /** Bytes so far. */
  get length(): number {
    return this.#full.length * this.#chunkBytes + this.#used;
  }

  /** The chunk that the last {@link reserve} has found a place in. */
  get last(): Memory {
    return this.#last;
  }

  /**
   * Appends `size` zeroed bytes that lie in one chunk. `size` divides the size of every chunk, and
   * nothing of another size is ever added.
   * @returns where they begin in {@link last}
   */
  reserve(size: number): number {
    if (this.#used === this.#last.bytes.length) this.#grow();
    const at = this.#used;
    this.#used += size;
    this.#last.bytes.fill(0, at, this.#used);
    return at;
  }

  /** Returns where in {@link last} the `size` bytes begin that were reserved last. */
  lastAt(size: number): number {
    return this.#used - size;
  }

  /** Appends a copy of `bytes`, which may end in another chunk than they begin in. */
  append(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#used === this.#last.bytes.length) this.#grow();
      const space = this.#last.bytes.length - this.#used;
      const part = rest.length > space ? rest.subarray(0, space) : rest;
      this.#last.bytes.set(part, this.#used);
      this.#used += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Copies everything to `into`, from `at` on, and then holds nothing. */
  moveTo(into: Uint8Array, at: number): void {
    let to = at;
    for (const { bytes } of this.#full) {
      into.set(bytes, to);
      to += bytes.length;
      release(bytes);
    }
    into.set(this.#last.bytes.subarray(0, this.#used), to);
    this.clear();
  }

  /** Removes everything; the last chunk is kept for what comes next. */
  clear(): void {
    this.#full.length = this.#used = 0;
  }

  #grow(): void {
    const { bytes } = this.#last;
    if (bytes.length === this.#chunkBytes) {
      this.#full.push(this.#last);
      this.#used = 0;
      this.#last = new Memory(new ArrayBuffer(this.#chunkBytes));
      return;
    }
    this.#last = new Memory(new ArrayBuffer(2 * bytes.length));
    this.#last.bytes.set(bytes);
  }
}
