import { abortable } from "@std/async";
import { DaemonError } from "../errors.ts";
import { withUncaughtHandler } from "../uncaught.ts";
import type { CachedBase } from "./base_index.ts";

/**
 * The restore of one image into a base, which all inits of that image wait for. It belongs to none of
 * them: one that is cancelled leaves it, and only when nobody waits any more is it cancelled too.
 */
export class BaseFlight {
  readonly #abort = new AbortController();
  readonly #done: Promise<CachedBase | undefined>;
  #waiting = 0;
  #base: CachedBase | undefined;

  /**
   * Starts the restore.
   * @param work makes the base, and uses it for the flight; resolves to `undefined` where none can be made
   * @param release ends one use of the base
   * @param onEnd called when nobody is to join it any more
   */
  constructor(
    work: (signal: AbortSignal) => Promise<CachedBase | undefined>,
    private readonly release: (base: CachedBase) => void,
    private readonly onEnd: () => void,
  ) {
    const { signal } = this.#abort;
    const making = withUncaughtHandler((error) => this.#abort.abort(error), () => work(signal));
    this.#done = making.then((base) => {
      this.#base = base;
      if (base) {
        base.users += this.#waiting;
        release(base);
      }
      return base;
    }).finally(onEnd);
    this.#done.catch(() => {});
  }

  /** Resolves once it has ended, however that was. */
  get settled(): Promise<unknown> {
    return this.#done.catch(() => {});
  }

  /**
   * Waits for the base and calls `use` with it, during which it stays; with `undefined` where none can
   * be made.
   * @throws what making it failed with, or the signal's reason
   */
  async wait<T>(
    signal: AbortSignal | undefined,
    use: (base: CachedBase | undefined) => Promise<T>,
  ): Promise<T> {
    this.#waiting++;
    try {
      const base = signal ? await abortable(this.#done, signal) : await this.#done;
      return await use(base);
    } finally {
      this.#waiting--;
      if (this.#base) this.release(this.#base);
      else if (this.#waiting === 0) this.#cancel();
    }
  }

  #cancel(): void {
    this.onEnd();
    this.#abort.abort(new DaemonError("ABORTED", "nobody waits for this base any more"));
  }
}
