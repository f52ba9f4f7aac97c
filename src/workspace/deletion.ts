/** One thing that is to be deleted, and is attempted until it is gone. */

export class Deletion {
  readonly #work: () => Promise<void>;
  #attempt: Promise<void> | undefined;
  #background: Promise<void> | undefined;
  readonly #done = new AbortController();
  readonly #tried = Promise.withResolvers<void>();
  /** How many attempts have failed. */
  failures = 0;

  /**
   * @param name for people
   * @param work deletes it, or as much of it as can be, and rejects where something is left
   */
  constructor(readonly name: string, work: () => Promise<void>) {
    this.#work = work;
  }

  /** Fires when it is gone. */
  get done(): AbortSignal {
    return this.#done.signal;
  }

  /** Joins the attempt under way, or begins one unless it is gone. */
  attempt(): Promise<void> {
    if (this.done.aborted) return Promise.resolve();
    return this.#attempt ??= this.#try().finally(() => this.#attempt = undefined);
  }

  async #try(): Promise<void> {
    try {
      await this.#work();
      this.#done.abort();
    } finally {
      this.#tried.resolve();
    }
  }

  /** Resolves once an attempt has ended, whatever became of it. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Runs `attempts` unless they are running already; how they end is nobody's but the attempts'. */
  inBackground(attempts: () => Promise<void>): void {
    this.#background ??= attempts().catch(() => {}).finally(() => this.#background = undefined);
  }

  /** Resolves once no attempt is under way and none will be made in the background. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#attempt, this.#background]);
  }
}
