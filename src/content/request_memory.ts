/**
 * The memory that a request to a content Worker shares with its caller. A Worker in the middle of a
 * synchronous loop reads no message, and sending one costs time; in this memory it sees that it is
 * cancelled, and reports its progress.
 */

import type { Counts } from "../operations/mod.ts";

/** Index of the Int32 that is 1 once the caller has cancelled. */
const CANCELLED = 0;
/** Indexes of the BigInt64s that count. */
const FILES = 1;
const BYTES = 2;
const LENGTH = 24;

/** One request's memory, as both threads have it. */
export class RequestMemory {
  readonly memory: SharedArrayBuffer;
  readonly #flags: Int32Array;
  readonly #counts: BigInt64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(LENGTH)) {
    this.memory = memory;
    this.#flags = new Int32Array(memory);
    this.#counts = new BigInt64Array(memory);
  }

  /** Cancels the request. */
  cancel(): void {
    Atomics.store(this.#flags, CANCELLED, 1);
  }

  get isCancelled(): boolean {
    return Atomics.load(this.#flags, CANCELLED) !== 0;
  }

  /** Reports the progress of the request, counted from its beginning. */
  report(files: number, bytes: number): void {
    Atomics.store(this.#counts, FILES, BigInt(files));
    Atomics.store(this.#counts, BYTES, BigInt(bytes));
  }

  /** Returns the progress of the request. */
  read(): Counts {
    return {
      files: Number(Atomics.load(this.#counts, FILES)),
      bytes: Number(Atomics.load(this.#counts, BYTES)),
    };
  }
}
