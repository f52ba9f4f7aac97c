/** Finds what is live in a store, for the mark phase of collection and for listings. */

import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { ObjectInfo, ObjectStore, StoreOptions } from "../store/mod.ts";
import { blobsOf } from "./image_blobs.ts";
import type { WorkspaceIdentity } from "./images.ts";
import { mapConcurrent } from "../async/mod.ts";
import { STORE_CONCURRENCY } from "./concurrency.ts";
import { requireBlob } from "./require_blob.ts";
import { MAX_MANIFEST_BYTES, type ParsedManifest, parseManifest } from "./manifest.ts";
import {
  BACKUP_PREFIX,
  backupUrl,
  isReferenceKey,
  snapshotPrefix,
  snapshotTime,
  snapshotUrl,
} from "./snapshot_names.ts";
import {
  decodeReference,
  type ImageReference,
  readReference,
  type Reference,
} from "./references.ts";

const log = logger("snapshot");

/** A reference and its key. */
export interface FoundReference extends Reference {
  key: string;
  kind: "backup" | "snapshot";
}

/**
 * Reads a reference; resolves to `undefined` where there is none.
 * @param identity whose it must be; whoever's it is unless given
 * @throws {DaemonError} DATA_LOSS for one that is malformed or another identity's; UNAVAILABLE for one
 * that goes on being listed and cannot be read
 */
export async function findReference(
  store: ObjectStore,
  key: string,
  { identity, ...options }: StoreOptions & { identity?: WorkspaceIdentity | undefined } = {},
): Promise<FoundReference | undefined> {
  const bytes = await readReference(store, key, options);
  if (!bytes) return undefined;
  const kind = key.startsWith(BACKUP_PREFIX) ? "backup" : "snapshot";
  return { key, kind, ...decodeReference(key, bytes, identity) };
}

/** A reference of a listing. */
export interface ListedReference extends FoundReference {
  /** When it was written. Milliseconds since the epoch by the store's clock. */
  modified: number;
}

/** An image that a reference names. */
export interface FoundImage extends ImageReference, WorkspaceIdentity {
  kind: "backup" | "snapshot";
  /** The url that it can be restored or looked at by; a backup's has its digest. */
  url: string;
}

/** A manifest as it is stored. */
export interface StoredManifest extends ParsedManifest {
  digest: Digest;
  /** Bytes of the manifest itself. */
  size: number;
}

/**
 * Yields all references of a store. One that is removed meanwhile is passed over; an object whose key is
 * none of a reference (a folder's marker, somebody's note) is too, and is logged.
 * @throws {DaemonError} DATA_LOSS for a malformed one, unless `onMalformed` takes it; UNAVAILABLE for
 * one that goes on being listed and cannot be read
 */
export async function* references(
  store: ObjectStore,
  signal?: AbortSignal,
  onMalformed?: (key: string, error: DaemonError) => void,
): AsyncGenerator<ListedReference> {
  const read = async ({ key, modified }: ObjectInfo) => {
    try {
      const found = await findReference(store, key, { signal });
      return found && { ...found, modified };
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      if (error.code !== "DATA_LOSS" || !onMalformed) throw error;
      onMalformed(key, error);
      return undefined;
    }
  };
  for (const prefix of [BACKUP_PREFIX, snapshotPrefix()]) {
    const keys = referenceKeys(store, prefix, signal);
    for await (const found of mapConcurrent(keys, STORE_CONCURRENCY, read)) {
      if (found) yield found;
    }
  }
}

async function* referenceKeys(
  store: ObjectStore,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<ObjectInfo> {
  for await (const info of store.list(prefix, { signal })) {
    if (isReferenceKey(info.key)) yield info;
    else log.warn("{key} is no reference by its name, and is passed over", { key: info.key });
  }
}

/** Returns the images of a reference, the newest first, each with its url. */
export function imagesOf(reference: FoundReference): FoundImage[] {
  const { key, kind, owner, metaId, images } = reference;
  const id = key.slice(key.lastIndexOf("/") + 1, -".json".length);
  return images.map((image) => ({
    ...image,
    owner,
    metaId,
    kind,
    url: kind === "backup" ? backupUrl(reference, image.manifest) : snapshotUrl(reference, id),
  }));
}

/**
 * Returns an identity's newest snapshot without reading it: its name has the time at which it was asked
 * for, in milliseconds since the epoch.
 */
export async function newestSnapshot(
  store: ObjectStore,
  identity: WorkspaceIdentity,
  signal?: AbortSignal,
): Promise<{ url: string; createdAt: number } | undefined> {
  let newest = "";
  const prefix = snapshotPrefix(identity);
  for await (const { key } of store.list(prefix, { signal })) {
    if (isReferenceKey(key) && key > newest) newest = key;
  }
  if (newest === "") return undefined;
  const id = newest.slice(prefix.length, -".json".length);
  const createdAt = snapshotTime(id);
  return createdAt === undefined ? undefined : { url: snapshotUrl(identity, id), createdAt };
}

/** Reads a manifest. @throws {DaemonError} DATA_LOSS where it is missing or malformed */
export async function readManifest(
  store: ObjectStore,
  digest: Digest,
  signal?: AbortSignal,
): Promise<StoredManifest> {
  const bytes = await requireBlob(
    digest,
    store.getBlobBytes(digest, MAX_MANIFEST_BYTES, { signal }),
  );
  return { digest, size: bytes.length, ...parseManifest({ digest, bytes }) };
}

/**
 * Returns every blob that a live reference needs. A reference or manifest that cannot be read is an error:
 * what it needs is unknown, and collecting would then lose content.
 * @throws {DaemonError} DATA_LOSS, naming what is malformed or missing.
 */
export async function liveBlobs(store: ObjectStore, signal?: AbortSignal): Promise<Set<Digest>> {
  const live = new Set<Digest>();
  for await (
    const manifest of mapConcurrent(namedManifests(store, signal), STORE_CONCURRENCY, read)
  ) {
    if (!manifest || live.has(manifest.digest)) continue;
    for (const { digest } of blobsOf(manifest)) live.add(digest);
  }
  return live;

  async function read({ key, digest }: { key: string; digest: Digest }) {
    if (live.has(digest)) return undefined;
    try {
      return await readManifest(store, digest, signal);
    } catch (error) {
      // A backup that was replaced meanwhile may be collected already.
      const lost = error instanceof DaemonError && error.code === "DATA_LOSS";
      if (!lost || await isNamed(store, key, digest, signal)) throw error;
      return undefined;
    }
  }
}

/** Yields each manifest that a reference names, once a reference: other references may be gone by now. */
async function* namedManifests(store: ObjectStore, signal?: AbortSignal) {
  for await (const { key, images } of references(store, signal)) {
    for (const { manifest } of images) yield { key, digest: manifest };
  }
}

async function isNamed(
  store: ObjectStore,
  key: string,
  manifest: Digest,
  signal?: AbortSignal,
): Promise<boolean> {
  const found = await findReference(store, key, { signal });
  return found?.images.some((image) => image.manifest === manifest) ?? false;
}
