/** Notices when the other side has been silent for too long. */

import type { Clock } from "../../../clock.ts";

/**
 * A timer that is told of progress. While there is some it fires no sooner than the limit after
 * {@link start}, and no later than twice the limit after the last progress: to restart a timer for
 * every few bytes would cost more than the bytes.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #onSilence: (limitMs: number) => void;
  #running: AbortController | undefined;
  #hasMoved = false;
  #isPaused = false;

  /** @param onSilence Called once with the limit, in milliseconds, when nothing moved. */
  constructor(clock: Clock, onSilence: (limitMs: number) => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /** Starts anew with this limit, in milliseconds. */
  start(limitMs: number): void {
    this.stop();
    this.#running = new AbortController();
    this.#isPaused = false;
    // The clock rejects only when it is stopped.
    this.#watch(limitMs, this.#running.signal).catch(() => {});
  }

  /** Notes that something moved. */
  moved(): void {
    this.#hasMoved = true;
  }

  /** Lets silence count for nothing while it is we who are slow. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#hasMoved = true;
  }

  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  async #watch(limitMs: number, stopped: AbortSignal): Promise<void> {
    do {
      this.#hasMoved = false;
      await this.#clock.sleep(limitMs, stopped);
      if (stopped.aborted) return;
    } while (this.#hasMoved || this.#isPaused);
    this.#onSilence(limitMs);
  }
}
