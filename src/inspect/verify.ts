/** Checks a store: whether every live image has all its blobs, and every blob its digest. */

import { type Digest, isDigest } from "../digest.ts";
import { asDaemonError } from "../errors.ts";
import type { BlobId } from "../image/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import { mapConcurrent } from "../async/mod.ts";
import {
  contentBlobsOf,
  type FoundImage,
  type ImageBlob,
  imagesOf,
  joinConfig,
  MAX_MANIFEST_BYTES,
  readManifest,
  references,
  requireBlob,
  STORE_CONCURRENCY,
} from "../snapshot/mod.ts";
import { BlobFile, type BlobSource, type HoldOptions } from "./blob_file.ts";
import { findImages } from "./catalog.ts";
import { filesOf } from "./damaged_files.ts";

/** A blob or reference that is missing or damaged. */
export interface Damage {
  /** A blob's digest, or a reference's key. */
  what: string;
  problem: string;
  /** Urls of the images that need it; empty for a reference, whose images are unknown. */
  images: string[];
  /** Files of the first of them whose content it has, at most 10; absent where that is not known. */
  files?: string[];
}

/** A store, and how a blob of it is brought here and checked. */
export interface VerifySource {
  readonly store: ObjectStore;
  /** @throws {DaemonError} DATA_LOSS where it is missing, or not what its digest says; ABORTED */
  check(blob: BlobId, options: HoldOptions): Promise<void>;
  /** Returns files of an image whose content a blob has, where that can be told by the image's index. */
  filesOf?(manifest: Digest, blob: Digest, signal?: AbortSignal): Promise<string[]>;
}

/** Returns the source that checks blobs in this thread. */
function checkedHere(source: BlobSource): VerifySource {
  return {
    store: source.store,
    async check(blob, options) {
      await using _blob = await BlobFile.hold(source, blob, options);
    },
    filesOf: (manifest, blob, signal) => filesOf(source, { manifest, blob }, signal),
  };
}

/** The progress of {@link verifyImages}. */
export interface VerifyProgress {
  blobs: number;
  ofBlobs: number;
  bytes: number;
  ofBytes: number;
}

/** Options of {@link verifyImages}. */
export interface VerifyOptions {
  /** The only images to check; a backup's url without a digest means all of that identity. */
  urls?: readonly string[];
  /**
   * Deletes blobs that fail their digest a second time too: as long as they are there, later backups
   * reuse them; once they are gone, the next backup of intact content sends them anew.
   */
  quarantine?: boolean;
  /** Called after each blob, and while one is read. */
  onProgress?(done: VerifyProgress): void;
  signal?: AbortSignal | undefined;
}

/** The result of {@link verifyImages}. */
export interface VerifyResult {
  images: number;
  /** Blobs that were read, and their bytes. */
  blobs: number;
  bytes: number;
  damage: Damage[];
  /** Which of the damaged blobs were deleted. */
  quarantined: Digest[];
}

/**
 * Reads every blob that the images need: all that are live, or those asked for. Damage is reported, not
 * thrown; that of an image which was removed meanwhile does not count.
 * @throws {DaemonError} INVALID_ARGUMENT or NOT_FOUND for a url; UNAVAILABLE; ABORTED
 */
export async function verifyImages(
  from: BlobSource | VerifySource,
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  const source = "check" in from ? from : checkedHere(from);
  const { signal, onProgress } = options;
  const report = new Report();
  const images = await imagesToVerify(source.store, report, options);
  const { read, needed } = await survey(source.store, images, report, signal);
  const readBytes = [...read.values()].reduce((sum, size) => sum + size, 0);
  const progress: VerifyProgress = {
    blobs: read.size,
    ofBlobs: read.size + needed.size,
    bytes: readBytes,
    ofBytes: [...needed.values()].reduce((sum, { size }) => sum + size, readBytes),
  };
  for (const [digest, { size, urls }] of needed) {
    const end = progress.bytes + size;
    const onBytes = (count: number) => {
      progress.bytes += count;
      onProgress?.({ ...progress });
    };
    try {
      await source.check({ digest, size }, { signal, onBytes });
    } catch (error) {
      report.add(digest, lossOf(error, signal), urls);
    }
    progress.blobs++;
    progress.bytes = end;
    onProgress?.({ ...progress });
  }
  const damage = await report.ofLive(source.store, signal);
  await nameFiles(source, damage, images, signal);
  const damaged = damage.map(({ what }) => what).filter(isDigest);
  return {
    images: images.length,
    blobs: progress.blobs,
    bytes: progress.bytes,
    damage,
    quarantined: options.quarantine ? await quarantine(source, damaged, needed, signal) : [],
  };
}

/** Adds to the damage of blobs which files they have content of. */
async function nameFiles(
  source: VerifySource,
  damage: readonly Damage[],
  images: readonly FoundImage[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const one of damage) {
    const image = images.find(({ url }) => url === one.images[0]);
    if (!image || !isDigest(one.what)) continue;
    const files = await source.filesOf?.(image.manifest, one.what, signal) ?? [];
    if (files.length > 0) one.files = files;
  }
}

/** Deletes the blobs that still fail their digest; missing ones need no deletion. */
async function quarantine(
  source: VerifySource,
  digests: readonly Digest[],
  sizes: Survey["needed"],
  signal: AbortSignal | undefined,
): Promise<Digest[]> {
  const options = { signal };
  const deleted: Digest[] = [];
  for (const digest of digests) {
    const size = sizes.get(digest)?.size;
    try {
      if (size === undefined) {
        await source.store.getBlobBytes(digest, MAX_MANIFEST_BYTES, options);
      } else {
        await source.check({ digest, size }, { signal });
      }
    } catch (error) {
      signal?.throwIfAborted();
      const { code } = asDaemonError(error, "DATA_LOSS");
      if (code === "NOT_FOUND") continue;
      if (code !== "DATA_LOSS") throw error;
      if (await source.store.deleteBlob(digest, options)) deleted.push(digest);
    }
  }
  return deleted;
}

/** The damage found so far, once for each blob or reference. */
class Report {
  readonly #found = new Map<string, Damage>();

  add(what: string, problem: string, images: readonly string[]): void {
    const previous = this.#found.get(what);
    if (previous) previous.images.push(...images);
    else this.#found.set(what, { what, problem, images: [...images] });
  }

  /** Returns the damage of images that are still live. */
  async ofLive(store: ObjectStore, signal: AbortSignal | undefined): Promise<Damage[]> {
    if (this.#found.size === 0) return [];
    const live = new Set<string>();
    const malformed = new Set<string>();
    for await (const reference of references(store, signal, (key) => malformed.add(key))) {
      for (const { url } of imagesOf(reference)) live.add(url);
    }
    return [...this.#found.values()]
      .map((damage) => ({ ...damage, images: damage.images.filter((url) => live.has(url)) }))
      .filter(({ what, images }) => images.length > 0 || malformed.has(what));
  }
}

async function imagesToVerify(
  store: ObjectStore,
  report: Report,
  { urls, signal }: VerifyOptions,
): Promise<FoundImage[]> {
  const images = new Map<string, FoundImage>();
  const add = (found: readonly FoundImage[]) => found.forEach((one) => images.set(one.url, one));
  if (urls) {
    for (const url of urls) add(await findImages(store, url, signal));
  } else {
    const malformed = (key: string, error: Error) => report.add(key, error.message, []);
    for await (const found of references(store, signal, malformed)) add(imagesOf(found));
  }
  return [...images.values()];
}

/** The blobs that a manifest and its config need, or the damage of these two. */
interface Reading {
  manifest: Digest;
  /** All but the two. */
  blobs: ImageBlob[];
  /** The manifest itself and the config. */
  read: { digest: Digest; size: number }[];
  damage: { what: Digest; problem: string }[];
}

async function readDescription(
  store: ObjectStore,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Reading> {
  const reading: Reading = { manifest: digest, blobs: [], read: [], damage: [] };
  let reached = digest;
  try {
    const manifest = await readManifest(store, digest, signal);
    reading.read.push(manifest);
    reading.blobs.push(...contentBlobsOf(manifest));
    reached = manifest.config.digest;
    const bytes = await requireBlob(
      reached,
      store.getBlobBytes(reached, MAX_MANIFEST_BYTES, { signal }),
    );
    reading.read.push({ digest: reached, size: bytes.length });
    joinConfig(manifest, { digest: reached, bytes });
  } catch (error) {
    reading.damage.push({ what: reached, problem: lossOf(error, signal) });
  }
  return reading;
}

/** The blobs that a set of images needs. */
interface Survey {
  /** Manifests and configs, by their sizes. */
  read: Map<Digest, number>;
  /** Blobs that are still to be read. */
  needed: Map<Digest, { size: number; urls: string[] }>;
}

/** Reads manifests and configs, and notes which larger blobs they need. */
async function survey(
  store: ObjectStore,
  images: readonly FoundImage[],
  report: Report,
  signal: AbortSignal | undefined,
): Promise<Survey> {
  const urls = new Map<Digest, string[]>();
  for (const { manifest, url } of images) {
    urls.set(manifest, [...urls.get(manifest) ?? [], url]);
  }
  const result: Survey = { read: new Map(), needed: new Map() };
  const describe = (digest: Digest) => readDescription(store, digest, signal);
  for await (const reading of mapConcurrent(urls.keys(), STORE_CONCURRENCY, describe)) {
    const own = urls.get(reading.manifest)!;
    for (const { digest, size } of reading.read) result.read.set(digest, size);
    for (const { what, problem } of reading.damage) report.add(what, problem, own);
    for (const { digest, size } of reading.blobs) {
      const other = result.needed.get(digest);
      if (other) other.urls.push(...own);
      else result.needed.set(digest, { size, urls: [...own] });
    }
  }
  return result;
}

/**
 * Returns what is wrong with a blob.
 * @throws `error` if it is no DATA_LOSS, such as a store out of reach; the reason of an aborted signal
 */
function lossOf(error: unknown, signal: AbortSignal | undefined): string {
  signal?.throwIfAborted();
  const { code, message } = asDaemonError(error, "DATA_LOSS");
  if (code === "DATA_LOSS") return message;
  throw error;
}
