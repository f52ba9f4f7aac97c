/** Lists the images of a store page by page, reading no more references than a page needs. */

import { mapConcurrent } from "../async/mod.ts";
import { DaemonError } from "../errors.ts";
import {
  BACKUP_PREFIX,
  decodeReference,
  type FoundImage,
  imagesOf,
  isReferenceKey,
  readReference,
  referencePrefixes,
  snapshotPrefix,
  STORE_CONCURRENCY,
} from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";

/** Which images are listed: all, an owner's, or those of one meta_id of the owner. */
export interface ImageFilter {
  owner?: string;
  metaId?: string;
}

/** A page of images, the next one of which begins after `last`. */
export interface ImagePage {
  images: FoundImage[];
  /** References that cannot be read, and why. */
  unreadable: { key: string; problem: string }[];
  /** Where the page ends; absent on the last page. */
  last?: string;
}

/**
 * Lists images by the keys of their references: backups by owner and meta_id, the newest first, then
 * snapshots by owner, meta_id and time.
 * @param page at most how many images, and after which `last`; empty for the first page
 */
export async function listImages(
  store: ObjectStore,
  filter: ImageFilter,
  page: { size: number; after: string },
  signal: AbortSignal,
): Promise<ImagePage> {
  const [afterKey = "", toldOfIt = "0"] = page.after.split(" ");
  const keys = (await keysOf(store, filter, signal)).filter((key) => key >= afterKey);
  const result: ImagePage = { images: [], unreadable: [] };
  const read = (key: string) => readImages(store, key, signal);
  for await (const { key, images, problem } of mapConcurrent(keys, STORE_CONCURRENCY, read)) {
    const told = key === afterKey ? Number(toldOfIt) : 0;
    if (problem !== undefined && key !== afterKey) result.unreadable.push({ key, problem });
    const space = page.size - result.images.length;
    const rest = images.slice(told);
    result.images.push(...rest.slice(0, space));
    if (result.images.length < page.size && result.unreadable.length < page.size) continue;
    const isLast = rest.length <= space && key === keys.at(-1);
    return isLast ? result : { ...result, last: `${key} ${told + Math.min(rest.length, space)}` };
  }
  return result;
}

async function keysOf(
  store: ObjectStore,
  { owner, metaId }: ImageFilter,
  signal: AbortSignal,
): Promise<string[]> {
  const prefixes = owner === undefined
    ? [BACKUP_PREFIX, snapshotPrefix()]
    : referencePrefixes({ owner, ...(metaId === undefined ? {} : { metaId }) });
  const keys: string[] = [];
  for (const prefix of prefixes) {
    for await (const { key } of store.list(prefix, { signal })) {
      if (isReferenceKey(key)) keys.push(key);
    }
  }
  return keys.sort();
}

async function readImages(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<{ key: string; images: FoundImage[]; problem?: string }> {
  try {
    const bytes = await readReference(store, key, { signal });
    if (!bytes) return { key, images: [] };
    const kind = key.startsWith(BACKUP_PREFIX) ? "backup" : "snapshot";
    return { key, images: imagesOf({ key, kind, ...decodeReference(key, bytes) }) };
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "DATA_LOSS") throw error;
    return { key, images: [], problem: error.message };
  }
}
