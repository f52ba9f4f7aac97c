/** A clock that tests turn. */

import type { Clock } from "../../src/clock.ts";

/** Time that passes only when the test says so. */
export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #sleeping = new Set<() => void>();

  now(): number {
    return this.#now;
  }

  sleep(_ms: number, signal?: AbortSignal): Promise<void> {
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

  /** Resolves once somebody sleeps. */
  async asleep(): Promise<void> {
    while (this.#sleeping.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Ends every sleep, waiting until there is one. */
  async wakeAll(): Promise<void> {
    await this.asleep();
    for (const wake of [...this.#sleeping]) wake();
  }
}
