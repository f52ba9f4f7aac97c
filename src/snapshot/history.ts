/**
 * Changes the history of backups that one reference holds.
 *
 * The reference is replaced on the condition that it still is what was read, so that of two nodes that
 * save at once each keeps what the other has written (see `ObjectStore.replaceRef`). It is looked at
 * again afterwards: a backup that was removed and collected between the two is taken out again, for a
 * reference to what is gone would stop every later collection.
 *
 * Once the reference is written, every blob of the backups that it retains is touched. A blob that a
 * collection was about to delete, since there was no such reference when it looked, then stays or is
 * known to be gone.
 */

import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { blobKey, type ObjectStore } from "../store/mod.ts";
import { blobsOf } from "./image_blobs.ts";
import type { WorkspaceIdentity } from "./images.ts";
import { type DescribedImage, KnownLineages } from "./known_lineages.ts";
import { MAX_MANIFEST_BYTES, type ParsedManifest, parseManifest } from "./manifest.ts";
import {
  confirmMissing,
  decodeReference,
  encodeReference,
  type ImageReference,
  readReference,
} from "./references.ts";

/** A change of an identity's backups. */
export interface HistoryChange {
  key: string;
  identity: WorkspaceIdentity;
  /**
   * Returns the backups that there are to be, from those that there are; both newest first. Called
   * once an attempt, so that what it adds may be there already. With `undefined` nothing is changed.
   */
  change(images: readonly DescribedImage[]): ImageReference[] | undefined;
  /** The manifest of the backup that is added, if one is. */
  adds?: Digest;
  /** What is known of images from earlier; nothing unless given. */
  lineages?: KnownLineages;
  signal?: AbortSignal | undefined;
}

/**
 * Makes the history what `change` says, without backups whose manifest is absent.
 * @returns whether it was to be changed
 * @throws {DaemonError} DATA_LOSS where the reference that is there cannot be read
 */
export async function changeHistory(store: ObjectStore, changed: HistoryChange): Promise<boolean> {
  const { key, identity, change, adds, lineages = new KnownLineages(), signal } = changed;
  const options = { signal };
  const absent = new Set<Digest>();
  let last: ImageReference[] | undefined;
  for (;;) {
    const read: ReadHistory = await readHistory(store, changed, last);
    const earlier = last = read.images;
    const previous = new Set(earlier.map(({ manifest }) => manifest));
    const described = await lineages.describe(store, earlier, signal);
    const changedTo = change(described);
    if (!changedTo) return false;
    const wanted = changedTo.filter(({ manifest }) => !absent.has(manifest));
    const retained = wanted.map(({ manifest }) => manifest)
      .filter((manifest) => previous.has(manifest));
    for (const manifest of await absentManifests(store, retained, signal)) absent.add(manifest);
    const images = wanted.filter(({ manifest }) => !absent.has(manifest));
    const isDone = images.length === 0
      ? !read.bytes || await store.deleteRef(key, { ...options, expected: read.bytes })
      : await store.replaceRef(key, read.bytes, encodeReference(identity, images), options) ||
        await isHeld(store, changed, adds);
    // Another writer was faster: what it wrote is changed next.
    if (!isDone) continue;
    const toConfirm = retained.filter((one) => !absent.has(one));
    const lost = await incompleteManifests(store, toConfirm, signal);
    if (lost.length === 0) return true;
    for (const manifest of lost) absent.add(manifest);
  }
}

interface ReadHistory {
  /** Of the reference as it is; undefined where there is none. */
  bytes: Uint8Array | undefined;
  images: ImageReference[];
}

async function readHistory(
  store: ObjectStore,
  { key, identity, signal }: HistoryChange,
  last: ImageReference[] | undefined,
): Promise<ReadHistory> {
  const bytes = await readReference(store, key, { signal });
  if (!bytes) return { bytes, images: [] };
  try {
    return { bytes, images: decodeReference(key, bytes, identity).images };
  } catch (error) {
    // An attempt of ours may have left the reference damaged; the history read before it is kept.
    const isOurs = last && error instanceof DaemonError && error.code === "DATA_LOSS";
    if (!isOurs) throw error;
    return { bytes, images: last };
  }
}

/** Returns whether a backup that was added is in the history that another writer has written since. */
async function isHeld(
  store: ObjectStore,
  changed: HistoryChange,
  manifest: Digest | undefined,
): Promise<boolean> {
  if (manifest === undefined) return false;
  const { images } = await readHistory(store, changed, []);
  return images.some((image) => image.manifest === manifest);
}

/** Returns the manifests that are absent; one that is damaged is there. */
async function absentManifests(
  store: ObjectStore,
  manifests: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<Digest[]> {
  const there = await Promise.all(
    manifests.map((manifest) => readManifest(store, manifest, signal)),
  );
  return manifests.filter((_, n) => there[n] === "absent");
}

/** Returns the manifests of images that lack a blob; touches all blobs that are there. */
async function incompleteManifests(
  store: ObjectStore,
  manifests: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<Digest[]> {
  const asked = new Map<Digest, Promise<boolean>>();
  const isThere = ({ digest, size }: { digest: Digest; size: number }) => {
    const answer = asked.get(digest) ??
      store.hasBlob(digest, size, { signal });
    asked.set(digest, answer);
    return answer;
  };
  const whole = await Promise.all(manifests.map(async (manifest) => {
    const read = await readManifest(store, manifest, signal);
    if (typeof read === "string") return read === "damaged";
    const there = await Promise.all(blobsOf({ ...read, digest: manifest }).map(isThere));
    return there.every(Boolean);
  }));
  return manifests.filter((_, n) => !whole[n]);
}

async function readManifest(
  store: ObjectStore,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<ParsedManifest & { size: number } | "absent" | "damaged"> {
  const options = { signal };
  try {
    const bytes = await store.getBlobBytes(digest, MAX_MANIFEST_BYTES, options);
    return { ...parseManifest({ digest, bytes }), size: bytes.length };
  } catch (error) {
    if (!(error instanceof DaemonError)) throw error;
    if (error.code === "DATA_LOSS") return "damaged";
    if (error.code !== "NOT_FOUND") throw error;
    // The backup of a missing manifest is forgotten.
    await confirmMissing(store, blobKey(digest), error, options);
    return "absent";
  }
}
