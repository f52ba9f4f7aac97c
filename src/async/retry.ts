/** Retries with exponential back-off: delays are capped, jittered and abortable. */

import type { Clock } from "../clock.ts";

/** The longest delay that a timer can keep; a longer one would fire at once. Milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** When to try again, and how long to wait before. */
export interface RetryOptions {
  clock: Clock;
  /** Ends the delays, and so the retries, which reject with its reason. */
  signal?: AbortSignal | undefined;
  /** Maximum consecutive failures without progress, at least 1; may be `Infinity`. */
  attempts: number;
  /** Milliseconds before the second attempt, at most; doubled for each further one. */
  baseDelay: number;
  /** Milliseconds; no delay is longer, whatever a server asks for. */
  maxDelay: number;
  /**
   * How much of a delay is random, from 0 (none) to 1 ("full jitter", for many clients of one
   * server); 0.5 unless given.
   */
  jitter?: number;
  /** Returns whether another attempt can help. */
  isRetryable(error: unknown): boolean;
  /** Returns whether the failed attempt got further, so that failures are counted anew. */
  progressed?(): boolean;
  /** Returns how long the server asked us to wait; milliseconds. */
  minDelay?(error: unknown): number;
  /** Returns a signal that ends the delay after `error` early, without ending the retries. */
  wake?(error: unknown): AbortSignal | undefined;
  /** Called before each delay. */
  onRetry?(error: unknown, failures: number): void;
}

/** Counts consecutive failures and waits between attempts, for work that is no single function. */
export class Backoff {
  #failures = 0;
  readonly #options: RetryOptions;

  /** @throws {RangeError} where `maxDelay` is more than a timer can keep */
  constructor(options: RetryOptions) {
    if (!(options.maxDelay <= MAX_TIMER_MS)) {
      throw new RangeError(
        `Cannot retry as maxDelay must be at most ${MAX_TIMER_MS} ms: current value is ${options.maxDelay}`,
      );
    }
    this.#options = options;
  }

  /** Forgets the failures so far, because there was progress. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Waits until the next attempt is due.
   * @throws `error` where no other attempt may follow, or the signal's reason
   */
  async next(error: unknown): Promise<void> {
    const { signal, attempts, progressed, isRetryable, onRetry, clock, wake } = this.#options;
    this.#failures = progressed?.() ? 1 : this.#failures + 1;
    if (signal?.aborted || this.#failures >= attempts || !isRetryable(error)) throw error;
    onRetry?.(error, this.#failures);
    const early = wake?.(error);
    const signals = [signal, early].filter((one) => one !== undefined);
    try {
      await clock.sleep(this.#delay(error), AbortSignal.any(signals));
    } catch (reason) {
      if (signal?.aborted || !early?.aborted) throw reason;
    }
  }

  #delay(error: unknown): number {
    const { baseDelay, maxDelay, jitter = 0.5, minDelay } = this.#options;
    const ceiling = Math.min(maxDelay, baseDelay * 2 ** (this.#failures - 1));
    const asked = Math.min(maxDelay, minDelay?.(error) ?? 0);
    return Math.max(asked, ceiling * (1 - jitter * Math.random()));
  }
}

/**
 * Runs `work` until it succeeds, fails for good, or may not be tried again. Nothing is held between
 * attempts but what the caller holds: permits belong into `work`.
 * @throws what the last attempt threw, or the signal's reason
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const backoff = new Backoff(options);
  for (let attempt = 1;; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      await backoff.next(error);
    }
  }
}
