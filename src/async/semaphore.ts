/** A bound on how much is under way at a time. */

/** A permit whose holder is asked to give it back when somebody more important has to wait. */
export interface YieldingPermit extends Disposable {
  /** Fires when the holder is to give way; its reason is a {@link GaveWay}. */
  readonly yielding: AbortSignal;
}

/** Says that work gave way to what is more important, and may be begun again. */
export class GaveWay extends Error {
  override name = "GaveWay";

  constructor() {
    super("It gave way to other work");
  }
}

/**
 * A counting semaphore: permits are handed out in the order they were asked for, yielding ones only
 * while nobody waits for another.
 */
export class Semaphore {
  #free: number;
  /** A set keeps the order and lets a wait that is given up leave from the middle. */
  readonly #waiting = new Set<() => void>();
  readonly #yieldingWaiting = new Set<() => void>();
  /** What asks holders of yielding permits to give way; whoever got its permit first comes first. */
  readonly #yielding = new Set<AbortController>();

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
    else await this.#wait(this.#waiting, signal);
    return this.#permit(() => {});
  }

  /**
   * Waits for a permit that its holder gives back early when it is asked to, because an
   * {@link acquire} has to wait.
   * @throws the signal's reason when it aborts first
   */
  async acquireYielding(signal?: AbortSignal): Promise<YieldingPermit> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(this.#yieldingWaiting, signal);
    const controller = new AbortController();
    this.#yielding.add(controller);
    this.#askToYield();
    const permit = this.#permit(() => this.#yielding.delete(controller));
    return { yielding: controller.signal, [Symbol.dispose]: () => permit[Symbol.dispose]() };
  }

  #permit(onRelease: () => void): Disposable {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        onRelease();
        this.#release();
      },
    };
  }

  /** Has as many holders give way as others wait; of those, whoever has done least so far. */
  #askToYield(): void {
    const holders = [...this.#yielding];
    const asked = holders.filter(({ signal }) => signal.aborted).length;
    const missing = Math.max(0, this.#waiting.size - asked);
    const willing = holders.filter(({ signal }) => !signal.aborted);
    for (const holder of willing.reverse().slice(0, missing)) holder.abort(new GaveWay());
  }

  #wait(queue: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => {
      queue.delete(grant);
      reject(signal?.reason);
    };
    const grant = () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    queue.add(grant);
    signal?.addEventListener("abort", abort, { once: true });
    this.#askToYield();
    return promise;
  }

  #release(): void {
    for (const queue of [this.#waiting, this.#yieldingWaiting]) {
      for (const grant of queue) {
        queue.delete(grant);
        return grant();
      }
    }
    this.#free++;
  }
}
