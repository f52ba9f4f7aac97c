/** Keeps what may happen side by side apart from what must happen alone. */

/** Any number of shared holders, or one exclusive holder. The latter goes before those who come later. */
export class Gate {
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

/** Something that happens again and again, which others wait for. */
export class Occasion {
  #next = Promise.withResolvers<void>();

  /** Resolves when it happens next. */
  get next(): Promise<void> {
    return this.#next.promise;
  }

  /** Says that it happens. */
  happens(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}
