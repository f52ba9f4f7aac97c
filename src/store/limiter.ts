/** A bound on how much is under way at a time. */

import { DaemonError } from "../errors.ts";

/** A fair counting semaphore whose permits are released by `using`. */
export class Limiter {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Waits for a permit. @throws {DaemonError} ABORTED when the signal fires first. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    if (signal?.aborted) throw aborted(signal);
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#release();
        held = false;
      },
    };
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = () => {
      signal?.removeEventListener("abort", leave);
      resolve();
    };
    const leave = () => {
      this.#waiting.splice(this.#waiting.indexOf(enter), 1);
      reject(aborted(signal!));
    };
    this.#waiting.push(enter);
    signal?.addEventListener("abort", leave, { once: true });
    return promise;
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

function aborted(signal: AbortSignal): DaemonError {
  return new DaemonError("ABORTED", "The operation was cancelled", { cause: signal.reason });
}

/**
 * Runs `work` for 0…count-1, at most `width` at a time. The first failure stops the rest, which are
 * waited for, and is what this rejects with.
 */
export async function forEachIndex(
  count: number,
  width: number,
  signal: AbortSignal | undefined,
  work: (index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  let next = 0;
  const failures: unknown[] = [];
  const lane = async () => {
    while (next < count && !either.aborted) {
      try {
        await work(next++, either);
      } catch (error) {
        failures.push(error);
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
  if (failures.length > 0) throw failures[0];
  if (signal?.aborted) throw aborted(signal);
}
