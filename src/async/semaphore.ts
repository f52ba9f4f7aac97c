/** A bound on how much is under way at a time. */

/** A fair counting semaphore: permits are handed out in the order they were asked for. */
export class Semaphore {
  #free: number;
  /** A set keeps the order and lets a wait that is given up leave from the middle. */
  readonly #waiting = new Set<() => void>();

  constructor(permits: number) {
    this.#free = permits;
  }

  /**
   * Waits for a permit, which `using` gives back.
   * @throws the signal's reason when it aborts first
   */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#release();
        held = false;
      },
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => {
      this.#waiting.delete(grant);
      reject(signal?.reason);
    };
    const grant = () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    this.#waiting.add(grant);
    signal?.addEventListener("abort", abort, { once: true });
    return promise;
  }

  #release(): void {
    for (const grant of this.#waiting) {
      this.#waiting.delete(grant);
      return grant();
    }
    this.#free++;
  }
}
