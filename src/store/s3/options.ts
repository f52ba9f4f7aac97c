/** The options and the tuning of an S3 store. */

import type { S3Storage } from "./s3_storage.ts";

/** The config's `storage`, described in its schema; keys that have a default may be missing. */
export type S3Options =
  & Omit<S3Storage, "archiveBuckets" | "forcePathStyle">
  & Partial<Pick<S3Storage, "archiveBuckets" | "forcePathStyle">>;

/** Limits of an S3 store: of attempts, of times, and of work at a time. */
export interface S3Tuning {
  /** Maximum consecutive attempts at one request without progress. */
  attempts: number;
  /** The delay after the first attempt, doubled after each, with full jitter. Milliseconds. */
  baseDelayMs: number;
  /** Bounds that delay. Milliseconds. */
  maxDelayMs: number;
  /** An attempt ends when no byte moved in either direction for this long. Milliseconds. */
  stallMs: number;
  /** The same limit while the server joins the parts of an object, or copies one. Milliseconds. */
  workMs: number;
  /** The slowest rate that still counts as progress. Bytes a second. */
  slowestRate: number;
  /** Requests under way at a time, of all operations together. */
  connections: number;
  /** Parts of one object under way at a time. */
  partsPerObject: number;
  /** Files larger than this are sent in parts. Bytes. */
  multipartThreshold: number;
  /** Size of a part of an upload, for which S3 requires 5 MiB, and of a range of a download. Bytes. */
  partSize: number;
  /** Keys of one page of a listing; servers give no more than 1,000. */
  keysPerPage: number;
  /** Blobs older than this are touched; at most half the grace period of collection. Milliseconds. */
  touchAfterMs: number;
  /** Bounds the read and the write of a claim; see `S3References.compareAndClaim`. Milliseconds. */
  claimMs: number;
  /** The wait between the write and the last read of a claim; more than `claimMs`. Milliseconds. */
  settleMs: number;
}

/** The tuning of a daemon's S3 store. */
export const DEFAULT_TUNING: S3Tuning = {
  attempts: 8,
  baseDelayMs: 200,
  maxDelayMs: 20_000,
  stallMs: 15_000,
  workMs: 120_000,
  slowestRate: 64 << 10,
  connections: 12,
  partsPerObject: 4,
  multipartThreshold: 32 << 20,
  partSize: 16 << 20,
  keysPerPage: 1000,
  touchAfterMs: 12 * 3600_000,
  claimMs: 10_000,
  settleMs: 30_000,
};
