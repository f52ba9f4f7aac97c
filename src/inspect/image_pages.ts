/** Lists the images of a store page by page, listing and reading no more references than a page needs. */

import { mapConcurrent } from "../async/mod.ts";
import { DaemonError } from "../errors.ts";
import {
  BACKUP_PREFIX,
  findReference,
  type FoundImage,
  imagesOf,
  isReferenceKey,
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
  const keys = keysFrom(store, prefixesOf(filter), afterKey, signal);
  const result: ImagePage = { images: [], unreadable: [] };
  const read = (key: string) => readImages(store, key, signal);
  const ahead = Math.min(STORE_CONCURRENCY, page.size + 1);
  let end: string | undefined;
  for await (const { key, images, problem } of mapConcurrent(keys, ahead, read)) {
    if (end !== undefined) return { ...result, last: end };
    const told = key === afterKey ? Number(toldOfIt) : 0;
    if (problem !== undefined && key !== afterKey) result.unreadable.push({ key, problem });
    const space = page.size - result.images.length;
    const rest = images.slice(told);
    result.images.push(...rest.slice(0, space));
    if (result.images.length < page.size && result.unreadable.length < page.size) continue;
    // Whether there is another page is told by another key, or by what is left of this one.
    end = `${key} ${told + Math.min(rest.length, space)}`;
    if (rest.length > space) return { ...result, last: end };
  }
  return result;
}

/** Returns the beginnings of the keys that are listed, in ascending order. */
function prefixesOf({ owner, metaId }: ImageFilter): string[] {
  return owner === undefined
    ? [BACKUP_PREFIX, snapshotPrefix()]
    : referencePrefixes({ owner, ...(metaId === undefined ? {} : { metaId }) });
}

/** Lists the keys of references from one on, of which some images may have been told, in ascending order. */
async function* keysFrom(
  store: ObjectStore,
  prefixes: readonly string[],
  from: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (const prefix of prefixes) {
    const isBegun = from.startsWith(prefix);
    if (isBegun && isReferenceKey(from)) yield from;
    if (!isBegun && from > prefix) continue;
    for await (const { key } of store.list(prefix, { signal, after: from })) {
      if (isReferenceKey(key)) yield key;
    }
  }
}

async function readImages(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<{ key: string; images: FoundImage[]; problem?: string }> {
  try {
    const found = await findReference(store, key, { signal });
    return { key, images: found ? imagesOf(found) : [] };
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "DATA_LOSS") throw error;
    return { key, images: [], problem: error.message };
  }
}
