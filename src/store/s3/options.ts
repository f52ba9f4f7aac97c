/** What an S3 store is configured by. */

import type { S3Storage } from "./s3_storage.ts";

/** `storage` of the config, described in its schema, of which keys with a default may be left out. */
export type S3Options =
  & Omit<S3Storage, "archiveBuckets" | "forcePathStyle">
  & Partial<Pick<S3Storage, "archiveBuckets" | "forcePathStyle">>;

/** How hard an S3 store tries, and how much it does at a time. */
export interface S3Tuning {
  /** Attempts at one request without progress in between. */
  attempts: number;
  /** First pause between attempts; doubled each time, with full jitter; milliseconds. */
  baseDelayMs: number;
  /** Longest such pause; milliseconds. */
  maxDelayMs: number;
  /** An attempt ends when nothing moved in either direction for this long; milliseconds. */
  stallMs: number;
  /** The same while the server joins the parts of an object, or copies one; milliseconds. */
  workMs: number;
  /** A way to the server that is slower than this counts as none; bytes a second. */
  slowestRate: number;
  /** Requests under way at a time, over all operations. */
  connections: number;
  /** Parts of one object under way at a time. */
  partsPerObject: number;
  /** Files above this go up in parts; bytes. */
  multipartThreshold: number;
  /** Bytes of a part or range; at least 5 MiB for uploads, says S3. */
  partSize: number;
  /** Blobs stored or touched longer ago are touched; at most half the grace of collection. */
  touchAfterMs: number;
  /** How long reading and replacing a reference may take where it is claimed; milliseconds. */
  claimMs: number;
  /** When a claim counts: longer than anybody else's can still take; milliseconds. */
  settleMs: number;
}

/** How hard a daemon's S3 store tries. */
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
  touchAfterMs: 12 * 3600_000,
  claimMs: 10_000,
  settleMs: 30_000,
};
