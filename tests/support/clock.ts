/** A clock that tests turn. */

import type { Clock } from "../../src/clock.ts";

/** Time that passes only when the test says so. */
export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #sleeping = new Set<() => void>();
  /** The length of every sleep so far; milliseconds. */
  readonly slept: number[] = [];

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const wake = () => {
        this.#sleeping.delete(wake);
        resolve();
      };
      this.#sleeping.add(wake);
      signal?.addEventListener("abort", () => {
        this.#sleeping.delete(wake);
        reject(signal.reason);
      }, { once: true });
    });
  }

  /** Resolves once that many sleep. */
  async asleep(sleepers = 1): Promise<void> {
    while (this.#sleeping.size < sleepers) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Ends every sleep, waiting until there are that many. */
  async wakeAll(sleepers = 1): Promise<void> {
    await this.asleep(sleepers);
    for (const wake of [...this.#sleeping]) wake();
  }
}
