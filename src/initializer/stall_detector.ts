/** How fast a download must be: a server that goes on for ever by trickling is one that stopped. */

/** Bytes that must come within the stall timeout; what is slower than this is no progress. */
export const STALL_DETECTOR_BYTES = 32 * 1024;

/** Aborts where fewer than {@link STALL_DETECTOR_BYTES} came since the last ones that were enough. */
export class StallDetector implements Disposable {
  readonly #controller = new AbortController();
  readonly #ms: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bytes = 0;

  /** @param ms what they may take */
  constructor(ms: number) {
    this.#ms = ms;
    this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Counts bytes that came. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= STALL_DETECTOR_BYTES) this.#start();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #start(): void {
    this.#bytes = 0;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), this.#ms);
  }
}
