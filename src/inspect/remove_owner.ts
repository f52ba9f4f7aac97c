/** Forgets everything that a store has of an owner. */

import { mapConcurrent } from "../async/mod.ts";
import { DaemonError } from "../errors.ts";
import { findReference, logPrefix, referencePrefixes, STORE_CONCURRENCY } from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";

/** How much was forgotten. */
export interface RemovedOwner {
  images: number;
  logs: number;
}

/**
 * Forgets all images and terminal logs of an owner, unreadable ones among them. Whatever was begun is
 * completed by a repetition. Blobs go with the next collection.
 * @throws {DaemonError} what the store throws
 */
export async function removeOwner(
  store: ObjectStore,
  owner: string,
  { signal, onRemoved }: {
    signal: AbortSignal;
    /** Called after each reference and log. */
    onRemoved(): void;
  },
): Promise<RemovedOwner> {
  const removed: RemovedOwner = { images: 0, logs: 0 };
  const remove = async (key: string) => {
    const isReference = key.startsWith("refs/");
    const images = isReference ? await countImages(store, key, signal) : 0;
    await store.deleteRef(key, { signal });
    removed.images += images;
    if (!isReference) removed.logs++;
    onRemoved();
  };
  for (const prefix of [...referencePrefixes({ owner }), logPrefix(owner)]) {
    const keys: string[] = [];
    // Not while they are listed: a listing of what changes may skip some.
    for await (const { key } of store.list(prefix, { signal })) keys.push(key);
    for await (const _ of mapConcurrent(keys, STORE_CONCURRENCY, remove));
  }
  return removed;
}

/** Returns how many images a reference names; 1 for one that cannot be read, 0 for none. */
async function countImages(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<number> {
  try {
    const found = await findReference(store, key, { signal });
    return found?.images.length ?? 0;
  } catch (error) {
    if (error instanceof DaemonError && error.code === "DATA_LOSS") return 1;
    throw error;
  }
}
