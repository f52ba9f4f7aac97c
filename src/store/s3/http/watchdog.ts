/** Detects that a connection has made no progress for too long. */

import type { Clock } from "../../../clock.ts";

/**
 * A timer that progress defers. It fires at the earliest one limit after {@link start}, and at the
 * latest two limits after the last progress: a timer that every few bytes restarted would cost more than
 * the bytes.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #onSilence: (limitMs: number) => void;
  #running: AbortController | undefined;
  #hasMoved = false;
  #isPaused = false;

  /** @param onSilence called once, with the limit in milliseconds, when there was no progress */
  constructor(clock: Clock, onSilence: (limitMs: number) => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /** Starts, or starts anew. @param limitMs milliseconds */
  start(limitMs: number): void {
    this.stop();
    this.#running = new AbortController();
    this.#isPaused = false;
    // The clock rejects only when it is stopped.
    this.#watch(limitMs, this.#running.signal).catch(() => {});
  }

  /** Notes progress. */
  moved(): void {
    this.#hasMoved = true;
  }

  /** Stops timing while this side, not the server, is what the exchange waits for. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Times on, from now. */
  resume(): void {
    this.#isPaused = false;
    this.#hasMoved = true;
  }

  /** Stops; it does not fire any more. */
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
