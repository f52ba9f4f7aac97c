/** Concurrent work taken step by step in an order that a seed decides. */

/** Steps wait for their turn; each turn is one of them, or at times two at once. */
export class Turns {
  #state: number;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** Runs `work` when its turn comes. */
  async step<T>(work: () => Promise<T>): Promise<T> {
    await this.#turn();
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }

  /** Lets others go first, from within a step. */
  async pause(): Promise<void> {
    this.#running--;
    await this.#turn();
    this.#running++;
  }

  /** Does what has steps of its own, from within a step. */
  async outside<T>(work: () => T | Promise<T>): Promise<T> {
    this.#running--;
    try {
      return await work();
    } finally {
      await this.#turn();
      this.#running++;
    }
  }

  /** Gives turns until all of `work` is done. */
  async finish(work: readonly Promise<void>[]): Promise<void> {
    let done = false;
    const all = Promise.all(work).finally(() => done = true);
    all.catch(() => {});
    while (!done) {
      await settle();
      if (this.#running > 0) continue;
      this.#release();
      if (this.#random(4) === 0) this.#release();
    }
    await all;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Mostly whoever came last goes on, so that one may do much between two steps of another. */
  #release(): void {
    const count = this.#waiting.length;
    const which = this.#random(8) === 0 ? this.#random(count) : count - 1;
    this.#waiting.splice(Math.max(which, 0), 1)[0]?.();
  }

  /** A number below `limit`; Marsaglia's xorshift. */
  #random(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % Math.max(limit, 1);
  }
}

/** Lets everything that needs no turn go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
