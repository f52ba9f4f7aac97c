/**
 * Time as a dependency, so that tests of retries, grace and retention need not wait; and the one way
 * for synchronous code to wait.
 */

import { delay } from "@std/async";

/** The time, and waiting for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Milliseconds since some moment. Setting the machine's clock does not change it, and it may stand
   * still while the machine is suspended.
   */
  monotonic(): number;
  /**
   * Resolves after `ms`, which may be more than one timer can keep; rejects with the signal's reason when
   * it aborts first.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay that a timer can keep; a longer one would fire at once. Milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    const options = signal ? { signal } : {};
    for (; ms > MAX_TIMER_MS; ms -= MAX_TIMER_MS) await delay(MAX_TIMER_MS, options);
    await delay(ms, options);
  },
};

/**
 * Measures how long ago it was made, as the longer of what both clocks say: neither a clock that is set
 * back nor a machine that was suspended makes a period last longer than it may.
 */
export class Stopwatch {
  readonly #clock: Clock;
  readonly #now: number;
  readonly #monotonic: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = clock.now();
    this.#monotonic = clock.monotonic();
  }

  /** Milliseconds since it was made, at least. */
  elapsed(): number {
    return Math.max(this.#clock.now() - this.#now, this.#clock.monotonic() - this.#monotonic);
  }
}

/** Never notified: `Atomics.wait` on it is a synchronous sleep. */
const SLEEP_CELL = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for `ms` milliseconds; returns at once if they are not positive. */
export function sleepSync(ms: number): void {
  if (ms > 0) Atomics.wait(SLEEP_CELL, 0, 0, ms);
}
