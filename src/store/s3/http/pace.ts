/**
 * How long what was handed to the system may still take to go out. A socket tells when the system
 * has taken bytes, not when they were sent: with some megabytes in its buffer, a slow way to the
 * server looks as silent as a dead one. So we learn how fast the way is.
 */

/** What Linux buffers for a connection at the most, unless told otherwise (`tcp_wmem`); bytes. */
const SEND_BUFFER = 4 << 20;
/** How much slower than expected the buffer may drain. */
const TOLERANCE = 4;
/** Below this a request's time says more about the server than about the way; bytes. */
const TELLING = 256 << 10;
/** Assumed until a request has told; bytes a second. */
const FIRST_GUESS = 1 << 20;

export class Pace {
  /** The least that is expected, so that with the tolerance nothing is slower than the slowest. */
  readonly #least: number;
  #rate: number;

  /** @param slowest A way to the server that is slower counts as none; bytes a second. */
  constructor(slowest: number) {
    this.#least = slowest * TOLERANCE;
    this.#rate = Math.max(this.#least, FIRST_GUESS);
  }

  /** Returns how long the tail of so many sent bytes may take to leave this machine; milliseconds. */
  allowanceMs(sentBytes: number): number {
    return Math.min(sentBytes, SEND_BUFFER) * TOLERANCE / this.#rate * 1000;
  }

  /** Notes that a request with a body of so many bytes was answered after so many milliseconds. */
  answered(bytes: number, ms: number): void {
    if (bytes < TELLING) return;
    const observed = bytes / Math.max(ms, 1) * 1000;
    // A way that got slower counts at once, one that got faster step by step.
    this.#rate = Math.max(this.#least, Math.min(observed, this.#rate * 2));
  }

  /** Notes that the server was silent while a body was under way: perhaps it was merely slow. */
  stalled(): void {
    this.#rate = Math.max(this.#least, this.#rate / 2);
  }
}
