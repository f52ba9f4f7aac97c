/**
 * The bases of a node: read-only trees of images that were restored or saved here, of which a workspace
 * is a clone made in milliseconds.
 *
 * - An image is told by its manifest's digest, and a base of it is reached only after the reference
 *   that a caller named was resolved: what may not be restored may not be cloned either.
 * - An image is restored *into a base*, once for all inits that want it meanwhile, and each of them
 *   clones that. The frozen tree that a save has packed becomes a base as it is.
 * - Bases are deleted, the one used longest ago first, where all together take more than is allowed or
 *   the disk has too little room; never while one is being cloned. What is written by clones and
 *   whatever else refers to the same blocks stays.
 *
 * Everything here can fail without harm: then the image is restored as on any other file system.
 */

import { Semaphore } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import {
  type BaseFacts,
  type Content,
  DIRECTORY_BYTES,
  fileBytes,
  limitExceeded,
  type PackResult,
  type PackStats,
  type RestoreResult,
  type Tree,
  type VolumeChoice,
} from "../content/mod.ts";
import { type Digest, hexOf } from "../digest.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { currentOperation } from "../operations/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { BaseFlight } from "./base_flight.ts";
import { BaseIndex, type CachedBase } from "./base_index.ts";
import { BaseMetrics, type BaseOutcome, type EvictionReason } from "./base_metrics.ts";
import type { RestoreImageOptions, SaveOptions } from "./images.ts";

const log = logger("snapshot");

/** Milliseconds between two checks of how much room the disk has. */
const INTERVAL_MS = 30_000;

/** What a {@link BaseCache} uses, and its limits. */
export interface BaseCacheOptions {
  content: Content;
  clock: Clock;
  metrics: Metrics;
  /** What trees are here; there are bases where they can be cloned. */
  volume: VolumeChoice;
  /** Bytes that all bases may take; 0 for no bases. */
  maxBytes: number;
  /** Percentage of the file system that bases must leave free. */
  minFreePercent: number;
}

/** Restores an image into a tree, as if there were no bases. */
export type Restore = (tree: Tree, options: RestoreImageOptions) => Promise<RestoreResult>;

/** A frozen tree that is a base if it is worth it, and the image that was made of it. */
export interface FrozenImage {
  manifest: Digest;
  packed: Pick<PackResult, "frozen" | "stats">;
  /** Name of the baseline that describes it. */
  baseline: string;
}

/** Keeps and clones bases between `start` and its disposal. */
export class BaseCache implements AsyncDisposable {
  readonly #options: BaseCacheOptions;
  readonly #metrics: BaseMetrics;
  readonly #index = new BaseIndex();
  readonly #flights = new Map<string, BaseFlight>();
  /** Images whose frozen tree is being made a base. */
  readonly #adopting = new Set<string>();
  /** Bases that nobody is to use any more, until they are deleted; by id. */
  readonly #doomed = new Map<string, Doomed>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #evicting = new Semaphore(1);
  readonly #stop = new AbortController();

  constructor(options: BaseCacheOptions) {
    this.#options = options;
    this.#metrics = new BaseMetrics(options.metrics, () => this.#index.totals);
  }

  /** Whether there are to be bases. */
  get isEnabled(): boolean {
    const { volume, maxBytes } = this.#options;
    return volume.kind === "btrfs" && maxBytes > 0;
  }

  /** Finds the bases of the last run; deletes those that are too much, in the background. */
  async start(): Promise<void> {
    try {
      this.#index.fill(await this.#options.content.bases.list());
    } catch (error) {
      log.error("Cannot look for bases: {reason}", { reason: messageOf(error) });
    }
    const { count, bytes } = this.#index.totals;
    if (count > 0) log.info("Found {count} bases of {bytes} bytes", { count, bytes });
    this.#inBackground(this.#watch());
  }

  /** Resolves once nothing is under way. Call when nobody restores or saves any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  /**
   * Fills an empty staging tree with what an image holds, by a clone where that can be.
   * @throws {DaemonError} as `restore`; RESOURCE_EXHAUSTED where the image exceeds `limitBytes`
   */
  async restore(
    manifest: Digest,
    tree: Tree,
    options: RestoreImageOptions,
    restore: Restore,
  ): Promise<RestoreResult> {
    if (!this.isEnabled) return await restore(tree, options);
    const id = hexOf(manifest);
    const known = this.#use(id);
    if (known) {
      try {
        const cloned = await this.#clone(known, tree, options);
        if (cloned) return this.#restored("hit", cloned);
      } finally {
        this.#release(known);
      }
    }
    // There is a base that was of no use to this tree, or that has to go before there can be another.
    if (this.#index.has(id) || this.#doomed.has(id)) {
      return this.#restored("miss", await restore(tree, options));
    }
    const joined = this.#flights.get(id);
    if (joined) currentOperation()?.enter("waiting for another restore");
    const flight = joined ?? this.#startFlight(id, options, restore);
    const result = await flight.wait(
      options.signal,
      async (base) => base && await this.#clone(base, tree, options),
    ).catch((error) => {
      options.signal?.throwIfAborted();
      // Whoever only joined finds out for itself, by its own limit and in its own time.
      if (!joined) throw error;
      return undefined;
    });
    this.#inBackground(this.#evict());
    if (result) return this.#restored(joined ? "joined" : "miss", result);
    return this.#restored("miss", await restore(tree, options));
  }

  #restored(outcome: BaseOutcome, result: RestoreResult): RestoreResult {
    this.#metrics.restored(outcome);
    if (outcome !== "miss") {
      const { files, contentBytes: bytes } = result;
      currentOperation()?.progress.add({ files, bytes });
    }
    return result;
  }

  /**
   * Returns whether the frozen tree of a save is wanted, to be given to {@link adopt}. Simple quotas count what
   * a base holds for the workspace that wrote it, also after the workspace has deleted it: there a tree
   * that is limited and used on would not get room by deleting.
   */
  wants({ isLast, isLimited }: Pick<SaveOptions, "isLast" | "isLimited">): boolean {
    if (!this.isEnabled) return false;
    return isLast === true || isLimited !== true || this.#options.volume.quota !== "simple";
  }

  /** Returns whether there is a base of an image. */
  has(manifest: Digest): boolean {
    return this.#index.has(hexOf(manifest));
  }

  /** Makes the frozen tree of an image a base, or deletes it. */
  async adopt({ manifest, packed, baseline }: FrozenImage): Promise<void> {
    const { frozen, stats } = packed;
    if (!frozen) return;
    const id = hexOf(manifest);
    const isTaken = this.#index.use(id) ||
      [this.#flights, this.#adopting, this.#doomed].some((others) => others.has(id));
    if (isTaken || !isWholeImage(packed)) {
      await this.#discard(frozen.tree.name);
      return;
    }
    this.#adopting.add(id);
    try {
      if (await this.#isSpaceShort()) {
        await this.#discard(frozen.tree.name);
        return;
      }
      const { files, contentBytes } = stats;
      const facts: BaseFacts = { files, contentBytes, omitted: { counts: {}, examples: [] } };
      const { bases } = this.#options.content;
      if (!await bases.adopt(frozen, { id, facts, baseline })) return;
      const base = this.#index.add(id, facts);
      base.atMostBytes = mostDiskBytes(stats);
      base.users++;
      this.#inBackground(
        this.#measure(base).finally(() => this.#release(base)).then(() => this.#evict()),
      );
    } catch (error) {
      log.warn("No base is kept of image {manifest}: {reason}", {
        manifest,
        reason: messageOf(error),
      });
      await this.#discard(frozen.tree.name);
      await this.#discardUnknown(id);
    } finally {
      this.#adopting.delete(id);
    }
  }

  #startFlight(id: string, { limitBytes }: RestoreImageOptions, restore: Restore): BaseFlight {
    const work = async (signal: AbortSignal) => {
      const isShort = await this.#tryTo("look for room", () => this.#isSpaceShort()) ?? true;
      // A save may have made it meanwhile.
      const there = this.#use(id);
      if (there || this.#adopting.has(id) || isShort) return there;
      const limit = limitBytes === undefined ? {} : { limitBytes };
      return await this.#make(id, (tree) => restore(tree, { signal, ...limit }));
    };
    const onEnd = () => {
      if (this.#flights.get(id) === flight) this.#flights.delete(id);
    };
    const flight: BaseFlight = new BaseFlight(work, (base) => this.#release(base), onEnd);
    this.#flights.set(id, flight);
    this.#inBackground(flight.settled);
    return flight;
  }

  /**
   * Restores an image into a new base.
   * @returns the base, with one use of it that the caller ends; `undefined` where there is no room for one, or it is there already by another way
   * @throws what `restore` throws
   */
  async #make(
    id: string,
    restore: (tree: Tree) => Promise<RestoreResult>,
  ): Promise<CachedBase | undefined> {
    const { bases } = this.#options.content;
    const tree = await this.#tryTo("make a base", () => bases.make());
    if (!tree) return undefined;
    let newBaseline: string | undefined;
    let isSealed: boolean | undefined;
    try {
      const result = await restore(tree);
      newBaseline = result.newBaseline;
      const { files, contentBytes, diskBytes, omitted } = result;
      const facts: BaseFacts = { files, contentBytes, diskBytes, omitted };
      const baseline = newBaseline === undefined ? {} : { baseline: newBaseline };
      isSealed = await this.#tryTo("keep a base", async () => {
        await bases.seal(tree, { id, facts, ...baseline });
        return true;
      });
      if (!isSealed) {
        await this.#discardUnknown(id);
        return undefined;
      }
      const base = this.#index.add(id, facts);
      base.users++;
      return base;
    } finally {
      if (!isSealed) await this.#discard(tree.name);
      if (newBaseline !== undefined) await this.#dropBaseline(newBaseline);
    }
  }

  /** Returns a base that stays until it is released as often. */
  #use(id: string): CachedBase | undefined {
    const base = this.#index.use(id);
    if (base) base.users++;
    return base;
  }

  #release(base: CachedBase): void {
    if (--base.users === 0) this.#doomed.get(base.id)?.isUnused.resolve();
  }

  /**
   * Clones a base into a staging tree.
   * @returns `undefined` where it cannot be cloned; the tree is empty then
   * @throws {DaemonError} RESOURCE_EXHAUSTED where it exceeds the limit
   */
  async #clone(
    base: CachedBase,
    tree: Tree,
    { limitBytes = Infinity, quotaBytes = Infinity, signal }: RestoreImageOptions,
  ): Promise<RestoreResult | undefined> {
    const { atMostBytes = Infinity } = base;
    const isSurelyWithin = atMostBytes <= Math.min(limitBytes, quotaBytes);
    const diskBytes = isSurelyWithin
      ? base.facts.diskBytes ?? atMostBytes
      : await this.#measure(base);
    if (diskBytes === undefined) return undefined;
    if (diskBytes > limitBytes) {
      const { files } = base.facts;
      throw limitExceeded("image", limitBytes, `its ${files} files and other entries`, diskBytes);
    }
    // What a clone shares is not counted by simple quotas, so that it must be within the quota itself.
    if (this.#options.volume.quota === "simple" && diskBytes > quotaBytes) return undefined;
    currentOperation()?.enter("cloning a base");
    try {
      const { newBaseline } = await this.#options.content.bases.clone(base.id, tree);
      const baseline = newBaseline === undefined ? {} : { newBaseline };
      return { ...base.facts, diskBytes, ...baseline };
    } catch (error) {
      log.warn("Restoring an image, as its base {id} cannot be cloned: {reason}", {
        id: base.id,
        reason: messageOf(error),
      });
      const isFull = error instanceof DaemonError && error.code === "RESOURCE_EXHAUSTED";
      // The tree of an init that was cancelled may be gone, which is no fault of the base.
      if (!isFull && !signal?.aborted) this.#inBackground(this.#remove(base));
      // It is empty, unless the failure came when all was done.
      await this.#options.content.clear(tree);
      return undefined;
    }
  }

  /** Returns what a base takes on disk; `undefined` where that cannot be told. */
  async #measure(base: CachedBase): Promise<number | undefined> {
    const { facts: { diskBytes }, id } = base;
    if (diskBytes !== undefined) return diskBytes;
    const measured = await this.#tryTo(
      `measure base ${id}`,
      () => this.#options.content.bases.measure(id),
    );
    if (measured !== undefined) base.facts = { ...base.facts, diskBytes: measured };
    return measured;
  }

  async #watch(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#evict();
      await clock.sleep(INTERVAL_MS, signal).catch(() => {});
    }
  }

  /** Deletes bases until those that stay take no more than they may, and the disk has enough room. */
  async #evict(): Promise<void> {
    using _one = await this.#evicting.acquire();
    for (;;) {
      const victim = this.#index.oldest;
      const reason = victim && await this.#tryTo("look for room", () => this.#excess());
      if (!victim || !reason || this.#stop.signal.aborted) return;
      // Somebody may have begun to clone it meanwhile.
      if (victim.users > 0 || !this.#index.has(victim.id)) continue;
      const { diskBytes = 0, files } = victim.facts;
      if (!await this.#remove(victim)) return;
      this.#metrics.evicted(reason);
      log.info("Deleted base {id} of {files} files and {bytes} bytes to make room: {reason}", {
        id: victim.id,
        files,
        bytes: diskBytes,
        reason,
      });
    }
  }

  async #excess(): Promise<EvictionReason | undefined> {
    if (!this.isEnabled || this.#index.totals.bytes > this.#options.maxBytes) return "size";
    return await this.#isSpaceShort() ? "space" : undefined;
  }

  async #isSpaceShort(): Promise<boolean> {
    const { minFreePercent, content } = this.#options;
    const { size, free } = await content.bases.space();
    return free < size * minFreePercent / 100;
  }

  /**
   * Forgets a base and deletes it once nobody uses it any more. Until it is gone there is no other one of
   * that image, which the deletion would hit.
   * @returns whether it is gone; a restart tries again where not
   */
  #remove(base: CachedBase): Promise<boolean> {
    const { id } = base;
    const doomed = this.#doomed.get(id);
    if (doomed) return doomed.gone;
    this.#index.remove(id);
    const isUnused = Promise.withResolvers<void>();
    if (base.users === 0) isUnused.resolve();
    const gone = isUnused.promise.then(() => this.#discard(id))
      .finally(() => this.#doomed.delete(id));
    this.#doomed.set(id, { isUnused, gone });
    return gone;
  }

  async #discard(name: string): Promise<boolean> {
    const { bases } = this.#options.content;
    const removed = await this.#tryTo(`delete base ${name}`, async () => {
      await bases.remove(name);
      return true;
    });
    return removed ?? false;
  }

  /** Deletes a base that a request has made before it failed, or that was there and is not known. */
  async #discardUnknown(id: string): Promise<void> {
    if (!this.#index.has(id)) await this.#discard(id);
  }

  async #dropBaseline(token: string): Promise<void> {
    await this.#tryTo("delete a baseline", () => this.#options.content.dropBaseline(token));
  }

  async #tryTo<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      log.warn(`Cannot ${what}: {reason}`, { reason: messageOf(error) });
      return undefined;
    }
  }

  #inBackground(work: Promise<unknown>): void {
    this.#background.add(work);
    work.finally(() => this.#background.delete(work));
  }
}

/** A base that is forgotten, and on the disk as yet. */
interface Doomed {
  /** Resolves once nobody uses it any more. */
  readonly isUnused: PromiseWithResolvers<void>;
  /** Resolves once the attempt to delete it is over, to whether it succeeded. */
  readonly gone: Promise<boolean>;
}

/** Returns whether restoring an image would make exactly what was packed. */
function isWholeImage({ stats }: Pick<PackResult, "stats">): boolean {
  return stats.unstableCount === 0 && stats.skippedSockets === 0 &&
    stats.retainedOmissions === 0 && Object.keys(stats.unrestorable.counts).length === 0;
}

/** Returns the most bytes that a tree takes on disk, but for xattrs, as limits count them. */
function mostDiskBytes(stats: PackStats): number {
  const { files, otherEntries, directories, contentBytes } = stats;
  return contentBytes + (files + otherEntries) * fileBytes(1) + directories * DIRECTORY_BYTES;
}
