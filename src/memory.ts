/** Memory that outlives what it is needed for: given back at once, or kept for the next. */

/**
 * Gives back at once the memory of bytes that nobody needs any more: the collector lets a hundred
 * megabytes lie about before it comes by. Nothing is done where others may share their buffer.
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** Buffers kept for use again at most, of each size. */
const MAX_KEPT = 4;

/**
 * Buffers of one size for work that needs one for a while. A fresh one costs clearing and page faults
 * each time, and lies about until the collector comes by.
 */
export class BufferPool {
  readonly #size: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  /** @param size bytes of each buffer */
  constructor(size: number) {
    this.#size = size;
  }

  /** Returns a buffer with anything in it; it is the caller's until it is given back. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(this.#size);
  }

  /** Takes back a buffer that nobody uses any more. */
  giveBack(buffer: Uint8Array<ArrayBuffer>): void {
    if (this.#free.length < MAX_KEPT) this.#free.push(buffer);
    else release(buffer);
  }
}
