import type { OperationSubject } from "../operations/mod.ts";

/** Something that is to be deleted, attempted until it is gone; at most one attempt runs at a time. */
export class Deletion {
  readonly #work: () => Promise<void>;
  #attempt: Promise<void> | undefined;
  #background: Promise<void> | undefined;
  readonly #done = new AbortController();
  readonly #tried = Promise.withResolvers<void>();
  /** How many attempts have failed. */
  failures = 0;

  /**
   * @param name what is deleted, as the log says it
   * @param subject the same, for its operation
   * @param work deletes as much as it can, and rejects where something is left
   */
  constructor(
    readonly name: string,
    readonly subject: OperationSubject,
    work: () => Promise<void>,
  ) {
    this.#work = work;
  }

  /** Fires when everything is deleted. */
  get done(): AbortSignal {
    return this.#done.signal;
  }

  /**
   * Joins the attempt under way, or begins one unless everything is deleted.
   * @throws what `work` rejects with
   */
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

  /** Resolves once the first attempt has ended, however it ended. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Runs `attempts` unless they are running already, and ignores how they end: each reports itself. */
  inBackground(attempts: () => Promise<void>): void {
    this.#background ??= attempts().catch(() => {}).finally(() => this.#background = undefined);
  }

  /** Resolves once no attempt is running and none will be made in the background. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#attempt, this.#background]);
  }
}
