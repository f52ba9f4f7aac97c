/**
 * What a node keeps on its disk to save work and could make again: bases and layers. Entries stay while
 * they are used; of the others those that were used longest ago are deleted where all together take
 * more than is allowed, or the disk has too little room.
 */

import { repeat, Semaphore } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { EvictionReason } from "./cache_metrics.ts";

const log = logger("snapshot");

/** Milliseconds between two checks of how much room the disk has. */
const INTERVAL_MS = 30_000;

/** Something that is kept. */
export interface CacheEntry {
  readonly id: string;
  /** How many are using it, or about to: it stays for as long. */
  users: number;
}

/** What may be kept. */
export interface CacheLimits {
  clock: Clock;
  /** Bytes that all entries may take; 0 for no entries. */
  maxBytes: number;
  /** Percentage of the file system that they must leave free. */
  minFreePercent: number;
}

/** Options of a {@link NodeCache}. */
export interface NodeCacheOptions<T extends CacheEntry> extends CacheLimits {
  /** What an entry is called in the log. */
  noun: string;
  /** Whether there are to be entries; those of an earlier run are deleted where not. */
  isEnabled: boolean;
  /** Returns the bytes of the file system that entries are on. */
  space(): Promise<{ size: number; free: number }>;
  bytesOf(entry: T): number;
  /** Deletes an entry from the disk; nothing where it is gone. */
  delete(id: string): Promise<void>;
  /** Called when an entry was deleted to make room. */
  onEvicted(entry: T, reason: EvictionReason): void;
}

/** Entries, from the one that was used longest ago to the one used last. */
export class NodeCache<T extends CacheEntry> implements AsyncDisposable {
  readonly #options: NodeCacheOptions<T>;
  readonly #entries = new Map<string, T>();
  /** Entries that nobody is to use any more, until they are deleted; by id. */
  readonly #doomed = new Map<string, Doomed>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #evicting = new Semaphore(1);
  readonly #stop = new AbortController();

  constructor(options: NodeCacheOptions<T>) {
    this.#options = options;
  }

  /** Takes over what an earlier run has left, the one used longest ago first, and watches the limits from now on. */
  start(entries: readonly T[]): void {
    for (const entry of entries) this.#entries.set(entry.id, entry);
    const { count, bytes } = this.totals;
    if (count > 0) {
      log.info(`Found {count} ${this.#options.noun}s of {bytes} bytes`, { count, bytes });
    }
    this.inBackground(this.#watch());
  }

  /** Resolves once nothing is under way. Call when nobody uses it any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  /** How many entries there are, and the bytes that they take as if they shared nothing. */
  get totals(): { count: number; bytes: number } {
    const bytes = this.#entries.values()
      .reduce((sum, entry) => sum + this.#options.bytesOf(entry), 0);
    return { count: this.#entries.size, bytes };
  }

  /** Adds an entry as the one that was used last. */
  add(entry: T): T {
    this.#entries.set(entry.id, entry);
    return entry;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Counts an entry as used now. @returns whether there is one */
  touch(id: string): boolean {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return true;
  }

  /** Returns an entry that stays until it is released as often; it counts as used now. */
  use(id: string): T | undefined {
    if (!this.touch(id)) return undefined;
    const entry = this.#entries.get(id)!;
    entry.users++;
    return entry;
  }

  /** Ends one use of an entry. */
  release(entry: CacheEntry): void {
    if (--entry.users === 0) this.#doomed.get(entry.id)?.isUnused.resolve();
  }

  /** Returns whether an entry is still to be deleted: there is no other one of its id until then. */
  isDoomed(id: string): boolean {
    return this.#doomed.has(id);
  }

  /**
   * Forgets an entry and deletes it once nobody uses it any more. Until it is gone there is no other one of
   * that id, which the deletion would hit.
   * @returns whether it is gone; a restart tries again where not
   */
  remove({ id, users }: CacheEntry): Promise<boolean> {
    const doomed = this.#doomed.get(id);
    if (doomed) return doomed.gone;
    this.#entries.delete(id);
    const isUnused = Promise.withResolvers<void>();
    if (users === 0) isUnused.resolve();
    const gone = isUnused.promise.then(() => this.discard(id))
      .finally(() => this.#doomed.delete(id));
    this.#doomed.set(id, { isUnused, gone });
    return gone;
  }

  /** Deletes from the disk what has that name, and warns where it cannot. @returns whether it is gone */
  async discard(name: string): Promise<boolean> {
    const { noun } = this.#options;
    const removed = await tryTo(`delete ${noun} ${name}`, async () => {
      await this.#options.delete(name);
      return true;
    });
    return removed ?? false;
  }

  /** Deletes entries until those that stay take no more than they may, and the disk has enough room. */
  async evict(): Promise<void> {
    using _one = await this.#evicting.acquire();
    for (;;) {
      const victim = this.#oldest;
      const reason = victim && await tryTo("look for room", () => this.#excess());
      if (!victim || !reason || this.#stop.signal.aborted) return;
      // Somebody may have begun to use it meanwhile.
      if (victim.users > 0 || !this.has(victim.id)) continue;
      if (!await this.remove(victim)) return;
      this.#options.onEvicted(victim, reason);
      log.info(`Deleted ${this.#options.noun} {id} of {bytes} bytes to make room: {reason}`, {
        id: victim.id,
        bytes: this.#options.bytesOf(victim),
        reason,
      });
    }
  }

  /** Returns whether the disk has too little room, or would have with so many bytes more. */
  async isSpaceShort(bytes = 0): Promise<boolean> {
    const { size, free } = await this.#options.space();
    return free - bytes < size * this.#options.minFreePercent / 100;
  }

  /** Has the disposal wait for work that nobody else waits for. */
  inBackground(work: Promise<unknown>): void {
    this.#background.add(work);
    work.finally(() => this.#background.delete(work));
  }

  /** The entry that was used longest ago of those that nobody is using. */
  get #oldest(): T | undefined {
    return this.#entries.values().find(({ users }) => users === 0);
  }

  async #watch(): Promise<void> {
    const { clock } = this.#options;
    await repeat(async () => {
      await this.evict();
      return INTERVAL_MS;
    }, { clock, signal: this.#stop.signal });
  }

  async #excess(): Promise<EvictionReason | undefined> {
    const { isEnabled, maxBytes } = this.#options;
    if (!isEnabled || this.totals.bytes > maxBytes) return "size";
    return await this.isSpaceShort() ? "space" : undefined;
  }
}

/** An entry that is forgotten, and on the disk as yet. */
interface Doomed {
  /** Resolves once nobody uses it any more. */
  readonly isUnused: PromiseWithResolvers<void>;
  /** Resolves once the attempt to delete it is over, to whether it succeeded. */
  readonly gone: Promise<boolean>;
}

/** Does what can fail without harm, and warns where it does. */
export async function tryTo<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    log.warn(`Cannot ${what}: {reason}`, { reason: messageOf(error) });
    return undefined;
  }
}
