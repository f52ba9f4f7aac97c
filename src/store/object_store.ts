/**
 * Object stores: where images live once they have left a node.
 *
 * Two kinds of object. **Blobs** are immutable and named by their digest (`blobs/sha256/<hex>`):
 * putting one means "it is stored at this digest", not "this call stored it". **References** are
 * small mutable objects under `refs/`, replaced in one step: a reader sees the old bytes or the new.
 * Write order is the caller's: blobs first, then the reference that makes them live.
 *
 * Nothing counts that the store itself did not say. An answer that was made by somebody between it
 * and us is UNAVAILABLE: it is neither success, nor "it is not there", nor damage. Only reads of an
 * object throw NOT_FOUND, and only where the store itself says so.
 *
 * Errors are DaemonErrors. NOT_FOUND; UNAVAILABLE (out of reach, or failing after the retries);
 * FAILED_PRECONDITION (it refuses us: credentials, no such bucket); RESOURCE_EXHAUSTED (disk or
 * bucket full); DATA_LOSS (what it returned is not what was asked for); ABORTED (the signal).
 */

import type { Digest } from "../digest.ts";
import type { LeasedFile, SpooledBlob } from "../spool.ts";

export interface StoreOptions {
  signal?: AbortSignal;
}

export interface HasBlobOptions extends StoreOptions {
  /** Whether a blob that is there is freshened too: true unless said otherwise. */
  touch?: boolean;
}

export interface DeleteBlobOptions extends StoreOptions {
  /**
   * Leave the blob alone if it was stored or freshened at this moment or later; milliseconds since
   * the epoch by the store's clock.
   */
  olderThan?: number;
  /**
   * Asked right before each attempt at the deletion itself, after the blob's age was looked at: the
   * blob is left alone once it says no.
   */
  mayDelete?(): boolean;
}

export interface SweepOptions extends StoreOptions {
  /** Count only. */
  dryRun?: boolean;
}

/** How much was found or removed. */
export interface Tally {
  count: number;
  bytes: number;
}

export type RefBytes = Uint8Array | (() => Promise<Uint8Array>);

export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
  /** Milliseconds since the epoch. */
  modified: number;
}

export interface ObjectStore {
  /** For logs and metrics: `fs` or `s3`. */
  readonly kind: string;
  /**
   * The shortest grace that a collection may have here; milliseconds. A writer that was told that a
   * blob is there can rely on it for half of the collection's grace, unless that is shorter.
   */
  readonly minimumGraceMs: number;

  /** Checks that the store can be reached and used. */
  probe(options?: StoreOptions): Promise<void>;

  /**
   * Stores a spooled blob unless it is there already, and freshens one that is, so that collection
   * leaves it alone for another grace period. Durable when it resolves. The spool file is consumed
   * in any case of success. Resolves to whether bytes were sent.
   */
  putBlob(blob: SpooledBlob, options?: StoreOptions): Promise<boolean>;
  /** {@link putBlob} for a small blob in memory (manifest, config). */
  putBlobBytes(digest: Digest, bytes: Uint8Array, options?: StoreOptions): Promise<boolean>;
  /**
   * Whether the blob is there, whole by its size: false only where the store itself says so; freshens it when it is. A blob that cannot be
   * freshened counts as not there. Where a collection is about to delete it, waits for the outcome.
   */
  hasBlob(digest: Digest, size: number, options?: HasBlobOptions): Promise<boolean>;
  /** A small blob, its digest checked. `maxBytes` caps what a lying store can send. */
  getBlobBytes(digest: Digest, maxBytes: number, options?: StoreOptions): Promise<Uint8Array>;
  /**
   * Brings a blob within the content Workers' reach: the embedded store's own file, or a download
   * into the spool whose digest was checked.
   */
  acquireBlob(digest: Digest, size: number, options?: StoreOptions): Promise<LeasedFile>;

  /**
   * A reference's bytes, past any cache. NOT_FOUND for one that is listed is the store's contradiction,
   * which its reader has to take for UNAVAILABLE.
   */
  getRef(key: string, options?: StoreOptions): Promise<Uint8Array>;
  /**
   * Creates or replaces a reference in one step; what was written has been read back when it resolves,
   * unless another writer has replaced it since. Bytes that depend on what is there are made by a
   * function, called before each attempt, so that no attempt writes what has become old.
   */
  putRef(key: string, bytes: RefBytes, options?: StoreOptions): Promise<void>;
  /**
   * Replaces a reference if `judge`, told what is there, has something to put in its place. Resolves
   * to whether it did: of several callers that judge the same state, one is told so, and what it put
   * is there then. On S3 that takes a while, and rests on what is said at the implementation.
   */
  compareAndClaimRef(
    key: string,
    judge: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options?: StoreOptions,
  ): Promise<boolean>;
  /** Removes a reference. No error if it is not there. */
  deleteRef(key: string, options?: StoreOptions): Promise<void>;

  /** Puts a spool file under a free key that is neither blob nor reference (terminal logs). Consumes it. */
  putObject(key: string, file: SpooledBlob, options?: StoreOptions): Promise<void>;
  /** Brings a plain archive `<object>@<bucket>`, made by other tools, within the Workers' reach. */
  acquireArchive(object: string, bucket: string, options?: StoreOptions): Promise<LeasedFile>;

  /** Objects whose key starts with `prefix`, in no particular order; a listing may lag behind. */
  list(prefix: string, options?: StoreOptions): AsyncIterable<ObjectInfo>;
  /** Deletes a blob; only collection does this. Resolves to whether it was there and is gone now. */
  deleteBlob(digest: Digest, options?: DeleteBlobOptions): Promise<boolean>;
  /** Removes what interrupted writers left before `olderThan` (temporary files, unfinished uploads). */
  sweepLeftovers(olderThan: number, options?: SweepOptions): Promise<Tally>;
  /** The time by the clock that the store stamps objects with; milliseconds since the epoch. */
  now(options?: StoreOptions): Promise<number>;

  close(): Promise<void>;
}
