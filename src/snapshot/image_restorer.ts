/** Restores images by their manifests: from this node's bases and layers where it has them, else from the store. */

import type {
  BlobStream,
  Content,
  Excluded,
  RestoreOptions,
  RestoreResult,
  Tree,
} from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { type BlobId, indexBlobs, type IndexChain } from "../image/mod.ts";
import { logger } from "../log/mod.ts";
import { currentOperation } from "../operations/mod.ts";
import type { LeasedFile } from "../spool.ts";
import type { ObjectStore, StoreOptions } from "../store/mod.ts";
import type { BaseCache } from "./base_cache.ts";
import { contentBlobsOf } from "./image_blobs.ts";
import type { RestoredImage, RestoreImageOptions } from "./images.ts";
import type { KnownLineages } from "./known_lineages.ts";
import type { LayerCache } from "./layer_cache.ts";
import { readImage } from "./read_image.ts";
import { requireBlob } from "./require_blob.ts";

const log = logger("snapshot");

/** Options of an {@link ImageRestorer}. */
export interface ImageRestorerOptions {
  content: Content;
  store: ObjectStore;
  /** Absent where every image is restored from the store. The caller starts and ends it. */
  bases?: BaseCache | undefined;
  /** Absent where every blob comes from the store. The caller starts and ends it. */
  layers?: LayerCache | undefined;
}

/** Restores images, and remembers their lineages. */
export class ImageRestorer {
  readonly #content: Content;
  readonly #store: ObjectStore;
  readonly #bases: BaseCache | undefined;
  readonly #layers: LayerCache | undefined;
  readonly #lineages: KnownLineages;

  /** @param lineages of images; what is found out of them is added */
  constructor(options: ImageRestorerOptions, lineages: KnownLineages) {
    this.#content = options.content;
    this.#store = options.store;
    this.#bases = options.bases;
    this.#layers = options.layers;
    this.#lineages = lineages;
  }

  /**
   * Restores an image into an empty staging tree.
   * @throws {DaemonError} DATA_LOSS where something of the image is missing or damaged, RESOURCE_EXHAUSTED
   * where it exceeds `limitBytes` or the disk is full; what the store throws
   */
  async restore(
    tree: Tree,
    manifest: Digest,
    options: RestoreImageOptions,
  ): Promise<RestoredImage> {
    const fetch = (tree: Tree, options: RestoreImageOptions) =>
      this.#fetch(tree, manifest, options);
    const restored = this.#bases
      ? await this.#bases.restore(manifest, tree, options, fetch)
      : await fetch(tree, options);
    return { ...restored, manifest };
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
    const { index, layers, lineage, excluded } = image;
    reportLeftOut(manifest, excluded);
    this.#lineages.add(manifest, lineage);
    const lost = index && await this.#missingOf(index, options);
    if (lost) {
      if (image.isNative) throw missingIndex(manifest, lost.digest);
      log.warn("Restoring {manifest} without its index, of which the store does not have {blob}", {
        manifest,
        blob: lost.digest,
      });
    }
    const sources = new BlobSources(this.#store, this.#layers, options);
    const restore = (open: Pick<RestoreOptions, "open">) =>
      this.#content.restore(tree, {
        ...options,
        layers,
        ...(index && !lost ? { index } : {}),
        trusted: true,
        fetch: (blob) => sources.fetch(blob),
        ...open,
      });
    try {
      return await restore({ open: (blob) => sources.open(blob) });
    } catch (error) {
      const { isOfCopy, isStreamed } = sources;
      if (!isOfCopy && !isStreamed || !mayBeOfCopy(error)) throw error;
      log.warn("Restoring {manifest} again, by blobs that are checked before: {reason}", {
        manifest,
        reason: messageOf(error),
      });
      if (isOfCopy) {
        for (const { digest } of contentBlobsOf(image)) await this.#layers?.drop(digest);
      }
      await this.#content.clear(tree);
      return await restore({});
    }
  }

  /** Returns a blob of an index that the store does not have, if there is one. */
  async #missingOf(index: IndexChain, { signal }: StoreOptions): Promise<BlobId | undefined> {
    const blobs = indexBlobs(index);
    const there = await Promise.all(
      blobs.map(({ digest, size }) => this.#store.hasBlob(digest, size, { signal, touch: false })),
    );
    return blobs.find((_, n) => !there[n]);
  }
}

/** Where one restore gets its blobs, and which ways it has taken. */
class BlobSources {
  /** Whether a blob was one that the node keeps. */
  isOfCopy = false;
  /** Whether a blob was used before it was checked. */
  isStreamed = false;

  constructor(
    private readonly store: ObjectStore,
    private readonly layers: LayerCache | undefined,
    private readonly options: StoreOptions,
  ) {}

  /** Makes a blob a file. */
  async fetch({ digest, size }: BlobId): Promise<LeasedFile> {
    const { store, layers, options } = this;
    const acquired = layers?.acquire(digest, size, options) ??
      store.acquireBlob(digest, size, options);
    return this.#noted(await requireBlob(digest, acquired));
  }

  /** Makes a blob a file where it is on this node, and else what can be read from the store. */
  async open(blob: BlobId): Promise<LeasedFile | BlobStream> {
    const { store, layers, options } = this;
    if (!store.isRemote) return await this.fetch(blob);
    const read = (start: number, end: number, signal: AbortSignal) =>
      requireBlob(
        blob.digest,
        store.getBlobRange(blob.digest, blob.size, { start, end }, { signal }),
      );
    const file = await layers?.open(blob, options);
    if (file && "release" in file) return this.#noted(file);
    this.isStreamed = true;
    return { read, close: () => Promise.resolve(), ...file };
  }

  #noted(file: LeasedFile): LeasedFile {
    this.isOfCopy ||= file.area === "cache";
    return file;
  }
}

/**
 * Returns whether a restore can have failed because of a blob that the node keeps, or that was used before
 * it was checked: one that does not have its digest, that somebody has deleted, or that cannot be read.
 * File systems with checksums tell damage by EIO.
 */
function mayBeOfCopy(error: unknown): boolean {
  if (!(error instanceof DaemonError)) return false;
  const { code, reason } = error;
  return code === "DATA_LOSS" || code === "NOT_FOUND" || reason === "NODE_DISK_FAULT" ||
    reason === "NODE_PERMISSION_DENIED";
}

/** Returns the failure of a native image whose index is lost. */
function missingIndex(manifest: Digest, index: Digest): DaemonError {
  return new DaemonError(
    "DATA_LOSS",
    `The image ${manifest} cannot be restored: the store does not have its index ${index}, and the ` +
      "layers of such an image alone do not give its tree",
  );
}

/** Reports what an image that is restored does not have, because it was excluded from it. */
function reportLeftOut(manifest: string, excluded: Excluded | undefined): void {
  if (!excluded) return;
  log.info("Image {manifest} was saved without {count} excluded entries, such as {examples}", {
    manifest,
    count: excluded.entries,
    examples: excluded.examples,
  });
}
