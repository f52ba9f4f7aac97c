/** Attempts: what passes is tried again after a growing, random pause. */

import type { Clock } from "../../clock.ts";
import { type Failure, failureOf } from "./s3_errors.ts";
import type { S3Tuning } from "./options.ts";

export interface RetryOptions {
  tuning: Pick<S3Tuning, "attempts" | "baseDelayMs" | "maxDelayMs">;
  clock: Clock;
  /** Called before each pause. */
  onRetry(failure: Failure, error: unknown): void;
  signal?: AbortSignal;
}

/** The pause before attempt `failures + 1`: "full jitter", but never less than the server asked for. */
function pause(failures: number, failure: Failure, { tuning }: RetryOptions): number {
  const ceiling = Math.min(tuning.maxDelayMs, tuning.baseDelayMs * 2 ** (failures - 1));
  const asked = Math.min(failure.retryAfterMs ?? 0, tuning.maxDelayMs);
  return Math.max(Math.random() * ceiling, asked);
}

/** Counts failures in a row; {@link advance} forgets them, because there was progress. */
export class Attempts {
  #failures = 0;
  readonly #options: RetryOptions;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  advance(): void {
    this.#failures = 0;
  }

  /** Waits for the next attempt. @throws `error` where it will not pass, or too many failed. */
  async next(error: unknown): Promise<void> {
    const { tuning, clock, onRetry, signal } = this.#options;
    const failure = failureOf(error, signal);
    this.#failures++;
    if (!failure.passes || this.#failures >= tuning.attempts) throw error;
    onRetry(failure, error);
    await clock.sleep(pause(this.#failures, failure, this.#options), signal);
  }
}

/** Runs `attempt` until it succeeds or fails for good. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const attempts = new Attempts(options);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await attempts.next(error);
    }
  }
}
