/**
 * Notes in the store which images workspaces were started from, so that no node forgets one by its age
 * alone that is still used on another.
 *
 * A note is an object of its own, written when a workspace was started and again while it is on its node.
 * Its age counts by the store's clock. It says nothing of the image's content, and keeps nothing alive
 * by itself.
 */

import * as z from "zod";
import { mapConcurrent } from "../async/mod.ts";
import { type Digest, hexOf, isDigest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectInfo, ObjectStore, StoreOptions } from "../store/mod.ts";
import { STORE_CONCURRENCY } from "./concurrency.ts";
import { storedAt } from "./references.ts";

/** The prefix of the keys of notes. */
const USE_PREFIX = "gc/uses/";

const schema = z.object({ version: z.literal(1), workspace: z.string() });

/** That an image is used. */
export interface ImageUse {
  /** Id of a workspace that was started from it. */
  readonly workspace: string;
  /** When that was noted last; milliseconds since the epoch, by the store's clock. */
  readonly usedAt: number;
}

/** Returns the key of the note on an image. */
export function useKey(manifest: Digest): string {
  return `${USE_PREFIX}${hexOf(manifest)}.json`;
}

/** Notes that a workspace uses an image now. */
export async function noteImageUse(
  store: ObjectStore,
  manifest: Digest,
  workspace: string,
  options?: StoreOptions,
): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify({ version: 1, workspace }));
  await store.putRef(useKey(manifest), bytes, options);
}

/** Returns the last use of each image that was noted, by its manifest's digest. */
export async function imageUses(
  store: ObjectStore,
  options: StoreOptions = {},
): Promise<Map<Digest, ImageUse>> {
  const uses = new Map<Digest, ImageUse>();
  const read = async ({ key, modified }: ObjectInfo) => {
    const manifest = `sha256:${key.slice(USE_PREFIX.length, -".json".length)}`;
    if (!key.endsWith(".json") || !isDigest(manifest)) return undefined;
    const workspace = await workspaceIn(store, key, options);
    return { manifest, use: { workspace, usedAt: modified } };
  };
  const keys = store.list(USE_PREFIX, options);
  for await (const found of mapConcurrent(keys, STORE_CONCURRENCY, read)) {
    if (found) uses.set(found.manifest, found.use);
  }
  return uses;
}

/** Returns when the last use of one image was noted, by the store's clock; `undefined` for no note. */
export async function lastImageUse(
  store: ObjectStore,
  manifest: Digest,
  options: StoreOptions = {},
): Promise<number | undefined> {
  return await storedAt(store, useKey(manifest), options);
}

/** A note that cannot be read still says that there is a use. */
async function workspaceIn(
  store: ObjectStore,
  key: string,
  options: StoreOptions,
): Promise<string> {
  try {
    const bytes = await store.getRef(key, options);
    return schema.parse(JSON.parse(new TextDecoder().decode(bytes))).workspace;
  } catch (error) {
    if (error instanceof DaemonError && error.code !== "NOT_FOUND") throw error;
    return "?";
  }
}

/** Deletes the notes that are older than so many milliseconds. @returns how many */
export async function forgetImageUses(
  store: ObjectStore,
  ageMs: number,
  options: StoreOptions = {},
): Promise<number> {
  const before = await store.now(options) - ageMs;
  let count = 0;
  for await (const { key, modified } of store.list(USE_PREFIX, options)) {
    if (modified >= before) continue;
    await store.deleteRef(key, options);
    count++;
  }
  return count;
}
