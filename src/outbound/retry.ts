/** Trying again: exponential back-off with jitter, within an attempt limit and a signal. */

import type { Clock } from "../clock.ts";

export interface RetryOptions {
  clock: Clock;
  signal: AbortSignal;
  /** In a row without progress, at least 1. */
  attempts: number;
  /** Milliseconds before the second attempt, at most; doubled for each further one. */
  baseDelay: number;
  /** Milliseconds. */
  maxDelay: number;
  /** Asked after each failure: whether the attempt got further, so that they are counted anew. */
  progressed?(): boolean;
  /** Whether another attempt can help. */
  transient(error: unknown): boolean;
  /** Told before each wait. */
  onRetry?(error: unknown, attempt: number): void;
}

/**
 * Runs `work` until it succeeds, fails for good, or may not be tried again.
 * @throws what the last attempt threw, or the signal's reason
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { clock, signal, attempts, baseDelay, maxDelay } = options;
  let failures = 0;
  for (let attempt = 1;; attempt++) {
    try {
      signal.throwIfAborted();
      return await work(attempt);
    } catch (error) {
      failures = options.progressed?.() ? 1 : failures + 1;
      if (signal.aborted || failures >= attempts || !options.transient(error)) throw error;
      options.onRetry?.(error, attempt);
      const ceiling = Math.min(maxDelay, baseDelay * 2 ** (failures - 1));
      await clock.sleep(ceiling * (0.5 + Math.random() / 2), signal);
    }
  }
}
