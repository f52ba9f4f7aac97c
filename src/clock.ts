/**
 * Time as a dependency, so that tests of retries, grace and retention need not wait; and the one way
 * for synchronous code to wait.
 */

import { delay } from "@std/async";

/** The time, and waiting for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => delay(ms, signal ? { signal } : {}),
};

/** Never notified: `Atomics.wait` on it is a synchronous sleep. */
const SLEEP_CELL = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for `ms` milliseconds; returns at once if they are not positive. */
export function sleepSync(ms: number): void {
  if (ms > 0) Atomics.wait(SLEEP_CELL, 0, 0, ms);
}
