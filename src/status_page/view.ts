/** What the status page shows. */

import type { NodeInfo } from "../admin/mod.ts";
import type { Operation } from "../operations/mod.ts";

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

/** A node at one moment, with what is on it. */
export interface NodeView extends NodeInfo {
  /** Milliseconds since the epoch. */
  now: number;
  /** Sorted by id. */
  workspaces: readonly WorkspaceLine[];
  /** What runs and what has ended, in the order in which they began. */
  operations: readonly Operation[];
}
