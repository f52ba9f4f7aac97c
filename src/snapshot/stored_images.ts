/**
 * Images: what a snapshot or a backup is.
 *
 * - A **layer** is a zstd-compressed tar, a blob named by its digest and shared by all images.
 * - The **index** lists every path, its metadata and the layer with its live content. It speeds a
 *   restore up; without it the layers alone restore the same tree.
 * - **Config** and **manifest** make it an OCI image that other tools read.
 * - A **reference** makes it live. Write order: layers, index and config, manifest, then the reference,
 *   in one step: what a reference names is wholly there, at every moment.
 * - The **baseline** is this node's memory of a tree at its last image. It is committed last: an
 *   older one merely costs reading what it could have spared.
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
import type { ObjectStore } from "../store/mod.ts";
import {
  type Images,
  MAX_LOG_BYTES,
  type RestoreImageOptions,
  type SavedImage,
  type SaveLogOptions,
  type SaveOptions,
  type WorkspaceIdentity,
} from "./images.ts";
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
} from "./snapshot_names.ts";
import {
  decodeReference,
  encodeReference,
  type ImageReference,
  readReference,
} from "./references.ts";
import { requireBlob } from "./require_blob.ts";

const log = logger("snapshot");

export interface ImagesOptions {
  content: Content;
  store: ObjectStore;
  clock: Clock;
  /** How many backups of one (owner, meta_id) are kept, at least 1. */
  retain: number;
}

/** {@link Images} on an object store. */
export class StoredImages implements Images {
  readonly #content: Content;
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #retain: number;
  readonly #last = new LastImages();

  constructor(options: ImagesOptions) {
    this.#content = options.content;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#retain = options.retain;
  }

  checkSnapshotName(name: string, path: string): void {
    parseSnapshotName(name, path);
  }

  newSnapshotUrl(identity: WorkspaceIdentity): string {
    return newSnapshotName(identity, this.#clock.now());
  }

  async snapshotExists(url: string, signal?: AbortSignal): Promise<boolean> {
    const { key } = imageName(url);
    return await readReference(this.#store, key, signal ? { signal } : {}) !== undefined;
  }

  async saveSnapshot(tree: Tree, url: string, options: SaveOptions): Promise<SavedImage> {
    const { key, identity } = imageName(url);
    return await this.#save(tree, options, async (image) => {
      await this.#store.putRef(key, encodeReference(identity, [image]), signalOf(options));
      return url;
    });
  }

  async saveBackup(
    tree: Tree,
    identity: WorkspaceIdentity,
    options: SaveOptions,
  ): Promise<SavedImage> {
    const key = backupKey(identity);
    return await this.#save(tree, options, async (image) => {
      await changeHistory(this.#store, {
        key,
        identity,
        change: (earlier) =>
          [image, ...earlier.filter((one) => one.manifest !== image.manifest)]
            .slice(0, this.#retain),
        ...signalOf(options),
      });
      return backupUrl(identity, image.manifest);
    });
  }

  async restoreSnapshot(
    tree: Tree,
    name: string,
    options: RestoreImageOptions,
  ): Promise<RestoreResult> {
    const parsed = parseSnapshotName(name, "snapshot");
    if (parsed.kind === "archive") {
      const archive = await this.#store.acquireArchive(
        parsed.object,
        parsed.bucket,
        signalOf(options),
      );
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
    const bytes = await readReference(this.#store, key, signalOf(options));
    if (!bytes) {
      throw new DaemonError(
        "NOT_FOUND",
        `There is no snapshot ${name} in this store (one taken with return_immediately ` +
          "can be restored once it is finished)",
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
    const bytes = await readReference(this.#store, key, signalOf(options));
    if (!bytes) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `There is no backup of ${identity.owner}/${identity.metaId} in this store`,
      );
    }
    const { images } = decodeReference(key, bytes, identity);
    return await this.#restore(tree, images[0]!.manifest, options);
  }

  async saveLog(tree: Tree, path: string, options: SaveLogOptions): Promise<void> {
    const { identity, instance, task } = options;
    const copy = await this.#content.copyOut(tree, path, MAX_LOG_BYTES);
    try {
      await this.#store.putObject(logKey(identity, instance, task), copy, signalOf(options));
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
    const unchanged = await this.#unchanged(tree, options);
    if (unchanged) {
      const { manifest } = unchanged;
      const stats = unchangedStats(unchanged.stats);
      return { url: await refer(this.#reference(manifest, stats)), manifest, stats };
    }
    const reuse = await this.#reusable(options);
    const packed = await this.#content.pack(tree, {
      ...options,
      reuse,
      onLayer: async (layer) => {
        await this.#store.putBlob(layer, signalOf(options));
      },
    });
    try {
      const { manifest, blobs } = await this.#putImage(packed, options);
      const url = await refer(this.#reference(manifest.digest, packed.stats));
      await this.#commitBaseline(packed.newBaseline, options.baseline);
      reportBaseline(options.baseline, packed.baselineProblem);
      reportOdd(options.baseline, packed);
      reportLive(options.baseline, packed.freezeProblem);
      const { state, stats } = packed;
      this.#last.set(
        options.baseline,
        state === undefined ? undefined : { state, manifest: manifest.digest, blobs, stats },
      );
      return { url, manifest: manifest.digest, stats };
    } catch (error) {
      await this.#tidy(() => this.#content.discard(packed.index.file));
      await this.#tidy(() => this.#content.dropBaseline(packed.newBaseline));
      throw error;
    }
  }

  #reference(manifest: Digest, { contentBytes, files }: PackStats): ImageReference {
    return { manifest, createdAt: this.#clock.now(), contentBytes, files };
  }

  /** The last image of a tree that has not changed since, if all of it is still stored. */
  async #unchanged(tree: Tree, options: SaveOptions): Promise<LastImage | undefined> {
    const last = this.#last.get(options.baseline);
    if (!last || !await this.#content.isUnchanged(tree, last.state, signalOf(options))) {
      return undefined;
    }
    const there = await Promise.all(
      last.blobs.map(({ digest, size }) => this.#store.hasBlob(digest, size, signalOf(options))),
    );
    return there.every((isThere) => isThere) ? last : undefined;
  }

  /** The image is stored by now: without its baseline the next one merely reads more. */
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

  /** Clears up after a failure, which counts for more than one of the clearing up. */
  async #tidy(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      log.warn("Something is left until the next start: {reason}", { reason: messageOf(error) });
    }
  }

  /** Layers of the baseline's image that are certainly still there; asking for one freshens it. */
  async #reusable(options: SaveOptions): Promise<LayerDescriptor[]> {
    const { layers, problem } = await this.#content.baselineLayers(options.baseline);
    reportBaseline(options.baseline, problem);
    const there = await Promise.all(
      layers.map((layer) => this.#store.hasBlob(layer.digest, layer.size, signalOf(options))),
    );
    return layers.filter((_, n) => there[n]);
  }

  /** Stores what an image has besides its layers. @returns all blobs that it needs */
  async #putImage(packed: PackResult, options: SaveOptions) {
    const { digest, size } = packed.index;
    const { manifest, config } = describeImage({ layers: packed.layers, index: { digest, size } });
    const puts = [
      this.#store.putBlob(packed.index, signalOf(options)),
      this.#store.putBlobBytes(config.digest, config.bytes, signalOf(options)),
    ];
    // Neither is left at work behind the other's failure.
    await Promise.allSettled(puts);
    await Promise.all(puts);
    await this.#store.putBlobBytes(manifest.digest, manifest.bytes, signalOf(options));
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
    const image = await readImage(this.#store, manifest, options.signal);
    const { index, ...rest } = image;
    const usable = index &&
      await this.#store.hasBlob(index.digest, index.size, {
        ...signalOf(options),
        touch: false,
      });
    if (index && !usable) {
      log.warn("Restoring {manifest} without its index {index}, which the store does not have", {
        manifest,
        index: index.digest,
      });
    }
    return await this.#content.restore(tree, {
      ...options,
      ...rest,
      ...(usable ? { index } : {}),
      trusted: true,
      fetch: ({ digest, size }) =>
        requireBlob(digest, this.#store.acquireBlob(digest, size, signalOf(options))),
    });
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
      store.getBlobBytes(digest, MAX_MANIFEST_BYTES, signal ? { signal } : {}),
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

function signalOf(options: { signal?: AbortSignal }): { signal?: AbortSignal } {
  return options.signal ? { signal: options.signal } : {};
}

/** What this node knew of the workspace's last image is of no use; the new baseline replaces it. */
function reportBaseline(workspace: string, problem: string | undefined): void {
  if (problem === undefined) return;
  log.warn("Everything in workspace {workspace} is read for its next image: {problem}", {
    workspace,
    problem,
  });
}

/** Says that a tree was packed while it may have changed, though it could have been frozen. */
function reportLive(workspace: string, problem: string | undefined): void {
  if (problem === undefined) return;
  log.warn("The tree of workspace {workspace} was saved without freezing it first: {problem}", {
    workspace,
    problem,
  });
}

/** Says what of a tree that was saved will not, or may not, come back as it was. */
function reportOdd(baseline: string, { stats }: PackResult): void {
  const { counts, examples } = stats.unrestorable;
  if (examples.length > 0) {
    log.warn(
      "The image of {workspace} has what a wsdaemon with the rights of this one cannot restore: " +
        "{kinds}, such as {examples}",
      {
        workspace: baseline,
        kinds: Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(", "),
        examples,
      },
    );
  }
  if (stats.retainedOmissions > 0) {
    log.info("Kept {count} entries in the image of {workspace} that this node could not restore", {
      count: stats.retainedOmissions,
      workspace: baseline,
    });
  }
  if (stats.skippedSockets > 0) {
    log.info("Left {count} sockets out of the image of {workspace}", {
      count: stats.skippedSockets,
      workspace: baseline,
    });
  }
  if (stats.unstableCount > 0) {
    log.warn("{count} paths of {workspace} would not hold still while they were read: {paths}", {
      count: stats.unstableCount,
      workspace: baseline,
      paths: stats.unstable,
    });
  }
}
