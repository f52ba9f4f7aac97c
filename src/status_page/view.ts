/** What the status page shows. */

import type { Operation } from "../operations/mod.ts";

/** A file system that the node needs. */
export interface DiskView {
  /** What is on it: `root` or `store`. */
  area: string;
  /** Bytes. */
  free: number;
  size: number;
}

/** A workspace in a line. */
export interface WorkspaceLine {
  id: string;
  owner: string;
  metaId: string;
  state: string;
  /** Bytes on disk; absent where nobody counts them. */
  usedBytes?: number;
  /** Bytes; 0 for none. */
  quotaBytes: number;
}

/** A node at one moment. Times are in milliseconds since the epoch. */
export interface NodeView {
  version: string;
  deno: string;
  startedAt: number;
  now: number;
  ready: { ok: boolean; message: string };
  /** The kind of the object store, such as `s3`. */
  store: string;
  disks: readonly DiskView[];
  /** When the first certificate ends; absent without TLS. */
  certificateEnds?: number;
  /** Sorted by id. */
  workspaces: readonly WorkspaceLine[];
  /** What runs and what has ended, in the order in which it began. */
  operations: readonly Operation[];
}
