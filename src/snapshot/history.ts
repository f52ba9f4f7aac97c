/**
 * Changing the history of backups that one reference holds.
 *
 * No store replaces an object on condition, so the history is read right before each attempt at
 * writing it, and looked at again afterwards: a backup that was removed and collected between the two
 * is taken out again, for a reference to what is gone would stop every later collection. What is
 * carried over is freshened, so that it is not collected before the reference counts again.
 */

import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectStore } from "../store/api.ts";
import type { WorkspaceIdentity } from "./api.ts";
import { MAX_MANIFEST_BYTES } from "./manifest.ts";
import { decodeReference, encodeReference, type ImageReference } from "./references.ts";

export interface HistoryChange {
  key: string;
  identity: WorkspaceIdentity;
  /** From the backups there are to those there are to be, the newest first. */
  change(images: readonly ImageReference[]): ImageReference[];
  signal?: AbortSignal | undefined;
}

/**
 * Makes the history what `change` says, without backups whose manifest is gone.
 * @throws {DaemonError} DATA_LOSS where the reference that is there cannot be read
 */
export async function changeHistory(
  store: ObjectStore,
  { key, identity, change, signal }: HistoryChange,
): Promise<void> {
  const options = signal ? { signal } : {};
  const gone = new Set<Digest>();
  let carried: Digest[];
  let wasComplete: boolean;
  do {
    carried = [];
    const read = async () => {
      const earlier = await readHistory(store, key, identity, signal);
      const known = new Set(earlier.map(({ manifest }) => manifest));
      const images = change(earlier).filter(({ manifest }) => !gone.has(manifest));
      carried = images.map(({ manifest }) => manifest).filter((manifest) => known.has(manifest));
      for (const manifest of await missing(store, carried, signal)) gone.add(manifest);
      return images.filter(({ manifest }) => !gone.has(manifest));
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
    const lost = await missing(store, carried.filter((one) => !gone.has(one)), signal);
    wasComplete = lost.length === 0;
    for (const manifest of lost) gone.add(manifest);
  } while (!wasComplete);
}

async function readHistory(
  store: ObjectStore,
  key: string,
  identity: WorkspaceIdentity,
  signal: AbortSignal | undefined,
): Promise<ImageReference[]> {
  try {
    const bytes = await store.getRef(key, signal ? { signal } : {});
    return decodeReference(key, bytes, identity).images;
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return [];
    throw error;
  }
}

/** Which manifests are gone; the others are freshened. One that is damaged is there. */
async function missing(
  store: ObjectStore,
  manifests: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<Digest[]> {
  const options = signal ? { signal } : {};
  const there = await Promise.all(manifests.map(async (manifest) => {
    try {
      const { length } = await store.getBlobBytes(manifest, MAX_MANIFEST_BYTES, options);
      await store.hasBlob(manifest, length, options);
      return true;
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      if (error.code === "NOT_FOUND") return false;
      if (error.code === "DATA_LOSS") return true;
      throw error;
    }
  }));
  return manifests.filter((_, n) => !there[n]);
}
