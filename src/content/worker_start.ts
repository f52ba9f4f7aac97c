/** How a content Worker is started, which is said once, by the process that spawned it. */

/** Absolute paths of the folders that a content Worker may reach. */
export interface Areas {
  workspaces: string;
  staging: string;
  trash: string;
  spool: string;
  /** Git's private folders, one for each use. */
  scratch: string;
  baselines: string;
  /** Absent where the store is not on this file system. */
  blobs?: string;
}

export interface ContentWorkerStart {
  kind: "start";
  /** Absolute path of libc, the one library that the Worker may load. */
  libc: string;
  areas: Areas;
  /** Where requests come from. */
  port: MessagePort;
}

/** What it answers where it cannot start, and never serves then. */
export interface ContentWorkerFailed {
  kind: "failed";
  message: string;
}
