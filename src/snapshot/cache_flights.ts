import { abortable } from "@std/async";
import { DaemonError } from "../errors.ts";
import { currentOperation } from "../operations/mod.ts";
import { withUncaughtHandler } from "../uncaught.ts";
import type { CacheOutcome } from "./cache_metrics.ts";
import type { CacheEntry, NodeCache } from "./node_cache.ts";

/** How an entry of a cache is made, and what one who wants it does with it. */
export interface SharedEntry<T extends CacheEntry, R> {
  /** Makes the entry, and uses it for its flight; resolves to `undefined` where none can be made. */
  make(signal: AbortSignal): Promise<T | undefined>;
  /** Called with the entry, which stays until this resolves; `undefined` where it was of no use. */
  use(entry: T): Promise<R | undefined>;
  /** What one who has not begun it waits for, as operations show it. */
  waitsFor: string;
  signal: AbortSignal | undefined;
}

/** The entries of a cache that are being made, by id. */
export class CacheFlights<T extends CacheEntry> {
  readonly #cache: NodeCache<T>;
  readonly #flights = new Map<string, CacheFlight<T>>();

  constructor(cache: NodeCache<T>) {
    this.#cache = cache;
  }

  /** Returns whether an entry is being made. */
  has(id: string): boolean {
    return this.#flights.has(id);
  }

  /**
   * Uses an entry that somebody is making, or makes it, and makes room for it afterwards.
   * @returns what `use` resolved to, and how that came about; `undefined` where there is no entry to be used
   * @throws what making it failed with, where that was begun here; the signal's reason
   */
  async share<R>(
    id: string,
    { make, use, waitsFor, signal }: SharedEntry<T, R>,
  ): Promise<{ result: R | undefined; outcome: CacheOutcome }> {
    const joined = this.#flights.get(id);
    if (joined) currentOperation()?.enter(waitsFor);
    const flight = joined ?? this.#start(id, make);
    const result = await flight.wait(
      signal,
      async (entry) => entry && await use(entry),
    ).catch((error) => {
      signal?.throwIfAborted();
      // Whoever only joined finds out for itself, by its own limit and in its own time.
      if (!joined) throw error;
      return undefined;
    });
    this.#cache.inBackground(this.#cache.evict());
    return { result, outcome: joined && result ? "joined" : "miss" };
  }

  /**
   * Has all who want an entry wait for one that somebody makes in any case.
   * @returns resolves once none of it is pending
   */
  begin(id: string, make: () => Promise<T | undefined>): Promise<unknown> {
    // Whoever makes it waits as long as it takes: others that give up do not end it.
    return this.#start(id, make).wait(undefined, () => Promise.resolve()).catch(() => {});
  }

  #start(id: string, make: SharedEntry<T, unknown>["make"]): CacheFlight<T> {
    const onEnd = () => {
      if (this.#flights.get(id) === flight) this.#flights.delete(id);
    };
    const flight: CacheFlight<T> = new CacheFlight(
      make,
      (entry) => this.#cache.release(entry),
      onEnd,
    );
    this.#flights.set(id, flight);
    this.#cache.inBackground(flight.settled);
    return flight;
  }
}

/**
 * The making of one entry of a cache, which all that want it wait for. It belongs to none of them: one
 * that is cancelled leaves it, and only when nobody waits any more is it cancelled too.
 */
class CacheFlight<T extends CacheEntry> {
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
