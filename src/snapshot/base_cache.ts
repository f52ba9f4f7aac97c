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
import { CacheFlights } from "./cache_flights.ts";
import { CacheMetrics, type CacheOutcome } from "./cache_metrics.ts";
import type { RestoreImageOptions, SaveOptions } from "./images.ts";
import { type CacheEntry, type CacheLimits, NodeCache, tryTo } from "./node_cache.ts";

const log = logger("snapshot");

/** What a {@link BaseCache} uses, and its limits. */
export interface BaseCacheOptions extends CacheLimits {
  content: Content;
  metrics: Metrics;
  /** What trees are here; there are bases where they can be cloned. */
  volume: VolumeChoice;
}

/** A base, as the cache knows it. */
interface CachedBase extends CacheEntry {
  facts: BaseFacts;
  /** What it takes on disk at most, in bytes, where that is known before it is measured. */
  atMostBytes?: number;
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
  readonly #metrics: CacheMetrics;
  readonly #cache: NodeCache<CachedBase>;
  readonly #flights: CacheFlights<CachedBase>;
  /** Images whose frozen tree is being made a base. */
  readonly #adopting = new Set<string>();

  constructor(options: BaseCacheOptions) {
    this.#options = options;
    const { bases } = options.content;
    const cache = this.#cache = new NodeCache({
      ...options,
      noun: "base",
      isEnabled: this.isEnabled,
      space: () => bases.space(),
      bytesOf: ({ facts }) => facts.diskBytes ?? facts.contentBytes,
      delete: (name) => bases.remove(name),
      onEvicted: (_entry, reason) => this.#metrics.evicted(reason),
    });
    this.#flights = new CacheFlights(cache);
    this.#metrics = new CacheMetrics(options.metrics, {
      uses: [
        "wsdaemon_base_restores_total",
        "Images that trees were made of, by whether a base of it was cloned: hit, joined, miss",
      ],
      evictions: [
        "wsdaemon_base_evictions_total",
        "Bases that were deleted to make room, by reason: size or space",
      ],
      count: ["wsdaemon_bases", "Bases on this node"],
      bytes: [
        "wsdaemon_base_bytes",
        "What the bases would take if they shared nothing with workspaces and each other",
      ],
      read: () => cache.totals,
    });
  }

  /** Whether there are to be bases. */
  get isEnabled(): boolean {
    const { volume, maxBytes } = this.#options;
    return volume.kind === "btrfs" && maxBytes > 0;
  }

  /** Finds the bases of the last run; deletes those that are too much, in the background. */
  async start(): Promise<void> {
    const found = await tryTo("look for bases", () => this.#options.content.bases.list()) ?? [];
    this.#cache.start(
      found.toSorted((a, b) => a.usedAt - b.usedAt)
        .map(({ id, usedAt: _, ...facts }) => ({ id, facts, users: 0 })),
    );
  }

  /** Resolves once nothing is under way. Call when nobody restores or saves any more. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#cache[Symbol.asyncDispose]();
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
    const known = this.#cache.use(id);
    if (known) {
      try {
        const cloned = await this.#clone(known, tree, options);
        if (cloned) return this.#restored("hit", cloned);
      } finally {
        this.#cache.release(known);
      }
    }
    // There is a base that was of no use to this tree, or that has to go before there can be another.
    if (this.#cache.has(id) || this.#cache.isDoomed(id)) {
      return this.#restored("miss", await restore(tree, options));
    }
    const { result, outcome } = await this.#flights.share(id, {
      make: (signal) => this.#findOrMake(id, restore, { ...options, signal }),
      use: (base) => this.#clone(base, tree, options),
      waitsFor: "waiting for another restore",
      signal: options.signal,
    });
    return this.#restored(outcome, result ?? await restore(tree, options));
  }

  #restored(outcome: CacheOutcome, result: RestoreResult): RestoreResult {
    this.#metrics.used(outcome);
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
    return this.#cache.has(hexOf(manifest));
  }

  /** Makes the frozen tree of an image a base, or deletes it. */
  async adopt({ manifest, packed, baseline }: FrozenImage): Promise<void> {
    const { frozen, stats } = packed;
    if (!frozen) return;
    const id = hexOf(manifest);
    const isTaken = this.#cache.touch(id) || this.#cache.isDoomed(id) ||
      this.#flights.has(id) || this.#adopting.has(id);
    if (isTaken || !isWholeImage(packed)) {
      await this.#cache.discard(frozen.tree.name);
      return;
    }
    this.#adopting.add(id);
    try {
      if (await this.#cache.isSpaceShort()) {
        await this.#cache.discard(frozen.tree.name);
        return;
      }
      const { files, contentBytes } = stats;
      const facts: BaseFacts = { files, contentBytes, omitted: { counts: {}, examples: [] } };
      const { bases } = this.#options.content;
      if (!await bases.adopt(frozen, { id, facts, baseline })) return;
      const atMostBytes = mostDiskBytes(stats);
      const base = this.#cache.add({ id, facts, atMostBytes, users: 1 });
      this.#cache.inBackground(
        this.#measure(base).finally(() => this.#cache.release(base)).then(() =>
          this.#cache.evict()
        ),
      );
    } catch (error) {
      log.warn("No base is kept of image {manifest}: {reason}", {
        manifest,
        reason: messageOf(error),
      });
      await this.#cache.discard(frozen.tree.name);
      await this.#discardUnknown(id);
    } finally {
      this.#adopting.delete(id);
    }
  }

  /** Returns a base of an image with one use of it that the caller ends; `undefined` where none can be kept. */
  async #findOrMake(
    id: string,
    restore: Restore,
    { limitBytes, signal }: RestoreImageOptions,
  ): Promise<CachedBase | undefined> {
    const isShort = await tryTo("look for room", () => this.#cache.isSpaceShort()) ?? true;
    // A save may have made it meanwhile.
    const there = this.#cache.use(id);
    if (there || this.#adopting.has(id) || isShort) return there;
    const limit = limitBytes === undefined ? {} : { limitBytes };
    return await this.#make(id, (tree) => restore(tree, { signal, ...limit }));
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
    const tree = await tryTo("make a base", () => bases.make());
    if (!tree) return undefined;
    let newBaseline: string | undefined;
    let isSealed: boolean | undefined;
    try {
      const result = await restore(tree);
      newBaseline = result.newBaseline;
      const { files, contentBytes, diskBytes, omitted } = result;
      const facts: BaseFacts = { files, contentBytes, diskBytes, omitted };
      const baseline = newBaseline === undefined ? {} : { baseline: newBaseline };
      isSealed = await tryTo("keep a base", async () => {
        await bases.seal(tree, { id, facts, ...baseline });
        return true;
      });
      if (!isSealed) {
        await this.#discardUnknown(id);
        return undefined;
      }
      return this.#cache.add({ id, facts, users: 1 });
    } finally {
      if (!isSealed) await this.#cache.discard(tree.name);
      if (newBaseline !== undefined) await this.#dropBaseline(newBaseline);
    }
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
      if (!isFull && !signal?.aborted) this.#cache.inBackground(this.#cache.remove(base));
      // It is empty, unless the failure came when all was done.
      await this.#options.content.clear(tree);
      return undefined;
    }
  }

  /** Returns what a base takes on disk; `undefined` where that cannot be told. */
  async #measure(base: CachedBase): Promise<number | undefined> {
    const { facts: { diskBytes }, id } = base;
    if (diskBytes !== undefined) return diskBytes;
    const measured = await tryTo(
      `measure base ${id}`,
      () => this.#options.content.bases.measure(id),
    );
    if (measured !== undefined) base.facts = { ...base.facts, diskBytes: measured };
    return measured;
  }

  /** Deletes a base that a request has made before it failed, or that was there and is not known. */
  async #discardUnknown(id: string): Promise<void> {
    if (!this.#cache.has(id)) await this.#cache.discard(id);
  }

  async #dropBaseline(token: string): Promise<void> {
    await tryTo("delete a baseline", () => this.#options.content.dropBaseline(token));
  }
}

/** Returns whether restoring an image would make exactly what was packed. */
function isWholeImage({ stats }: Pick<PackResult, "stats">): boolean {
  return stats.unstableCount === 0 && stats.skippedSockets === 0 &&
    stats.retainedOmissions === 0 && stats.excluded.entries === 0 &&
    Object.keys(stats.unrestorable.counts).length === 0;
}

/** Returns the most bytes that a tree takes on disk, but for xattrs, as limits count them. */
function mostDiskBytes(stats: PackStats): number {
  const { files, otherEntries, directories, contentBytes } = stats;
  return contentBytes + (files + otherEntries) * fileBytes(1) + directories * DIRECTORY_BYTES;
}
