/** Keeps what may happen side by side apart from what must happen alone. */

/** Any number of shared holders, or one exclusive holder. The latter goes before those who come later. */
export class SharedLock {
  #holders = 0;
  #waiting: (() => void)[] = [];
  #exclusive: Promise<void> = Promise.resolve();
  #isClosing = false;

  /** Does `work` beside others. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#isClosing) await this.#exclusive;
    this.#holders++;
    try {
      return await work();
    } finally {
      this.#holders--;
      if (this.#holders === 0) { for (const wake of this.#waiting.splice(0)) wake(); }
    }
  }

  /** Does `work` alone. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    while (this.#isClosing) await this.#exclusive;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isClosing = true;
    this.#exclusive = promise;
    try {
      while (this.#holders > 0) {
        await new Promise<void>((wake) => this.#waiting.push(wake));
      }
      return await work();
    } finally {
      this.#isClosing = false;
      resolve();
    }
  }
}

/** Something that happens again and again, under a name each time, which others wait for. */
export class Occasion {
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();

  /** Resolves when it happens next under that name. */
  next(name: string): Promise<void> {
    const waiting = this.#waiting.get(name) ?? Promise.withResolvers<void>();
    this.#waiting.set(name, waiting);
    return waiting.promise;
  }

  /** Says that it happens. */
  happens(name: string): void {
    this.#waiting.get(name)?.resolve();
    this.#waiting.delete(name);
  }
}
