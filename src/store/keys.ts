/** The keys of a store's objects, the same for every kind of store; see `docs/formats.md`. */

import { type Digest, hexOf, isDigest } from "../digest.ts";
import { DaemonError, invalid } from "../errors.ts";

/** The prefix of every blob's key, as in an OCI image layout. */
export const BLOB_PREFIX = "blobs/sha256/";

/** The key of the lease of a running collection; see `lease.ts`. */
export const LEASE_KEY = "gc/lease.json";

/** The key of the note when the store was collected last; see `last_collection.ts`. */
export const LAST_COLLECTION_KEY = "gc/last.json";

/** The folders of a store that hold keyed objects. */
export const KEY_ROOTS = ["blobs", "gc", "objects", "refs"] as const;

/** S3's own rules for bucket names. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** Returns whether a bucket can have such a name. */
export function isBucketName(name: string): boolean {
  return BUCKET.test(name) && !name.includes("..");
}

/** Returns the key of a blob. */
export function blobKey(digest: Digest): string {
  return BLOB_PREFIX + hexOf(digest);
}

/** Returns the digest in a blob's key; `undefined` for any other key. */
export function blobOfKey(key: string): Digest | undefined {
  if (!key.startsWith(BLOB_PREFIX)) return undefined;
  const digest = `sha256:${key.slice(BLOB_PREFIX.length)}`;
  return isDigest(digest) ? digest : undefined;
}

/**
 * Refuses a key that is no plain relative path, or lies outside the folders that hold such objects.
 * Callers encode the names that they put into keys; this check is a second line of defence.
 * @throws {DaemonError} INTERNAL
 */
export function checkKey(key: string, roots: readonly string[]): void {
  const parts = key.split("/");
  if (parts.length < 2 || !roots.includes(parts[0]!) || !arePlain(parts)) {
    throw new DaemonError("INTERNAL", `Cannot use ${JSON.stringify(key)} as a key of the store`);
  }
}

/**
 * Refuses the name of a plain archive that could lead anywhere but to an object in that bucket.
 * @throws {DaemonError} INVALID_ARGUMENT
 */
export function checkArchiveName(object: string, bucket: string): void {
  if (bucket.includes("/") || !arePlain([bucket]) || !arePlain(object.split("/"))) {
    throw invalid(
      "snapshot",
      `must name an object of plain path segments in a bucket: current value is ` +
        JSON.stringify(`${object}@${bucket}`),
    );
  }
}

function arePlain(parts: readonly string[]): boolean {
  return parts.every((part) =>
    part !== "" && part !== "." && part !== ".." && !part.includes("\0") && !part.includes("\\")
  );
}
