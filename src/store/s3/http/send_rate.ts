/**
 * Estimates how long bytes in the system's send buffer may take to leave this node. A socket tells when
 * the system has taken bytes, not when they were sent: with some megabytes in the buffer, a slow network
 * looks like a dead one. So the rate is learned from earlier requests.
 */

/** The largest send buffer of a connection by Linux' default (`tcp_wmem`). Bytes. */
const SEND_BUFFER = 4 << 20;
/** The factor by which the buffer may drain more slowly than estimated. */
const TOLERANCE = 4;
/** Smaller requests are ignored: their time depends on the server more than on the network. Bytes. */
const MIN_SAMPLE = 256 << 10;
/** The estimate before the first request. Bytes a second. */
const FIRST_GUESS = 1 << 20;

/** The estimated rate at which one server is sent to. */
export class SendRate {
  /** The lowest estimate, which with the tolerance allows for the slowest rate. Bytes a second. */
  readonly #lowest: number;
  /** The current estimate. Bytes a second. */
  #rate: number;

  /** @param slowest the slowest rate that still counts as progress; bytes a second */
  constructor(slowest: number) {
    this.#lowest = slowest * TOLERANCE;
    this.#rate = Math.max(this.#lowest, FIRST_GUESS);
  }

  /** Returns how long the buffered rest of `sentBytes` may take to leave this node. Milliseconds. */
  allowanceMs(sentBytes: number): number {
    return Math.min(sentBytes, SEND_BUFFER) * TOLERANCE / this.#rate * 1000;
  }

  /** Notes that a request with a body of `bytes` was answered after `ms` milliseconds. */
  answered(bytes: number, ms: number): void {
    if (bytes < MIN_SAMPLE) return;
    const observed = bytes / Math.max(ms, 1) * 1000;
    // The estimate falls at once and rises step by step.
    this.#rate = Math.max(this.#lowest, Math.min(observed, this.#rate * 2));
  }

  /** Notes that a request timed out while its body was being sent: the network may be slower. */
  stalled(): void {
    this.#rate = Math.max(this.#lowest, this.#rate / 2);
  }
}
