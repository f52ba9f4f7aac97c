/** Trying again: exponential back-off with jitter, within an attempt limit and a signal. */

import type { Clock } from "../clock.ts";

export interface RetryOptions {
  clock: Clock;
  signal: AbortSignal;
  /** In all, at least 1. */
  attempts: number;
  /** Milliseconds before the second attempt, at most; doubled for each further one. */
  baseDelay: number;
  /** Milliseconds. */
  maxDelay: number;
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
  for (let attempt = 1;; attempt++) {
    try {
      signal.throwIfAborted();
      return await work(attempt);
    } catch (error) {
      if (signal.aborted || attempt >= attempts || !options.transient(error)) throw error;
      options.onRetry?.(error, attempt);
      const ceiling = Math.min(maxDelay, baseDelay * 2 ** (attempt - 1));
      await clock.sleep(ceiling * (0.5 + Math.random() / 2), signal);
    }
  }
}
