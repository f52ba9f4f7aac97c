/**
 * The layers and indexes of images that a node keeps where it cannot keep bases, and its store is
 * elsewhere: a workspace that starts from an image whose blobs are here downloads nothing.
 *
 * - A blob is told by its digest, and is asked for only after the reference that a caller named and the
 *   manifest were read from the store: what may not be restored is of no use here either.
 * - What is downloaded was checked by the store before it is kept; what a save has packed is kept as it
 *   leaves the spool. Each restore checks the digests once more, and one that finds a blob damaged has
 *   it deleted and restores from the store.
 * - A file has its name in one step. A loss of power may damage what is in it, which is found as above.
 *
 * Everything here can fail without harm: then blobs are downloaded as if there were none.
 */

import { join } from "@std/path";
import { type Digest, hexOf } from "../digest.ts";
import { readDiskSpace } from "../disk_space.ts";
import type { BlobStream } from "../content/mod.ts";
import type { BlobId } from "../image/mod.ts";
import { removeIfThere } from "../remove_if_there.ts";
import type { LeasedFile, SpooledBlob } from "../spool.ts";
import type { ObjectStore, StoreOptions } from "../store/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { CacheFlights } from "./cache_flights.ts";
import { CacheMetrics } from "./cache_metrics.ts";
import { type CacheEntry, type CacheLimits, NodeCache, tryTo } from "./node_cache.ts";

/** What a {@link LayerCache} uses, and its limits. */
export interface LayerCacheOptions extends CacheLimits {
  store: ObjectStore;
  metrics: Metrics;
  /** Whether blobs are to be kept; those of an earlier run are deleted where not. */
  isEnabled: boolean;
  /** The folder of what is kept, and the spool's, on one file system; absolute. */
  folder: string;
  spool: string;
}

/** A blob that is kept. */
interface CachedBlob extends CacheEntry {
  readonly bytes: number;
}

/** Keeps blobs between `start` and its disposal. */
export class LayerCache implements AsyncDisposable {
  readonly #options: LayerCacheOptions;
  readonly #metrics: CacheMetrics;
  readonly #cache: NodeCache<CachedBlob>;
  readonly #flights: CacheFlights<CachedBlob>;

  constructor(options: LayerCacheOptions) {
    this.#options = options;
    const cache = this.#cache = new NodeCache({
      ...options,
      noun: "cached layer",
      space: () => readDiskSpace(options.folder),
      bytesOf: ({ bytes }) => bytes,
      delete: (id) => removeIfThere(this.#pathOf(id)),
      onEvicted: (_entry, reason) => this.#metrics.evicted(reason),
    });
    this.#flights = new CacheFlights(cache);
    this.#metrics = new CacheMetrics(options.metrics, {
      uses: [
        "wsdaemon_layer_reads_total",
        "Layers and indexes that restores read, by whether the node had them: hit, joined, miss",
      ],
      evictions: [
        "wsdaemon_layer_evictions_total",
        "Cached layers that were deleted to make room, by reason: size or space",
      ],
      count: ["wsdaemon_layers", "Layers and indexes that this node keeps"],
      bytes: ["wsdaemon_layer_bytes", "What the cached layers take"],
      read: () => cache.totals,
    });
  }

  /** Finds the blobs of the last run; deletes those that are too much, in the background. */
  async start(): Promise<void> {
    const found = await tryTo("look for cached layers", () => this.#find());
    this.#cache.start(found ?? []);
  }

  /** Resolves once nothing is under way. Call when nobody restores or saves any more. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#cache[Symbol.asyncDispose]();
  }

  /**
   * Makes a blob a file that content Workers can open, as `ObjectStore.acquireBlob` does. The caller
   * releases it.
   * @throws {DaemonError} as the store
   */
  async acquire(digest: Digest, size: number, options: StoreOptions): Promise<LeasedFile> {
    const { store } = this.#options;
    if (!this.#wants(size)) return await store.acquireBlob(digest, size, options);
    const id = hexOf(digest);
    const known = await this.#useWhole(id, size);
    if (known) {
      this.#metrics.used("hit");
      return this.#lease(known);
    }
    const { result, outcome } = await this.#flights.share(id, {
      make: (signal) => this.#download(digest, size, signal),
      use: (entry) => {
        entry.users++;
        return Promise.resolve(this.#lease(entry));
      },
      waitsFor: "waiting for another download",
      signal: options.signal,
    });
    this.#metrics.used(outcome);
    return result ?? await store.acquireBlob(digest, size, options);
  }

  /**
   * Returns a blob that the node has, or gets by somebody else's download, as {@link acquire} does. Where it
   * is the caller's to download, returns the file that it is to be written to, if it is to be kept, for
   * which all others who want it wait until that is closed.
   * @throws {DaemonError} the signal's reason
   */
  async open(
    { digest, size }: BlobId,
    options: StoreOptions,
  ): Promise<LeasedFile | Pick<BlobStream, "copy" | "close"> | undefined> {
    if (!this.#wants(size)) return undefined;
    const id = hexOf(digest);
    for (;;) {
      const known = await this.#useWhole(id, size);
      if (known) {
        this.#cache.release(known);
        return await this.acquire(digest, size, options);
      }
      if (this.#flights.has(id)) {
        const joined = await this.#join(id, options);
        if (joined) return joined;
        continue;
      }
      this.#metrics.used("miss");
      return await tryTo("keep a layer", () => this.#receive(id, size));
    }
  }

  /** Waits for somebody else's download. @returns `undefined` where nothing came of it */
  async #join(id: string, { signal }: StoreOptions): Promise<LeasedFile | undefined> {
    const { result } = await this.#flights.share(id, {
      make: () => Promise.resolve(undefined),
      use: (entry) => {
        entry.users++;
        return Promise.resolve(this.#lease(entry));
      },
      waitsFor: "waiting for another download",
      signal,
    });
    if (result) this.#metrics.used("joined");
    return result;
  }

  /** Keeps a blob that is in the spool and about to be stored; its spool file stays. */
  async keep({ digest, size, file }: SpooledBlob): Promise<void> {
    const id = hexOf(digest);
    if (!this.#wants(size) || this.#cache.isDoomed(id) || this.#flights.has(id)) return;
    if (this.#cache.touch(id)) return;
    await tryTo("keep a layer", async () => {
      if (await this.#cache.isSpaceShort()) return;
      await this.#link(file, id);
      if (!this.#cache.touch(id)) this.#cache.add({ id, bytes: size, users: 0 });
      this.#cache.inBackground(this.#cache.evict());
    });
  }

  /** Deletes a blob that was found to be damaged; where others read it, once they have ended. */
  async drop(digest: Digest): Promise<void> {
    const entry = this.#cache.use(hexOf(digest));
    if (entry) await this.#remove(entry);
  }

  /** Ends a use of a blob, and deletes it: at once where that was the last. */
  async #remove(entry: CachedBlob): Promise<void> {
    const gone = this.#cache.remove(entry);
    this.#cache.inBackground(gone);
    this.#cache.release(entry);
    if (entry.users === 0) await gone;
  }

  #wants(size: number): boolean {
    const { isEnabled, maxBytes } = this.#options;
    // A larger one would have everything else deleted.
    return isEnabled && size <= maxBytes;
  }

  #pathOf(id: string): string {
    return join(this.#options.folder, id);
  }

  #lease(entry: CachedBlob): LeasedFile {
    let isReleased = false;
    return {
      area: "cache",
      path: entry.id,
      release: () => {
        if (!isReleased) this.#cache.release(entry);
        isReleased = true;
        return Promise.resolve();
      },
    };
  }

  /** Returns a blob that stays until it is released, unless somebody has deleted or cut its file. */
  async #useWhole(id: string, size: number): Promise<CachedBlob | undefined> {
    const entry = this.#cache.use(id);
    if (!entry) return undefined;
    const path = this.#pathOf(id);
    const info = await Deno.lstat(path).catch(() => undefined);
    if (info?.isFile && info.size === size) {
      // What was used last is known by it after a restart.
      await Deno.utime(path, info.atime ?? new Date(), new Date()).catch(() => {});
      return entry;
    }
    await this.#remove(entry);
    return undefined;
  }

  /** Downloads a blob. @returns it, with one use of it that the caller ends; `undefined` where it cannot be kept */
  async #download(
    digest: Digest,
    size: number,
    signal: AbortSignal,
  ): Promise<CachedBlob | undefined> {
    const id = hexOf(digest);
    const isShort = await tryTo("look for room", () => this.#cache.isSpaceShort()) ?? true;
    if (isShort || this.#cache.isDoomed(id)) return undefined;
    // A save may have kept it meanwhile.
    const there = this.#cache.use(id);
    if (there) return there;
    const file = await this.#options.store.acquireBlob(digest, size, { signal });
    try {
      return await tryTo("keep a layer", async () => {
        await this.#link(file, id);
        return this.#cache.use(id) ?? this.#cache.add({ id, bytes: size, users: 1 });
      });
    } finally {
      await file.release();
    }
  }

  /**
   * Begins the keeping of a blob that its caller downloads.
   * @returns `undefined` where it cannot be kept
   */
  async #receive(
    id: string,
    size: number,
  ): Promise<Pick<BlobStream, "copy" | "close"> | undefined> {
    const received = Promise.withResolvers<CachedBlob | undefined>();
    const ended = this.#flights.begin(id, () => received.promise);
    const path = `layer-${crypto.randomUUID()}`;
    const spooled = join(this.#options.spool, path);
    try {
      if (this.#cache.isDoomed(id) || await this.#cache.isSpaceShort(size)) {
        received.resolve(undefined);
        return undefined;
      }
      using _empty = await Deno.open(spooled, { write: true, createNew: true, mode: 0o600 });
    } catch (error) {
      received.resolve(undefined);
      throw error;
    }
    return {
      copy: { area: "spool", path },
      close: async (isWhole) => {
        const kept = isWhole && await tryTo("keep a layer", async () => {
          await this.#link({ path }, id);
          return this.#cache.use(id) ?? this.#cache.add({ id, bytes: size, users: 1 });
        });
        received.resolve(kept || undefined);
        await ended;
        await tryTo("delete a spool file", () => removeIfThere(spooled));
        this.#cache.inBackground(this.#cache.evict());
      },
    };
  }

  /** Gives a file of the spool the name of a blob, too. */
  async #link({ path }: Pick<SpooledBlob["file"], "path">, id: string): Promise<void> {
    try {
      await Deno.link(join(this.#options.spool, path), this.#pathOf(id));
    } catch (error) {
      // What is there and was not known may be anything: it gives way to what was checked.
      if (!(error instanceof Deno.errors.AlreadyExists) || this.#cache.has(id)) throw error;
      await Deno.remove(this.#pathOf(id));
      await Deno.link(join(this.#options.spool, path), this.#pathOf(id));
    }
  }

  async #find(): Promise<CachedBlob[]> {
    const found: (CachedBlob & { usedAt: number })[] = [];
    for await (const { name } of Deno.readDir(this.#options.folder)) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const { isFile, size, mtime } = await Deno.lstat(this.#pathOf(name));
      if (isFile) found.push({ id: name, bytes: size, users: 0, usedAt: mtime?.getTime() ?? 0 });
    }
    return found.sort((a, b) => a.usedAt - b.usedAt);
  }
}
