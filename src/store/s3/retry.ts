import { Backoff, retry, type RetryOptions } from "../../async/mod.ts";
import type { Clock } from "../../clock.ts";
import { type Failure, failureOf } from "./s3_errors.ts";
import type { S3Tuning } from "./options.ts";

/** Options of retries. */
export interface S3RetryOptions {
  tuning: Pick<S3Tuning, "attempts" | "baseDelayMs" | "maxDelayMs">;
  clock: Clock;
  /** Called before each delay. */
  onRetry(failure: Failure, error: unknown): void;
  signal?: AbortSignal;
}

/** Counts consecutive failures for work that can go on from where it broke. */
export function newBackoff(options: S3RetryOptions): Backoff {
  return new Backoff(backoffOptions(options));
}

/** Runs `attempt` until it succeeds, fails for good, or has failed too often. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  options: S3RetryOptions,
): Promise<T> {
  return await retry(attempt, backoffOptions(options));
}

function backoffOptions({ tuning, clock, onRetry, signal }: S3RetryOptions): RetryOptions {
  return {
    clock,
    signal,
    attempts: tuning.attempts,
    baseDelay: tuning.baseDelayMs,
    maxDelay: tuning.maxDelayMs,
    jitter: 1,
    isRetryable: (error) => failureOf(error, signal).retryable,
    minDelay: (error) => failureOf(error, signal).retryAfterMs ?? 0,
    onRetry: (error) => onRetry(failureOf(error, signal), error),
  };
}
