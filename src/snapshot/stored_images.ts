/**
 * Saves and restores workspaces as images in an object store.
 *
 * - A **layer** is a zstd-compressed tar, a blob named by its digest and shared by all images.
 * - The **index** lists every path, its metadata and the layer with its live content. It speeds a
 *   restore up; the layers alone restore the same tree.
 * - **Config** and **manifest** make it an OCI image that other tools read.
 * - A **reference** makes it live. Write order: layers and index, config and manifest, then the
 *   reference, in one step: at every moment, everything that a reference needs is stored.
 * - The **baseline** is what this node knows of a tree as of its last image. It is committed last: with
 *   an older baseline, the next image merely reads files again.
 */

import type { Clock } from "../clock.ts";
import type {
  Content,
  PackExcludes,
  PackOptions,
  PackResult,
  PackStats,
  Tree,
} from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { indexBlobs } from "../image/mod.ts";
import { logger } from "../log/mod.ts";
import { currentOperation, inStep } from "../operations/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import { Backups, type BackupsOptions } from "./backups.ts";
import { contentBlobsOf } from "./image_blobs.ts";
import {
  type Images,
  MAX_LOG_BYTES,
  type OtherLineages,
  type RestoredImage,
  type RestoreImageOptions,
  type SavedImage,
  type SaveLogOptions,
  type SaveOptions,
  type WorkspaceIdentity,
} from "./images.ts";
import type { BaseCache } from "./base_cache.ts";
import type { LayerCache } from "./layer_cache.ts";
import type { LegacyArchives } from "./legacy_archives.ts";
import { ImageRestorer, type ImageRestorerOptions } from "./image_restorer.ts";
import { KnownLineages } from "./known_lineages.ts";
import { type LastImage, LastImages, unchangedStats } from "./last_images.ts";
import type { Lineage } from "./lineage.ts";
import { describeImage, formatOf, type ImageDescription, type SmallBlob } from "./manifest.ts";
import { readImageBlobs } from "./read_image.ts";
import {
  backupKey,
  type BackupName,
  backupUrl,
  logKey,
  newSnapshotName,
  parseSnapshotName,
  snapshotKey,
  type SnapshotName,
} from "./snapshot_names.ts";
import { encodeReference, readReference } from "./references.ts";
import { findReference } from "./references_scan.ts";
import type { HistoryImage } from "./retained_images.ts";
import {
  reportBaseline,
  reportDeviations,
  reportExcluded,
  reportLive,
  reportWalk,
} from "./save_reports.ts";

const log = logger("snapshot");

/** Options of a {@link StoredImages}. */
export interface ImagesOptions extends BackupsOptions, ImageRestorerOptions {
  clock: Clock;
  /** The archives of an older layout that stand in for backups; none unless given. */
  legacy?: LegacyArchives;
  /** What images leave out; nothing unless given. */
  excludes?: Omit<PackExcludes, "mustWalk">;
  /** Files of this size and more are stored as chunks; 0 for none. Bytes. */
  chunkMinBytes?: number;
}

/** {@link Images} on an object store. */
export class StoredImages implements Images {
  readonly #content: Content;
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #backups: Backups;
  readonly #excludes: ImagesOptions["excludes"];
  readonly #chunkMinBytes: number;
  readonly #bases: BaseCache | undefined;
  readonly #layers: LayerCache | undefined;
  readonly #last = new LastImages();
  readonly #lineages = new KnownLineages();
  readonly #restorer: ImageRestorer;
  readonly #legacy: LegacyArchives | undefined;

  constructor(options: ImagesOptions) {
    this.#legacy = options.legacy;
    this.#content = options.content;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#backups = new Backups(options, this.#lineages);
    const { excludes } = options;
    const isAny = excludes &&
      (excludes.cacheDirs || excludes.ignoreFile || excludes.patterns.length > 0);
    this.#excludes = isAny ? excludes : undefined;
    this.#chunkMinBytes = options.chunkMinBytes ?? 0;
    this.#bases = options.bases;
    this.#layers = options.layers;
    this.#restorer = new ImageRestorer(options, this.#lineages);
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
    let isUnchanged = false;
    let otherLineages: OtherLineages | undefined;
    const saved = await this.#save(tree, options, async (image, previousLayers) => {
      const isFork = image.lineage?.id !== options.lineage?.id;
      const { mustBeFirst } = options;
      const backup = { image, isFork, previousLayers, mustBeFirst };
      isUnchanged = options.skipUnchanged === true &&
        await this.#backups.hold(identity, backup, options);
      if (!isUnchanged) {
        const added = await this.#backups.add(identity, backup, options);
        if (!added.isAdded) return undefined;
        ({ otherLineages } = added);
      }
      return backupUrl(identity, image.manifest);
    });
    return {
      ...saved,
      ...(isUnchanged ? { isUnchanged } : {}),
      ...(otherLineages ? { otherLineages } : {}),
    };
  }

  async restoreSnapshot(
    tree: Tree,
    name: string,
    options: RestoreImageOptions,
  ): Promise<RestoredImage> {
    const parsed = parseSnapshotName(name, "snapshot");
    const step = { kind: "restore", subject: { url: name } } as const;
    return await inStep(step, () => this.#restoreParsed(tree, name, parsed, options));
  }

  async #restoreParsed(
    tree: Tree,
    name: string,
    parsed: SnapshotName,
    options: RestoreImageOptions,
  ): Promise<RestoredImage> {
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
    if (parsed.kind === "backup") {
      return await this.#restoreNamedBackup(tree, name, parsed, options);
    }
    const { identity, id } = parsed;
    const { signal } = options;
    const found = await findReference(this.#store, snapshotKey(identity, id), { identity, signal });
    if (!found) {
      throw new DaemonError(
        "NOT_FOUND",
        `There is no snapshot ${name} in this store (one taken with return_immediately ` +
          "can be restored once it is finished)",
        { reason: "SNAPSHOT_NOT_FOUND", resource: { type: "snapshot", name } },
      );
    }
    return await this.#restorer.restore(tree, found.images[0]!.manifest, options);
  }

  /** Restores a backup that a caller has named, and that may be another identity's. */
  async #restoreNamedBackup(
    tree: Tree,
    name: string,
    { identity, manifest }: BackupName,
    options: RestoreImageOptions,
  ): Promise<RestoredImage> {
    const { signal } = options;
    const found = await findReference(this.#store, backupKey(identity), { identity, signal });
    const { images } = found ?? { images: [] };
    const image = manifest ? images.find((one) => one.manifest === manifest) : images[0];
    if (!image) {
      throw new DaemonError(
        "NOT_FOUND",
        `There is no backup ${name} in this store, or not any more (\`wsdaemon store ls --owner ` +
          `${identity.owner} --meta-id ${identity.metaId}\` lists those that are kept)`,
        { reason: "SNAPSHOT_NOT_FOUND", resource: { type: "snapshot", name } },
      );
    }
    return await this.#restorer.restore(tree, image.manifest, options);
  }

  async restoreBackup(
    tree: Tree,
    identity: WorkspaceIdentity,
    options: RestoreImageOptions,
  ): Promise<RestoredImage> {
    const { signal } = options;
    const found = await findReference(this.#store, backupKey(identity), { identity, signal });
    if (!found) {
      const restored = await this.#restoreLegacy(tree, identity, options);
      if (restored) return restored;
      throw this.#noBackup(identity);
    }
    const { manifest } = found.images[0]!;
    const step = { kind: "restore", subject: { url: backupUrl(identity, manifest) } } as const;
    return await inStep(step, () => this.#restorer.restore(tree, manifest, options));
  }

  /** Restores what an older daemon has left of an identity; `undefined` where it has left nothing. */
  async #restoreLegacy(
    tree: Tree,
    identity: WorkspaceIdentity,
    options: RestoreImageOptions,
  ): Promise<RestoredImage | undefined> {
    return await this.#legacy?.restore(identity, async ({ name, file }) => {
      const step = { kind: "restore", subject: { url: name } } as const;
      const extract = () => this.#content.extract(tree, file, options);
      const restored = await inStep(step, extract);
      log.info(
        "Restored {archive}, which storage.legacy names, as {owner}/{metaId} has no backup yet",
        { archive: name, ...identity },
      );
      return restored;
    }, options);
  }

  #noBackup(identity: WorkspaceIdentity): DaemonError {
    const { owner, metaId } = identity;
    const archives = this.#legacy?.namesOf(identity) ?? [];
    const nor = archives.length === 0
      ? ""
      : `, nor an archive of the older layout (${archives.join(", ")})`;
    return new DaemonError(
      "FAILED_PRECONDITION",
      `There is no backup of ${owner}/${metaId} in this store${nor}`,
      { reason: "BACKUP_NOT_FOUND", resource: { type: "backup", name: `${owner}/${metaId}` } },
    );
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
    refer: Refer,
  ): Promise<SavedImage> {
    const operation = currentOperation();
    operation?.enter("comparing");
    const unchanged = await this.#unchanged(tree, options);
    if (unchanged) {
      const { manifest } = unchanged;
      const stats = unchangedStats(unchanged.stats);
      const url = await refer(this.#historyImage(unchanged, stats), []);
      if (url !== undefined) return { url, manifest, stats };
    }
    const { previousLayers, ...reusable } = await this.#reusable(options);
    const { baseline, signal } = options;
    operation?.enter("packing");
    const last = this.#last.get(options.baseline);
    if (last) operation?.progress.setTotal({ files: last.stats.files });
    const packed = await this.#content.pack(tree, {
      baseline,
      signal,
      ...reusable,
      ...(this.#excludes ? { excludes: { ...this.#excludes, mustWalk: last === undefined } } : {}),
      ...(this.#chunkMinBytes > 0 ? { chunkMinBytes: this.#chunkMinBytes } : {}),
      keepFrozen: this.#bases?.wants(options) ?? false,
      onLayer: async (layer) => {
        await this.#layers?.keep(layer);
        await this.#store.putBlob(layer, options);
        operation?.progress.addStored(layer.size);
      },
      onIndex: async (index) => {
        await this.#layers?.keep(index);
        await this.#store.putBlob(index, options);
      },
    });
    try {
      operation?.enter("storing");
      const { url, ...stored } = await this.#storeImage(packed, previousLayers, options, refer);
      const { manifest } = stored;
      const isCommitted = await this.#commitBaseline(packed.newBaseline, options.baseline);
      reportBaseline(options.baseline, packed.baselineProblem);
      reportDeviations(options.baseline, packed.stats);
      reportLive(options.baseline, packed.freezeProblem);
      reportWalk(options.baseline, packed.walkReason);
      reportExcluded(options.baseline, packed);
      // Clones of a base with an older image's baseline would be saved as what that has.
      if (isCommitted) await this.#bases?.adopt({ manifest, packed, baseline });
      else await this.#removeFrozen(packed);
      const { state, stats } = packed;
      this.#last.set(
        options.baseline,
        state === undefined ? undefined : { ...stored, state, stats },
      );
      return { url, manifest, stats };
    } catch (error) {
      await this.#tidy(() => this.#content.dropBaseline(packed.newBaseline));
      await this.#removeFrozen(packed);
      throw error;
    }
  }

  async #removeFrozen({ frozen }: PackResult): Promise<void> {
    if (frozen) await this.#tidy(() => this.#content.bases.remove(frozen.tree.name));
  }

  /** Stores what an image has besides its layers and its index, and refers to it. */
  async #storeImage(
    packed: PackResult,
    previousLayers: readonly Digest[],
    options: SaveOptions,
    refer: Refer,
  ): Promise<Omit<LastImage, "state" | "stats"> & { url: string }> {
    const { stats, layers } = packed;
    const isUnread = layers.slice(0, -1).every(({ digest }) => previousLayers.includes(digest));
    const base = isUnread ? await this.#baseImage(packed, options) : undefined;
    for (const image of [...base ? [base] : [], describePacked(packed, options.lineage)]) {
      const { config, lineage } = image;
      const manifest = image.manifest.digest;
      // Nothing needs either before the reference is there.
      const puts = [config, image.manifest].map(({ digest, bytes }) =>
        this.#store.putBlobBytes(digest, bytes, options)
      );
      // Waits for both before it fails, so that neither goes on after this save has ended.
      await Promise.allSettled(puts);
      await Promise.all(puts);
      this.#lineages.add(manifest, lineage);
      const described = { manifest, lineage, ...formatOf(image) };
      const url = await refer(this.#historyImage(described, stats), previousLayers);
      if (url === undefined) continue;
      const small = [config, image.manifest]
        .map(({ digest, bytes }) => ({ digest, size: bytes.length }));
      const blobs = [...contentBlobsOf(packed), ...small];
      return { url, ...described, blobs };
    }
    throw new TypeError("An image of the tree's own lineage can always be referred to");
  }

  #historyImage(
    { manifest, lineage, format }: Pick<HistoryImage, "manifest" | "lineage" | "format">,
    { contentBytes, files }: PackStats,
  ): HistoryImage {
    const described = { manifest, lineage, ...(format ? { format } : {}) };
    return { ...described, createdAt: this.#clock.now(), contentBytes, files };
  }

  /**
   * Returns the image that a tree was restored from, where the tree is still the same: a fork that has
   * not diverged is no new image, and starts from the bases of the old one.
   */
  async #baseImage(
    { layers, index }: PackResult,
    { lineage, signal }: SaveOptions,
  ): Promise<PackedImage | undefined> {
    if (lineage?.base === undefined) return undefined;
    try {
      const base = await readImageBlobs(this.#store, lineage.base, signal);
      const isSame = base.index?.digest === index.digest &&
        base.layers.length === layers.length &&
        base.layers.every(({ digest }, n) => digest === layers[n]!.digest);
      return isSame ? base : undefined;
    } catch (error) {
      // It may be forgotten and collected by now.
      if (error instanceof DaemonError && error.code === "DATA_LOSS") return undefined;
      throw error;
    }
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

  /**
   * Commits a baseline. A failure is a warning: the image is stored, and the next one merely reads more.
   * @returns whether it was committed
   */
  async #commitBaseline(token: string, name: string): Promise<boolean> {
    try {
      await this.#content.commitBaseline(token, name);
      return true;
    } catch (error) {
      log.warn("The next image of {workspace} will read more than it needs to: {reason}", {
        workspace: name,
        reason: messageOf(error),
      });
      await this.#tidy(() => this.#content.dropBaseline(token));
      return false;
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

  /** Returns the layers of the baseline's image, and which are stored; asking the store touches each. */
  async #reusable(
    options: SaveOptions,
  ): Promise<Pick<PackOptions, "reuse" | "reuseIndex"> & { previousLayers: Digest[] }> {
    const { layers, index, problem } = await this.#content.baselineLayers(options.baseline);
    reportBaseline(options.baseline, problem);
    const indexes = index ? indexBlobs(index) : [];
    const there = await Promise.all(
      [...layers, ...indexes].map(({ digest, size }) => this.#store.hasBlob(digest, size, options)),
    );
    const isIndexThere = there.slice(layers.length).every(Boolean);
    return {
      reuse: layers.filter((_, n) => there[n]),
      ...(index && isIndexThere ? { reuseIndex: index } : {}),
      previousLayers: layers.map(({ digest }) => digest),
    };
  }
}

/**
 * Makes a reference name an image. Resolves to the url, or to `undefined` where the image is one of
 * another lineage that the reference must not name.
 */
type Refer = (
  image: HistoryImage,
  previousLayers: readonly Digest[],
) => Promise<string | undefined>;

/** What is stored of an image besides its layers and its index. */
interface PackedImage extends Pick<ImageDescription, "index" | "isNative"> {
  manifest: SmallBlob;
  config: SmallBlob;
  lineage?: Lineage;
}

function describePacked(
  { layers, index, isNative, stats: { excluded } }: PackResult,
  lineage: Lineage | undefined,
): PackedImage {
  const of = lineage ? { lineage } : {};
  const image = { layers, index, isNative, excluded, ...of };
  return { ...describeImage(image), index, isNative, ...of };
}

function imageName(url: string): { key: string; identity: WorkspaceIdentity } {
  const parsed = parseSnapshotName(url, "snapshot");
  if (parsed.kind !== "image") {
    throw new DaemonError("INVALID_ARGUMENT", `Cannot save as anything but a snapshot: ${url}`);
  }
  return { key: snapshotKey(parsed.identity, parsed.id), identity: parsed.identity };
}
