/**
 * Notes in the store when it was collected last, so that of several nodes which collect it at intervals
 * one does.
 */

import * as z from "zod";
import { DaemonError } from "../errors.ts";
import { LAST_COLLECTION_KEY } from "./keys.ts";
import type { ObjectStore, StoreOptions } from "./object_store.ts";

const schema = z.object({
  version: z.literal(1),
  /** Milliseconds since the epoch, by the store's clock. */
  endedAt: z.number(),
});

/** Notes that a collection has just ended well. */
export async function noteCollection(store: ObjectStore, options?: StoreOptions): Promise<void> {
  const record = { version: 1, endedAt: await store.now(options) };
  const bytes = new TextEncoder().encode(JSON.stringify(record));
  await store.putRef(LAST_COLLECTION_KEY, bytes, options);
}

/**
 * Returns when the last collection ended, whoever made it: milliseconds since the epoch, by the store's
 * clock. `undefined` where there was none, or it cannot be told.
 */
export async function lastCollection(
  store: ObjectStore,
  options?: StoreOptions,
): Promise<number | undefined> {
  try {
    return parse(await store.getRef(LAST_COLLECTION_KEY, options));
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

function parse(bytes: Uint8Array): number | undefined {
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(bytes))).endedAt;
  } catch {
    return undefined;
  }
}
