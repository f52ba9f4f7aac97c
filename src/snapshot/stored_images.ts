/**
 * Saves and restores workspaces as images in an object store.
 *
 * - A **layer** is a zstd-compressed tar, a blob named by its digest and shared by all images.
 * - The **index** lists every path, its metadata and the layer with its live content. It speeds a
 *   restore up; the layers alone restore the same tree.
 * - **Config** and **manifest** make it an OCI image that other tools read.
 * - A **reference** makes it live. Write order: layers, index and config, manifest, then the reference,
 *   in one step: at every moment, everything that a reference needs is stored.
 * - The **baseline** is what this node knows of a tree as of its last image. It is committed last: with
 *   an older baseline, the next image merely reads files again.
 */

import type { Clock } from "../clock.ts";
import type {
  Content,
  LayerDescriptor,
  PackResult,
  PackStats,
  RestoreResult,
  Tree,
} from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { currentOperation, inStep } from "../operations/mod.ts";
import type { LeasedFile } from "../spool.ts";
import type { ObjectStore, StoreOptions } from "../store/mod.ts";
import {
  type Images,
  MAX_LOG_BYTES,
  type RestoreImageOptions,
  type SavedImage,
  type SaveLogOptions,
  type SaveOptions,
  type WorkspaceIdentity,
} from "./images.ts";
import type { BaseCache } from "./base_cache.ts";
import type { LayerCache } from "./layer_cache.ts";
import { changeHistory } from "./history.ts";
import { type LastImage, LastImages, unchangedStats } from "./last_images.ts";
import { describeImage, joinConfig, MAX_MANIFEST_BYTES, parseManifest } from "./manifest.ts";
import type { ImageDescription } from "./manifest.ts";
import {
  backupKey,
  backupUrl,
  logKey,
  newSnapshotName,
  parseSnapshotName,
  snapshotKey,
  type SnapshotName,
} from "./snapshot_names.ts";
import {
  decodeReference,
  encodeReference,
  type ImageReference,
  readReference,
} from "./references.ts";
import { requireBlob } from "./require_blob.ts";
import { reportBaseline, reportDeviations, reportLive, reportWalk } from "./save_reports.ts";

const log = logger("snapshot");

/** Options of a {@link StoredImages}. */
export interface ImagesOptions {
  content: Content;
  store: ObjectStore;
  clock: Clock;
  /** How many backups of one (owner, meta_id) are kept, at least 1. */
  retain: number;
  /** Absent where every image is restored from the store. The caller starts and ends it. */
  bases?: BaseCache;
  /** Absent where every blob comes from the store. The caller starts and ends it. */
  layers?: LayerCache;
}

/** {@link Images} on an object store. */
export class StoredImages implements Images {
  readonly #content: Content;
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #retain: number;
  readonly #bases: BaseCache | undefined;
  readonly #layers: LayerCache | undefined;
  readonly #last = new LastImages();

  constructor(options: ImagesOptions) {
    this.#content = options.content;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#retain = options.retain;
    this.#bases = options.bases;
    this.#layers = options.layers;
  }

  checkSnapshotName(name: string, path: string): void {
    parseSnapshotName(name, path);
  }

  newSnapshotUrl(identity: WorkspaceIdentity): string {
    return newSnapshotName(identity, this.#clock.now());
  }

  async snapshotExists(url: string, signal?: AbortSignal): Promise<boolean> {
    const { key } = imageName(url);
    return await readReference(this.#store, key, { signal }) !== undefined;
  }

  async saveSnapshot(tree: Tree, url: string, options: SaveOptions): Promise<SavedImage> {
    const { key, identity } = imageName(url);
    return await this.#save(tree, options, async (image) => {
      await this.#store.putRef(key, encodeReference(identity, [image]), options);
      return url;
    });
  }

  async saveBackup(
    tree: Tree,
    identity: WorkspaceIdentity,
    options: SaveOptions,
  ): Promise<SavedImage> {
    const key = backupKey(identity);
    let isUnchanged = false;
    const saved = await this.#save(tree, options, async (image) => {
      isUnchanged = options.skipUnchanged === true &&
        await this.#isLatestBackup(identity, image.manifest, options);
      if (isUnchanged) return backupUrl(identity, image.manifest);
      await changeHistory(this.#store, {
        key,
        identity,
        change: (earlier) =>
          [image, ...earlier.filter((one) => one.manifest !== image.manifest)]
            .slice(0, this.#retain),
        signal: options.signal,
      });
      return backupUrl(identity, image.manifest);
    });
    return isUnchanged ? { ...saved, isUnchanged } : saved;
  }

  async #isLatestBackup(
    identity: WorkspaceIdentity,
    manifest: Digest,
    { signal }: SaveOptions,
  ): Promise<boolean> {
    const key = backupKey(identity);
    const bytes = await readReference(this.#store, key, { signal });
    return bytes !== undefined &&
      decodeReference(key, bytes, identity).images[0]!.manifest === manifest;
  }

  async restoreSnapshot(
    tree: Tree,
    name: string,
    options: RestoreImageOptions,
  ): Promise<RestoreResult> {
    const parsed = parseSnapshotName(name, "snapshot");
    const step = { kind: "restore", subject: { url: name } } as const;
    return await inStep(step, () => this.#restoreParsed(tree, name, parsed, options));
  }

  async #restoreParsed(
    tree: Tree,
    name: string,
    parsed: SnapshotName,
    options: RestoreImageOptions,
  ): Promise<RestoreResult> {
    if (parsed.kind === "archive") {
      currentOperation()?.enter("fetching");
      const archive = await this.#store.acquireArchive(
        parsed.object,
        parsed.bucket,
        options,
      );
      currentOperation()?.enter("extracting");
      try {
        return await this.#content.extract(tree, archive, {
          ...options,
          compression: parsed.compression,
        });
      } finally {
        await archive.release();
      }
    }
    const key = snapshotKey(parsed.identity, parsed.id);
    const bytes = await readReference(this.#store, key, options);
    if (!bytes) {
      throw new DaemonError(
        "NOT_FOUND",
        `There is no snapshot ${name} in this store (one taken with return_immediately ` +
          "can be restored once it is finished)",
        { reason: "SNAPSHOT_NOT_FOUND", resource: { type: "snapshot", name } },
      );
    }
    const { images } = decodeReference(key, bytes, parsed.identity);
    return await this.#restore(tree, images[0]!.manifest, options);
  }

  async restoreBackup(
    tree: Tree,
    identity: WorkspaceIdentity,
    options: RestoreImageOptions,
  ): Promise<RestoreResult> {
    const key = backupKey(identity);
    const bytes = await readReference(this.#store, key, options);
    if (!bytes) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `There is no backup of ${identity.owner}/${identity.metaId} in this store`,
        {
          reason: "BACKUP_NOT_FOUND",
          resource: { type: "backup", name: `${identity.owner}/${identity.metaId}` },
        },
      );
    }
    const { images } = decodeReference(key, bytes, identity);
    const { manifest } = images[0]!;
    const step = { kind: "restore", subject: { url: backupUrl(identity, manifest) } } as const;
    return await inStep(step, () => this.#restore(tree, manifest, options));
  }

  async saveLog(tree: Tree, path: string, options: SaveLogOptions): Promise<void> {
    const { identity, instance, task } = options;
    const copy = await this.#content.copyOut(tree, path, MAX_LOG_BYTES);
    try {
      await this.#store.putObject(logKey(identity, instance, task), copy, options);
    } catch (error) {
      await this.#tidy(() => this.#content.discard(copy.file));
      throw error;
    }
  }

  async #save(
    tree: Tree,
    options: SaveOptions,
    refer: (image: ImageReference) => Promise<string>,
  ): Promise<SavedImage> {
    const operation = currentOperation();
    operation?.enter("comparing");
    const unchanged = await this.#unchanged(tree, options);
    if (unchanged) {
      const { manifest } = unchanged;
      const stats = unchangedStats(unchanged.stats);
      return { url: await refer(this.#reference(manifest, stats)), manifest, stats };
    }
    const reuse = await this.#reusable(options);
    const { baseline, signal } = options;
    operation?.enter("packing");
    const last = this.#last.get(options.baseline);
    if (last) operation?.progress.setTotal({ files: last.stats.files });
    const packed = await this.#content.pack(tree, {
      baseline,
      signal,
      reuse,
      keepFrozen: this.#bases?.wants(options) ?? false,
      onLayer: async (layer) => {
        await this.#layers?.keep(layer);
        await this.#store.putBlob(layer, options);
        operation?.progress.addStored(layer.size);
      },
      onIndex: async (index) => void await this.#store.putBlob(index, options),
    });
    try {
      operation?.enter("storing");
      const { manifest, blobs } = await this.#putImage(packed, options);
      const url = await refer(this.#reference(manifest.digest, packed.stats));
      await this.#commitBaseline(packed.newBaseline, options.baseline);
      reportBaseline(options.baseline, packed.baselineProblem);
      reportDeviations(options.baseline, packed.stats);
      reportLive(options.baseline, packed.freezeProblem);
      reportWalk(options.baseline, packed.walkReason);
      await this.#bases?.adopt({ manifest: manifest.digest, packed, baseline });
      const { state, stats } = packed;
      this.#last.set(
        options.baseline,
        state === undefined ? undefined : { state, manifest: manifest.digest, blobs, stats },
      );
      return { url, manifest: manifest.digest, stats };
    } catch (error) {
      await this.#tidy(() => this.#content.dropBaseline(packed.newBaseline));
      const { frozen } = packed;
      if (frozen) await this.#tidy(() => this.#content.bases.remove(frozen.tree.name));
      throw error;
    }
  }

  #reference(manifest: Digest, { contentBytes, files }: PackStats): ImageReference {
    return { manifest, createdAt: this.#clock.now(), contentBytes, files };
  }

  /** Returns the last image of a tree that has not changed since, if all of it is still stored. */
  async #unchanged(tree: Tree, options: SaveOptions): Promise<LastImage | undefined> {
    const last = this.#last.get(options.baseline);
    if (!last || !await this.#content.isUnchanged(tree, last.state, options)) {
      return undefined;
    }
    // Packing it once more, which reads no file, leaves a base to start it from again.
    const bases = this.#bases;
    if (options.isLast && bases?.wants(options) && !bases.has(last.manifest)) return undefined;
    const there = await Promise.all(
      last.blobs.map(({ digest, size }) => this.#store.hasBlob(digest, size, options)),
    );
    return there.every((isThere) => isThere) ? last : undefined;
  }

  /** Commits a baseline. A failure is a warning: the image is stored, and the next one merely reads more. */
  async #commitBaseline(token: string, name: string): Promise<void> {
    try {
      await this.#content.commitBaseline(token, name);
    } catch (error) {
      log.warn("The next image of {workspace} will read more than it needs to: {reason}", {
        workspace: name,
        reason: messageOf(error),
      });
      await this.#tidy(() => this.#content.dropBaseline(token));
    }
  }

  /** Cleans up after a failure. One of its own is a warning, so that it does not hide the first. */
  async #tidy(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      log.warn("Something is left until the next start: {reason}", { reason: messageOf(error) });
    }
  }

  /** Returns the layers of the baseline's image that are stored; asking the store touches each. */
  async #reusable(options: SaveOptions): Promise<LayerDescriptor[]> {
    const { layers, problem } = await this.#content.baselineLayers(options.baseline);
    reportBaseline(options.baseline, problem);
    const there = await Promise.all(
      layers.map((layer) => this.#store.hasBlob(layer.digest, layer.size, options)),
    );
    return layers.filter((_, n) => there[n]);
  }

  /** Stores what an image has besides its layers and its index. @returns all blobs that it needs */
  async #putImage(packed: PackResult, options: SaveOptions) {
    await this.#layers?.keep(packed.index);
    const { digest, size } = packed.index;
    const { manifest, config } = describeImage({ layers: packed.layers, index: { digest, size } });
    await this.#store.putBlobBytes(config.digest, config.bytes, options);
    await this.#store.putBlobBytes(manifest.digest, manifest.bytes, options);
    const blobs = [...packed.layers, packed.index, config, manifest].map((blob) => ({
      digest: blob.digest,
      size: "size" in blob ? blob.size : blob.bytes.length,
    }));
    return { manifest, blobs };
  }

  async #restore(
    tree: Tree,
    manifest: Digest,
    options: RestoreImageOptions,
  ): Promise<RestoreResult> {
    if (!this.#bases) return await this.#fetch(tree, manifest, options);
    return await this.#bases.restore(
      manifest,
      tree,
      options,
      (tree, options) => this.#fetch(tree, manifest, options),
    );
  }

  /** Restores an image from the store. */
  async #fetch(
    tree: Tree,
    manifest: Digest,
    options: RestoreImageOptions,
  ): Promise<RestoreResult> {
    currentOperation()?.enter("reading the image");
    const image = await readImage(this.#store, manifest, options.signal);
    currentOperation()?.enter("restoring");
    const { index, ...rest } = image;
    const usable = index &&
      await this.#store.hasBlob(index.digest, index.size, {
        signal: options.signal,
        touch: false,
      });
    if (index && !usable) {
      log.warn("Restoring {manifest} without its index {index}, which the store does not have", {
        manifest,
        index: index.digest,
      });
    }
    let usesCache = false;
    const restore = () =>
      this.#content.restore(tree, {
        ...options,
        ...rest,
        ...(usable ? { index } : {}),
        trusted: true,
        fetch: async ({ digest, size }) => {
          const file = await requireBlob(digest, this.#acquire(digest, size, options));
          usesCache ||= file.area === "cache";
          return file;
        },
      });
    try {
      return await restore();
    } catch (error) {
      const isDamage = error instanceof DaemonError && error.code === "DATA_LOSS";
      if (!isDamage || !usesCache) throw error;
      log.warn("Restoring {manifest} from the store, as this node's copy is damaged: {reason}", {
        manifest,
        reason: error.message,
      });
      for (const { digest } of [...image.layers, ...index ? [index] : []]) {
        await this.#layers?.drop(digest);
      }
      await this.#content.clear(tree);
      return await restore();
    }
  }

  #acquire(digest: Digest, size: number, options: StoreOptions): Promise<LeasedFile> {
    return this.#layers?.acquire(digest, size, options) ??
      this.#store.acquireBlob(digest, size, options);
  }
}

/**
 * Reads an image's manifest and config.
 * @throws {DaemonError} DATA_LOSS where one is missing or malformed.
 */
export async function readImage(
  store: ObjectStore,
  manifest: Digest,
  signal?: AbortSignal,
): Promise<ImageDescription> {
  const read = async (digest: Digest) => ({
    digest,
    bytes: await requireBlob(
      digest,
      store.getBlobBytes(digest, MAX_MANIFEST_BYTES, { signal }),
    ),
  });
  const parsed = parseManifest(await read(manifest));
  return joinConfig(parsed, await read(parsed.config.digest));
}

function imageName(url: string): { key: string; identity: WorkspaceIdentity } {
  const parsed = parseSnapshotName(url, "snapshot");
  if (parsed.kind !== "image") {
    throw new DaemonError("INVALID_ARGUMENT", `Cannot save as a plain archive: ${url}`);
  }
  return { key: snapshotKey(parsed.identity, parsed.id), identity: parsed.identity };
}
