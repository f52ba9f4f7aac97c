/** Bytes that must arrive within a stall timeout; a slower download makes no progress. */
export const MIN_PROGRESS_BYTES = 32 * 1024;

/**
 * Aborts its signal where fewer than {@link MIN_PROGRESS_BYTES} arrive within the timeout, which starts
 * anew each time that enough have: a server that trickles for ever is treated as one that stopped.
 */
export class StallDetector implements Disposable {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #bytes = 0;

  /** @param timeoutMs milliseconds that so many bytes may take */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#start();
  }

  /** Aborts once there was no progress for the timeout. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Counts bytes that arrived. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= MIN_PROGRESS_BYTES) this.#start();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #start(): void {
    this.#bytes = 0;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), this.#timeoutMs);
  }
}
