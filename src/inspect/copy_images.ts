/**
 * Copies the images of identities from one store to another: backups with their histories, and snapshots.
 *
 * Blobs are copied as they are, so that digests, labels and lineages stay. Each is checked on the way.
 * A reference is written last, once all that its images need is in the target and was touched there
 * within {@link FRESH_MS}, so that a collection of the target leaves it alone. What is interrupted is
 * begun anew: a blob that the target has is not sent again.
 */

import { join } from "@std/path";
import { forEachIndex } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { removeIfThere } from "../remove_if_there.ts";
import {
  blobsOf,
  changeHistory,
  findReference,
  type FoundReference,
  type ImageBlob,
  type ImageReference,
  imagesOf,
  KnownLineages,
  readManifest,
  references,
  requireBlob,
  type WorkspaceIdentity,
} from "../snapshot/mod.ts";
import type { LocalFile } from "../spool.ts";
import type { ObjectStore } from "../store/mod.ts";
import { type BlobSource, openHeld } from "./blob_file.ts";
import { compare } from "./catalog.ts";
import { copyBlob } from "./copy_blob.ts";
import { mergeHistories } from "./merge_histories.ts";

/** Milliseconds for which what was stored or touched needs no second touch: far below any grace. */
const FRESH_MS = 10 * 60_000;
/** Blobs that are copied side by side; each takes its size in the spool meanwhile. */
const CONCURRENCY = 4;

/** The two stores of a copy. */
export interface CopyStores {
  from: BlobSource;
  to: ObjectStore;
  /** The spool's folder that both stores use, absolute. */
  spoolDir: string;
  clock: Clock;
}

/** Options of {@link copyImages}. */
export interface CopyOptions {
  /** The only identities to copy; an owner without a meta_id means all of that owner. All unless given. */
  only?: readonly CopyFilter[];
  onProgress?(done: CopyProgress): void;
  signal?: AbortSignal | undefined;
}

/** An identity, or all identities of an owner. */
export interface CopyFilter {
  owner: string;
  metaId?: string;
}

/** The progress of {@link copyImages}. */
export interface CopyProgress {
  identities: number;
  ofIdentities: number;
  /** Blobs that were stored in the target, and their bytes. */
  blobs: number;
  bytes: number;
}

/** The result of {@link copyImages}. */
export interface CopyResult {
  identities: number;
  /** Urls of the images that the target has now and had not before. */
  copied: string[];
  /** How many images the target had already. */
  present: number;
  /** Blobs that were stored in the target, and their bytes; what it had already does not count. */
  blobs: number;
  bytes: number;
  /** The target's own latest backups that are newer than all that was copied, and stay the latest. */
  newer: string[];
  /** The target's own latest backups that stay in its history, below newer ones that were copied. */
  older: string[];
  /** What could not be copied, by url or key. */
  failures: { what: string; problem: string }[];
}

/**
 * Copies images. One that is damaged or conflicts with the target's is reported, and the others are copied.
 * @throws {DaemonError} NOT_FOUND where an identity of `only` has nothing in the source; UNAVAILABLE and
 * whatever else either store fails with; ABORTED. What was copied by then stays, and need not be sent again
 */
export async function copyImages(
  stores: CopyStores,
  options: CopyOptions = {},
): Promise<CopyResult> {
  return await new Copy(stores, options).run();
}

/** One copy in progress. */
class Copy {
  readonly #stores: CopyStores;
  readonly #options: CopyOptions;
  readonly #lineages = new KnownLineages();
  #ofIdentities = 0;
  readonly #result: CopyResult = {
    identities: 0,
    copied: [],
    present: 0,
    blobs: 0,
    bytes: 0,
    newer: [],
    older: [],
    failures: [],
  };

  constructor(stores: CopyStores, options: CopyOptions) {
    this.#stores = stores;
    this.#options = options;
  }

  async run(): Promise<CopyResult> {
    const identities = await this.#find();
    this.#ofIdentities = identities.length;
    for (const found of identities) {
      for (const reference of found) await this.#reportingLoss(reference);
      this.#result.identities++;
      this.#report();
    }
    return this.#result;
  }

  /** Returns the references to copy, those of each identity together. */
  async #find(): Promise<FoundReference[][]> {
    const { only, signal } = this.#options;
    const found: FoundReference[] = [];
    const onMalformed = (key: string, error: DaemonError) => this.#fail(key, error);
    for await (const one of references(this.#stores.from.store, signal, onMalformed)) {
      if (!only || only.some((filter) => matches(filter, one))) found.push(one);
    }
    const missing = only?.find((filter) => !found.some((one) => matches(filter, one)));
    if (missing) {
      const { owner, metaId } = missing;
      throw new DaemonError(
        "NOT_FOUND",
        `There is no backup or snapshot of ${owner}${metaId === undefined ? "" : `/${metaId}`} ` +
          "in the store to copy from (`wsdaemon store ls` lists whose there are)",
      );
    }
    const groups = Map.groupBy(found, ({ owner, metaId }) => `${owner}/${metaId}`);
    return [...groups].sort(([a], [b]) => compare(a, b)).map(([, group]) => group);
  }

  async #reportingLoss(reference: FoundReference): Promise<void> {
    try {
      await this.#reference(reference);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (!isAboutImage(error)) throw error;
      this.#fail(reference.key, error);
    }
  }

  async #reference(reference: FoundReference): Promise<void> {
    const images = await this.#bring(reference);
    if (images.length === 0) return;
    const brought = { ...reference, images };
    if (reference.kind === "snapshot") await this.#referToSnapshot(brought);
    else await this.#referToBackups(brought);
  }

  /** Brings all that a reference's images need into the target. Returns those that it has now, whole. */
  async #bring(reference: FoundReference): Promise<ImageReference[]> {
    const { clock } = this.#stores;
    for (;;) {
      const begun = clock.now();
      const brought = new Set<Digest>();
      const whole: ImageReference[] = [];
      // The oldest first: what later ones share with them is there by then.
      for (const image of reference.images.toReversed()) {
        if (await this.#bringImage(reference, image, brought)) whole.unshift(image);
      }
      // What took longer is touched once more, which is quick.
      if (clock.now() - begun <= FRESH_MS) return whole;
    }
  }

  /** Returns whether the target has the whole image now. Damage is reported. */
  async #bringImage(
    reference: FoundReference,
    image: ImageReference,
    brought: Set<Digest>,
  ): Promise<boolean> {
    const { store } = this.#stores.from;
    const { signal } = this.#options;
    try {
      const manifest = await readManifest(store, image.manifest, signal);
      const blobs = blobsOf(manifest).filter(({ digest }) => !brought.has(digest));
      await forEachIndex(blobs.length, CONCURRENCY, signal, async (n, either) => {
        await this.#bringBlob(blobs[n]!, either);
        brought.add(blobs[n]!.digest);
      });
      return true;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isAboutImage(error)) throw error;
      const now = await findReference(store, reference.key, { signal });
      // One that was forgotten meanwhile may be collected already.
      if (!now?.images.some(({ manifest }) => manifest === image.manifest)) return false;
      const url = imagesOf({ ...reference, images: [image] })[0]!.url;
      if (!this.#result.failures.some(({ what }) => what === url)) this.#fail(url, error);
      return false;
    }
  }

  async #bringBlob({ digest, size }: ImageBlob, signal: AbortSignal): Promise<void> {
    const { from, to, spoolDir } = this.#stores;
    const options = { signal };
    if (await to.hasBlob(digest, size, options)) return;
    const held = await requireBlob(digest, from.store.acquireBlob(digest, size, options));
    // A file of the spool is a download, whose digest was checked, and is the target's to consume.
    let file: LocalFile = { area: held.area, path: held.path };
    try {
      if (held.area !== "spool") {
        file = { area: "spool", path: `copy-${crypto.randomUUID()}` };
        using source = openHeld(from, held);
        await copyBlob(source, digest, join(spoolDir, file.path), () => signal.throwIfAborted());
      }
      if (await to.putBlob({ digest, size, file }, options)) {
        this.#result.blobs++;
        this.#result.bytes += size;
        this.#report();
      }
    } finally {
      await held.release();
      if (file.path !== held.path) await removeIfThere(join(spoolDir, file.path));
    }
  }

  /** Writes a snapshot's reference, which nothing ever replaces. */
  async #referToSnapshot(reference: FoundReference): Promise<void> {
    const { from, to } = this.#stores;
    const { key } = reference;
    const options = { signal: this.#options.signal };
    const [{ url, manifest }] = imagesOf(reference) as [ReturnType<typeof imagesOf>[number]];
    const bytes = await from.store.getRef(key, options);
    if (await to.replaceRef(key, undefined, bytes, options)) {
      this.#result.copied.push(url);
      return;
    }
    const there = await findReference(to, key, options);
    if (there?.images[0]?.manifest === manifest) {
      this.#result.present++;
      return;
    }
    throw new DaemonError(
      "ALREADY_EXISTS",
      `The target has another image under the name ${url}, which stays; remove it there ` +
        `(\`wsdaemon store rm ${url}\`) if it is not needed, and copy again`,
    );
  }

  /** Adds backups to the history that the target has. */
  async #referToBackups(reference: FoundReference): Promise<void> {
    const { key, images, owner, metaId } = reference;
    const urls = new Map(imagesOf(reference).map(({ manifest, url }) => [manifest, url]));
    let merged = mergeHistories<ImageReference>([], images);
    await changeHistory(this.#stores.to, {
      key,
      identity: { owner, metaId },
      adds: images[0]!.manifest,
      lineages: this.#lineages,
      change: (there) => {
        merged = mergeHistories<ImageReference>(there, images);
        return merged.added.length === 0 ? undefined : merged.images;
      },
      signal: this.#options.signal,
    });
    const { newer, older } = merged;
    const ofTarget = (latest: ImageReference) =>
      imagesOf({ ...reference, images: [latest] })[0]!.url;
    this.#result.copied.push(...merged.added.map(({ manifest }) => urls.get(manifest)!));
    this.#result.present += images.length - merged.added.length;
    if (newer) this.#result.newer.push(ofTarget(newer));
    if (older) this.#result.older.push(ofTarget(older));
  }

  #fail(what: string, { message }: DaemonError): void {
    this.#result.failures.push({ what, problem: message });
  }

  #report(): void {
    const { identities, blobs, bytes } = this.#result;
    this.#options.onProgress?.({ identities, ofIdentities: this.#ofIdentities, blobs, bytes });
  }
}

function matches({ owner, metaId }: CopyFilter, identity: WorkspaceIdentity): boolean {
  return owner === identity.owner && (metaId === undefined || metaId === identity.metaId);
}

/** Returns whether an error is about one image or reference, so that the others can be copied. */
function isAboutImage(error: unknown): error is DaemonError {
  return error instanceof DaemonError &&
    (error.code === "DATA_LOSS" || error.code === "ALREADY_EXISTS");
}
