import { abortable } from "@std/async";
import { DaemonError } from "../errors.ts";
import { withUncaughtHandler } from "../uncaught.ts";
import type { CacheEntry } from "./node_cache.ts";

/**
 * The making of one entry of a cache, which all that want it wait for. It belongs to none of them: one
 * that is cancelled leaves it, and only when nobody waits any more is it cancelled too.
 */
export class CacheFlight<T extends CacheEntry> {
  readonly #abort = new AbortController();
  readonly #done: Promise<T | undefined>;
  #waiting = 0;
  #entry: T | undefined;

  /**
   * Starts the work.
   * @param work makes the entry, and uses it for the flight; resolves to `undefined` where none can be made
   * @param release ends one use of the entry
   * @param onEnd called when nobody is to join it any more
   */
  constructor(
    work: (signal: AbortSignal) => Promise<T | undefined>,
    private readonly release: (entry: T) => void,
    private readonly onEnd: () => void,
  ) {
    const { signal } = this.#abort;
    const making = withUncaughtHandler((error) => this.#abort.abort(error), () => work(signal));
    this.#done = making.then((entry) => {
      this.#entry = entry;
      if (entry) {
        entry.users += this.#waiting;
        release(entry);
      }
      return entry;
    }).finally(onEnd);
    this.#done.catch(() => {});
  }

  /** Resolves once it has ended, however that was. */
  get settled(): Promise<unknown> {
    return this.#done.catch(() => {});
  }

  /**
   * Waits for the entry and calls `use` with it, during which it stays; with `undefined` where none can
   * be made.
   * @throws what making it failed with, or the signal's reason
   */
  async wait<R>(
    signal: AbortSignal | undefined,
    use: (entry: T | undefined) => Promise<R>,
  ): Promise<R> {
    this.#waiting++;
    try {
      const entry = signal ? await abortable(this.#done, signal) : await this.#done;
      return await use(entry);
    } finally {
      this.#waiting--;
      if (this.#entry) this.release(this.#entry);
      else if (this.#waiting === 0) this.#cancel();
    }
  }

  #cancel(): void {
    this.onEnd();
    this.#abort.abort(new DaemonError("ABORTED", "nobody waits for it any more"));
  }
}
