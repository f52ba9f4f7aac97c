/**
 * Changes the history of backups that one reference holds.
 *
 * No store replaces an object on condition, so the history is read right before each attempt at
 * writing it, and looked at again afterwards: a backup that was removed and collected between the two
 * is taken out again, for a reference to what is gone would stop every later collection. Once the
 * reference is written, every blob of the backups that it retains is touched. A blob that a collection
 * was about to delete, since there was no such reference when it looked, then stays or is known to be
 * gone.
 */

import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { blobKey, type ObjectStore } from "../store/mod.ts";
import type { WorkspaceIdentity } from "./images.ts";
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
   * once an attempt, so that what it adds may be there already.
   */
  change(images: readonly ImageReference[]): ImageReference[];
  signal?: AbortSignal | undefined;
}

/**
 * Makes the history what `change` says, without backups whose manifest is absent.
 * @throws {DaemonError} DATA_LOSS where the reference that is there cannot be read
 */
export async function changeHistory(
  store: ObjectStore,
  { key, identity, change, signal }: HistoryChange,
): Promise<void> {
  const options = { signal };
  const absent = new Set<Digest>();
  let retained: Digest[];
  let last: ImageReference[] | undefined;
  let wasComplete: boolean;
  do {
    retained = [];
    const read = async () => {
      const earlier = last = await readHistory(store, key, identity, signal).catch((error) => {
        // An attempt of ours may have left the reference damaged; the history read before it is kept.
        if (last && error instanceof DaemonError && error.code === "DATA_LOSS") return last;
        throw error;
      });
      const previous = new Set(earlier.map(({ manifest }) => manifest));
      const images = change(earlier).filter(({ manifest }) => !absent.has(manifest));
      retained = images.map(({ manifest }) => manifest).filter((manifest) =>
        previous.has(manifest)
      );
      for (const manifest of await absentManifests(store, retained, signal)) absent.add(manifest);
      return images.filter(({ manifest }) => !absent.has(manifest));
    };
    let isEmpty = false;
    try {
      await store.putRef(key, async () => {
        const images = await read();
        isEmpty = images.length === 0;
        if (isEmpty) throw new DaemonError("NOT_FOUND", `Nothing is left of ${key}`);
        return encodeReference(identity, images);
      }, options);
    } catch (error) {
      if (!isEmpty) throw error;
      await store.deleteRef(key, options);
    }
    const lost = await incompleteManifests(
      store,
      retained.filter((one) => !absent.has(one)),
      signal,
    );
    wasComplete = lost.length === 0;
    for (const manifest of lost) absent.add(manifest);
  } while (!wasComplete);
}

async function readHistory(
  store: ObjectStore,
  key: string,
  identity: WorkspaceIdentity,
  signal: AbortSignal | undefined,
): Promise<ImageReference[]> {
  const bytes = await readReference(store, key, { signal });
  return bytes ? decodeReference(key, bytes, identity).images : [];
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
    const blobs = [...read.layers, read.config, ...read.index ? [read.index] : []];
    const there = await Promise.all([{ digest: manifest, size: read.size }, ...blobs].map(isThere));
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
