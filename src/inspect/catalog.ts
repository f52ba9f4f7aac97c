/** Lists a store's backups and snapshots: whose they are, their sizes, and what they share. */

import type { Digest } from "../digest.ts";
import { DaemonError, invalid } from "../errors.ts";
import type { ObjectStore } from "../store/mod.ts";
import {
  backupKey,
  blobsOf,
  changeHistory,
  findReference,
  type FoundImage,
  type FoundReference,
  type ImageReference,
  imagesOf,
  isReferenceKey,
  parseSnapshotName,
  readManifest,
  references,
  snapshotKey,
  STORE_CONCURRENCY,
  type StoredManifest,
  type WorkspaceIdentity,
} from "../snapshot/mod.ts";
import { mapConcurrent } from "../async/mod.ts";
export type { FoundImage } from "../snapshot/mod.ts";

/** The sizes of an image in its store. Bytes. */
export interface ImageSizes {
  layers: number;
  /** All its blobs. */
  storedBytes: number;
  /** Those of its blobs that no other image of the store needs: what removing it would free. */
  ownBytes: number;
}

/** One backup or snapshot; without sizes where its manifest cannot be read. */
export interface CatalogEntry extends FoundImage {
  sizes?: ImageSizes;
}

/** Options of {@link catalog}. */
export interface CatalogOptions {
  /** Called for what cannot be read. @param what a reference's key, or a manifest's digest */
  onDamage?(what: string, error: DaemonError): void;
  signal?: AbortSignal | undefined;
}

/**
 * Returns every backup and snapshot of a store, by owner, meta_id and time. What is damaged is reported, and
 * passed over or listed without sizes.
 */
export async function catalog(
  store: ObjectStore,
  options: CatalogOptions = {},
): Promise<CatalogEntry[]> {
  const { signal, onDamage = () => {} } = options;
  const found: FoundImage[] = [];
  for await (const reference of references(store, signal, onDamage)) {
    found.push(...imagesOf(reference));
  }
  const manifests = await readManifests(store, found, onDamage, signal);
  const users = countUsers(found, manifests);
  return found.map((image) => {
    const manifest = manifests.get(image.manifest);
    return manifest ? { ...image, sizes: sizesOf(manifest, users) } : image;
  }).sort((a, b) =>
    compare(a.owner, b.owner) || compare(a.metaId, b.metaId) || a.createdAt - b.createdAt ||
    compare(a.url, b.url)
  );
}

async function readManifests(
  store: ObjectStore,
  images: readonly FoundImage[],
  onDamage: (what: string, error: DaemonError) => void,
  signal: AbortSignal | undefined,
): Promise<Map<Digest, StoredManifest>> {
  const read = async (digest: Digest) => {
    try {
      return await readManifest(store, digest, signal);
    } catch (error) {
      if (!(error instanceof DaemonError) || error.code !== "DATA_LOSS") throw error;
      onDamage(digest, error);
      return undefined;
    }
  };
  const manifests = new Map<Digest, StoredManifest>();
  const digests = new Set(images.map(({ manifest }) => manifest));
  for await (const manifest of mapConcurrent(digests, STORE_CONCURRENCY, read)) {
    if (manifest) manifests.set(manifest.digest, manifest);
  }
  return manifests;
}

/** Counts how many images need each blob. */
function countUsers(
  images: readonly FoundImage[],
  manifests: ReadonlyMap<Digest, StoredManifest>,
): Map<Digest, number> {
  const users = new Map<Digest, number>();
  for (const image of images) {
    const manifest = manifests.get(image.manifest);
    if (!manifest) continue;
    for (const { digest } of blobsOf(manifest)) users.set(digest, (users.get(digest) ?? 0) + 1);
  }
  return users;
}

function sizesOf(manifest: StoredManifest, users: ReadonlyMap<Digest, number>): ImageSizes {
  const sizes: ImageSizes = { layers: manifest.layers.length, storedBytes: 0, ownBytes: 0 };
  for (const { digest, size } of blobsOf(manifest)) {
    sizes.storedBytes += size;
    if (users.get(digest) === 1) sizes.ownBytes += size;
  }
  return sizes;
}

/**
 * Returns how many layers an image has, and the bytes of all its blobs.
 * @throws {DaemonError} DATA_LOSS where its manifest is missing or malformed
 */
export async function sizesOfImage(
  store: ObjectStore,
  { manifest }: FoundImage,
  signal?: AbortSignal,
): Promise<Pick<ImageSizes, "layers" | "storedBytes">> {
  const { layers, storedBytes } = sizesOf(await readManifest(store, manifest, signal), new Map());
  return { layers, storedBytes };
}

/**
 * Returns the image that a snapshot's url or a backup's means: without `@<manifest digest>`, the latest
 * backup.
 * @throws {DaemonError} INVALID_ARGUMENT, NOT_FOUND.
 */
export async function findImage(
  store: ObjectStore,
  url: string,
  signal?: AbortSignal,
): Promise<FoundImage> {
  return (await findImages(store, url, signal))[0]!;
}

/**
 * Returns all images that a url means: every kept backup where it is a backup's without a digest, the newest
 * first; else one.
 * @throws {DaemonError} INVALID_ARGUMENT, NOT_FOUND.
 */
export async function findImages(
  store: ObjectStore,
  url: string,
  signal?: AbortSignal,
): Promise<FoundImage[]> {
  const { key, identity, manifest } = locate(url);
  const images = imagesOf(await requireReference(store, { key, identity, url }, signal));
  const meant = manifest ? images.filter((image) => image.manifest === manifest) : images;
  if (meant.length === 0) throw noSuch(url);
  return meant;
}

/**
 * Forgets a snapshot, one backup (`@<manifest digest>`) or all backups of an identity. The next
 * collection deletes those of their blobs that nothing else needs. A backup of the same identity that ends
 * meanwhile stays; on S3 one that ends in the very moment in which the only other one is forgotten can be
 * forgotten with it (see `ObjectStore.deleteRef`). A reference that cannot be read is forgotten too, by a url that
 * means all of it or by its key.
 * @returns what was forgotten; nothing for a reference that could not be read
 * @throws {DaemonError} INVALID_ARGUMENT, NOT_FOUND.
 */
export async function removeImages(
  store: ObjectStore,
  url: string,
  signal?: AbortSignal,
): Promise<FoundImage[]> {
  if (isReferenceKey(url)) return await removeReference(store, { key: url, url }, signal);
  const { key, identity, manifest } = locate(url);
  if (!manifest) return await removeReference(store, { key, identity, url }, signal);
  const reference = await requireReference(store, { key, identity, url }, signal);
  if (!reference.images.some((image) => image.manifest === manifest)) throw noSuch(url);
  const change = (images: readonly ImageReference[]) =>
    images.filter((image) => image.manifest !== manifest);
  await changeHistory(store, { key, identity, change, signal });
  return imagesOf(reference).filter((image) => image.manifest === manifest);
}

async function removeReference(
  store: ObjectStore,
  named: NamedReference,
  signal?: AbortSignal,
): Promise<FoundImage[]> {
  let images: FoundImage[] = [];
  try {
    images = imagesOf(await requireReference(store, named, signal));
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "DATA_LOSS") throw error;
  }
  await store.deleteRef(named.key, { signal });
  return images;
}

/** The reference that a url leads to, and the image in it that the url names, if any. */
interface Location {
  key: string;
  identity: WorkspaceIdentity;
  manifest?: Digest;
}

/** A reference that a caller named by a url, or by its key. */
interface NamedReference {
  key: string;
  /** Whose it must be; whoever's it is unless given. */
  identity?: WorkspaceIdentity;
  url: string;
}

function locate(url: string): Location {
  const parsed = parseSnapshotName(url, "The url");
  if (parsed.kind === "backup") return { ...parsed, key: backupKey(parsed.identity) };
  if (parsed.kind === "archive") {
    throw invalid("The url", `must be of an image, and ${url} is a plain archive`);
  }
  const { identity, id } = parsed;
  return { key: snapshotKey(identity, id), identity };
}

async function requireReference(
  store: ObjectStore,
  { key, identity, url }: NamedReference,
  signal?: AbortSignal,
): Promise<FoundReference> {
  const found = await findReference(store, key, { identity, signal });
  if (!found) throw noSuch(url);
  return found;
}

function noSuch(url: string): DaemonError {
  return new DaemonError("NOT_FOUND", `There is no ${url} in this store`);
}

/** Orders texts by their UTF-16 code units, as keys are. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
