/**
 * References: the small mutable objects that make images live.
 *
 * A snapshot has a reference of its own, written once. All backups of an identity share one, newest
 * first: replacing that one object is what replaces the backup, so a reader sees the previous
 * backup or the new one, and retention needs no listing (which may lag behind).
 */

import * as z from "zod";
import { type Digest, digestOf, isDigest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectStore, StoreOptions } from "../store/mod.ts";
import type { WorkspaceIdentity } from "./images.ts";

/** One image that a reference names. */
export interface ImageReference {
  manifest: Digest;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Apparent bytes of the files in it. */
  contentBytes: number;
  files: number;
  /**
   * 2 for an image that is native, or whose index is a patch. Of such an image a daemon that knows only
   * references of version 1 would not find all blobs.
   */
  format?: 2;
}

const digestSchema = z.custom<Digest>((value) => typeof value === "string" && isDigest(value));
const imageSchema = z.object({
  manifest: digestSchema,
  createdAt: z.int().nonnegative(),
  contentBytes: z.int().nonnegative(),
  files: z.int().nonnegative(),
  format: z.literal(2).exactOptional(),
});
const referenceSchema = z.object({
  version: z.literal([1, 2]),
  owner: z.string(),
  metaId: z.string(),
  images: z.array(imageSchema).min(1),
  digest: digestSchema,
});

type Contents = WorkspaceIdentity & { images: readonly ImageReference[] };

/** Encodes a reference, whose `images` are newest first. */
export function encodeReference(
  identity: WorkspaceIdentity,
  images: readonly ImageReference[],
): Uint8Array {
  const reference = { ...identity, images };
  const text = JSON.stringify({ ...plain(reference), digest: ownDigest(reference) });
  return new TextEncoder().encode(text);
}

/** Returns the digest of a reference's content: a wrong digit must not pass for another image. */
function ownDigest(reference: Contents) {
  return digestOf(JSON.stringify(plain(reference)));
}

/** Returns a reference with its keys in the order in which it is written and digested. */
function plain({ owner, metaId, images }: Contents) {
  return {
    // An older daemon's collection has to stop before what it does not know.
    version: images.some(({ format }) => format === 2) ? 2 : 1,
    owner,
    metaId,
    images: images.map(({ manifest, createdAt, contentBytes, files, format }) => (
      { manifest, createdAt, contentBytes, files, ...(format ? { format } : {}) }
    )),
  };
}

/** A reference and the identity that it belongs to. */
export interface Reference extends WorkspaceIdentity {
  images: ImageReference[];
}

/**
 * Decodes a reference, checking the digest that it has of itself.
 * @throws {DaemonError} DATA_LOSS where the bytes are not a reference, or, given `expected`, are
 * that of another identity: content must never change hands.
 */
export function decodeReference(
  key: string,
  bytes: Uint8Array,
  expected?: WorkspaceIdentity,
): Reference {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw unusable(key, "is not JSON");
  }
  const result = referenceSchema.safeParse(value);
  if (!result.success) {
    throw unusable(key, `is malformed: ${z.prettifyError(result.error)}`);
  }
  const { version, owner, metaId, images, digest } = result.data;
  if (digest !== ownDigest(result.data) || version !== plain(result.data).version) {
    throw unusable(key, "is damaged: it does not have its own digest");
  }
  if (expected && (owner !== expected.owner || metaId !== expected.metaId)) {
    throw unusable(
      key,
      `belongs to ${owner}/${metaId}, not to ${expected.owner}/${expected.metaId}`,
    );
  }
  return { owner, metaId, images };
}

/** Returns the failure of a reference that stops backups and collection until somebody removes it. */
function unusable(key: string, problem: string): DaemonError {
  return new DaemonError(
    "DATA_LOSS",
    `The reference ${key} ${problem} (\`wsdaemon store rm ${key}\` forgets it and what it referred to)`,
  );
}

/** How often a reference is read that the store lists and does not find. */
const READS = 2;

/**
 * Reads a reference's bytes, or resolves to `undefined` where there is none: neither to be read nor
 * in a listing. One of the two alone may be a fault of the store, or of whoever answered for it.
 * @throws {DaemonError} UNAVAILABLE where the store lists the reference and says that it is not there
 */
export async function readReference(
  store: ObjectStore,
  key: string,
  options: StoreOptions = {},
): Promise<Uint8Array | undefined> {
  for (let reads = 1;; reads++) {
    try {
      return await store.getRef(key, options);
    } catch (error) {
      if (!(error instanceof DaemonError) || error.code !== "NOT_FOUND") throw error;
      if (!await isListed(store, key, options)) return undefined;
      if (reads === READS) throw contradiction(key, error);
    }
  }
}

/**
 * Checks that an object which was not found is in no listing, either.
 * @throws {DaemonError} UNAVAILABLE where it is in one
 */
export async function confirmMissing(
  store: ObjectStore,
  key: string,
  notFound: DaemonError,
  options: StoreOptions = {},
): Promise<void> {
  if (await isListed(store, key, options)) throw contradiction(key, notFound);
}

async function isListed(store: ObjectStore, key: string, options: StoreOptions): Promise<boolean> {
  return await storedAt(store, key, options) !== undefined;
}

/**
 * Returns when an object was written last, in milliseconds since the epoch by the store's clock;
 * `undefined` where it is not listed.
 */
export async function storedAt(
  store: ObjectStore,
  key: string,
  options: StoreOptions = {},
): Promise<number | undefined> {
  for await (const info of store.list(key, options)) if (info.key === key) return info.modified;
  return undefined;
}

function contradiction(key: string, notFound: DaemonError): DaemonError {
  return new DaemonError(
    "UNAVAILABLE",
    `The store lists ${key} and says that it is not there (${notFound.message}): try again, and ` +
      "look for a fault of the store if that stays so",
    { reason: "STORE_UNAVAILABLE", cause: notFound },
  );
}
