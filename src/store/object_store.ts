/**
 * The contract of object stores, in which images are kept once they have left a node.
 *
 * There are two kinds of objects. **Blobs** are immutable and named by their digest (`blobs/sha256/<hex>`):
 * putting one means "it is stored at this digest", not "this call stored it". **References** are
 * small mutable objects under `refs/`, replaced in one step: a reader sees the old bytes or the new.
 * Write order is the caller's: blobs first, then the reference that makes them live.
 *
 * Only answers of the store itself count. An answer that something between it and the daemon made is
 * UNAVAILABLE: it is neither success, nor "it is not there", nor damage. Only reads of an
 * object throw NOT_FOUND, and only where the store itself says so.
 *
 * Errors are DaemonErrors. NOT_FOUND; UNAVAILABLE (out of reach, or failing after the retries);
 * FAILED_PRECONDITION (it refuses us: credentials, no such bucket); RESOURCE_EXHAUSTED (disk or
 * bucket full); DATA_LOSS (what it returned is not what was asked for); ABORTED (the signal).
 */

import type { Digest } from "../digest.ts";
import type { LeasedFile, SpooledBlob } from "../spool.ts";

/** Options of every operation. */
export interface StoreOptions {
  /** Ends the operation; it rejects with ABORTED. */
  signal?: AbortSignal | undefined;
}

/** Options of {@link ObjectStore.hasBlob}. */
export interface HasBlobOptions extends StoreOptions {
  /** Whether a stored blob is touched, too; true unless given. */
  touch?: boolean;
}

/** Options of {@link ObjectStore.deleteRef}. */
export interface DeleteRefOptions extends StoreOptions {
  /** Leaves a reference alone that is not what was read of it; whatever it is unless given. */
  expected?: Uint8Array;
}

/** Options of {@link ObjectStore.deleteBlob}. */
export interface DeleteBlobOptions extends StoreOptions {
  /**
   * Leaves the blob alone if it was stored or touched at this time or later. Milliseconds since the epoch
   * by the store's clock.
   */
  olderThan?: number;
  /**
   * Called right before each attempt at the deletion, after the blob's age was read: false leaves the blob
   * alone.
   */
  mayDelete?(): boolean;
}

/** Options of {@link ObjectStore.sweepLeftovers}. */
export interface SweepOptions extends StoreOptions {
  /** Counts without removing. */
  dryRun?: boolean;
}

/** Options of {@link ObjectStore.acquireArchive}. */
export interface ArchiveStoreOptions extends StoreOptions {
  /**
   * Whether the config or an operator has named the bucket, so that any will do: one that is not there has no
   * archives. Else a caller has, who may name only buckets of the config.
   */
  isConfigured?: boolean;
}

/** The bytes of a blob from `start` up to `end`, which is not among them. */
export interface BlobRange {
  readonly start: number;
  readonly end: number;
}

/** A number of objects, and their bytes. */
export interface Tally {
  count: number;
  bytes: number;
}

/** An object of a listing. */
export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
  /** When it was stored or touched. Milliseconds since the epoch by the store's clock. */
  modified: number;
}

/** Options of {@link ObjectStore.list}. */
export interface ListOptions extends StoreOptions {
  /**
   * Lists only keys that come after this one, in ascending order, and costs no more than what is read
   * of the listing; "" for all keys.
   */
  after?: string;
}

/**
 * A store of blobs and references, safe for concurrent use by several daemons. Operations are durable when
 * they resolve; the owner closes it.
 */
export interface ObjectStore {
  /** For logs and metrics: `fs` or `s3`. */
  readonly kind: string;
  /**
   * Whether blobs come from elsewhere: then one that is read once, from its start to its end, is better
   * read by {@link getBlobRange} than acquired, which writes it to the disk.
   */
  readonly isRemote: boolean;
  /**
   * The shortest grace that a collection may have here; milliseconds. A writer that was told that a
   * blob is there can rely on it for half of the collection's grace, unless that is shorter.
   */
  readonly minimumGraceMs: number;

  /** Checks that the store can be reached and used. */
  probe(options?: StoreOptions): Promise<void>;

  /**
   * Stores a spooled blob unless it is stored already, and touches one that is, so that collection
   * leaves it alone for another grace period. Durable when it resolves. The spool file is consumed
   * whenever it succeeds. Resolves to whether bytes were sent.
   */
  putBlob(blob: SpooledBlob, options?: StoreOptions): Promise<boolean>;
  /** {@link putBlob} for a small blob in memory (manifest, config). */
  putBlobBytes(digest: Digest, bytes: Uint8Array, options?: StoreOptions): Promise<boolean>;
  /**
   * Resolves to whether the blob is stored with that size, and touches it then. False only where the store
   * itself says so; a blob that cannot be touched counts as missing. Waits for the outcome where a
   * collection is about to delete it.
   */
  hasBlob(digest: Digest, size: number, options?: HasBlobOptions): Promise<boolean>;
  /** Reads a small blob and checks its digest. `maxBytes` bounds what a faulty store can send. */
  getBlobBytes(digest: Digest, maxBytes: number, options?: StoreOptions): Promise<Uint8Array>;
  /**
   * Makes a blob a file that content Workers can open: the embedded store's own, or a download into the
   * spool whose digest was checked. The caller releases it.
   */
  acquireBlob(digest: Digest, size: number, options?: StoreOptions): Promise<LeasedFile>;

  /**
   * Reads a part of a blob of `size` bytes into memory that is the caller's from then on. Nothing is checked
   * but the sizes: the caller checks the digest of the whole once it has read that, and acquires the blob
   * where it does not fit, which tells whose fault that is.
   */
  getBlobRange(
    digest: Digest,
    size: number,
    range: BlobRange,
    options?: StoreOptions,
  ): Promise<Uint8Array<ArrayBuffer>>;

  /**
   * Reads a reference, past any cache. NOT_FOUND for one that is listed is the store's contradiction,
   * which its reader has to take for UNAVAILABLE.
   */
  getRef(key: string, options?: StoreOptions): Promise<Uint8Array>;
  /**
   * Creates or replaces a reference in one step; what was written has been read back when it resolves,
   * unless another writer has replaced it since. Bytes that depend on what is there go by
   * {@link replaceRef}.
   */
  putRef(key: string, bytes: Uint8Array, options?: StoreOptions): Promise<void>;
  /**
   * Replaces a reference, or creates it where `expected` is undefined, if it still is what was read of it.
   * Resolves to whether it did and these bytes are there: false where another writer was faster, and
   * where another has written since. On S3 that another writer is noticed rests on conditional writes
   * (`If-Match`); on a server that lacks them, one that writes within the same moment may be replaced.
   */
  replaceRef(
    key: string,
    expected: Uint8Array | undefined,
    bytes: Uint8Array,
    options?: StoreOptions,
  ): Promise<boolean>;
  /**
   * Replaces a reference if `decide`, given the current bytes, returns new ones. Resolves to whether it
   * did: of several callers that decide on the same state, one succeeds, and its bytes are stored then.
   * On S3 that takes half a minute; see `S3References.compareAndClaim` for what it rests on.
   */
  compareAndClaimRef(
    key: string,
    decide: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options?: StoreOptions,
  ): Promise<boolean>;
  /**
   * Removes a reference, or another object that is no blob, if it exists. Resolves to false where it was left
   * alone. S3 has no removal on condition that all servers know: what is written between the look at
   * the reference and its removal is removed.
   */
  deleteRef(key: string, options?: DeleteRefOptions): Promise<boolean>;

  /** Puts a spool file under a free key that is neither blob nor reference (terminal logs). Consumes it. */
  putObject(key: string, file: SpooledBlob, options?: StoreOptions): Promise<void>;
  /** Makes a plain archive `<object>@<bucket>` a file that content Workers can open; see {@link acquireBlob}. */
  acquireArchive(
    object: string,
    bucket: string,
    options?: ArchiveStoreOptions,
  ): Promise<LeasedFile>;

  /**
   * Lists objects whose key starts with `prefix`; a listing may lag behind. They come in no particular
   * order unless {@link ListOptions.after} is given.
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;
  /** Deletes a blob; only collection does this. Resolves to whether it was stored and is deleted now. */
  deleteBlob(digest: Digest, options?: DeleteBlobOptions): Promise<boolean>;
  /** Removes what interrupted writers left before `olderThan` (temporary files, unfinished uploads). */
  sweepLeftovers(olderThan: number, options?: SweepOptions): Promise<Tally>;
  /** Returns the time by the clock that the store stamps objects with. Milliseconds since the epoch. */
  now(options?: StoreOptions): Promise<number>;

  /** Ends what is running and frees connections. */
  close(): Promise<void>;
}
