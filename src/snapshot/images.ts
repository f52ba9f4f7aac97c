import type { PackStats, RestoreResult, Tree } from "../content/mod.ts";
import type { Digest } from "../digest.ts";

/** Whose content an image is. */
export interface WorkspaceIdentity {
  readonly owner: string;
  readonly metaId: string;
}

/** An image that was stored and is referred to. */
export interface SavedImage {
  /** What a caller can restore it by. */
  url: string;
  manifest: Digest;
  stats: PackStats;
}

/** How a tree is saved. */
export interface SaveOptions {
  /** Baseline name, so that only what changed is stored; the workspace's id. */
  baseline: string;
  signal?: AbortSignal | undefined;
}

/** A terminal log longer than this is cut. */
export const MAX_LOG_BYTES = 64 << 20;

/** Whose terminal log is stored. */
export interface SaveLogOptions {
  identity: WorkspaceIdentity;
  /** The workspace's id. */
  instance: string;
  /** What tells the log from others of the instance. */
  task: string;
  signal?: AbortSignal | undefined;
}

/** How an image is restored. */
export interface RestoreImageOptions {
  /** Bytes on disk that the tree may take. */
  limitBytes?: number;
  signal?: AbortSignal | undefined;
}

/** Saving and restoring images of a workspace, on top of an object store and the content Workers. */
export interface Images {
  /** Checks a snapshot name's form. @throws DaemonError INVALID_ARGUMENT naming `path`. */
  checkSnapshotName(name: string, path: string): void;
  /** A fresh url for a snapshot of this identity; nothing is stored yet. */
  newSnapshotUrl(identity: WorkspaceIdentity): string;
  /** Whether a snapshot url of ours can be restored. */
  snapshotExists(url: string, signal?: AbortSignal): Promise<boolean>;
  /** Packs the tree and makes `url` refer to the image. */
  saveSnapshot(tree: Tree, url: string, options: SaveOptions): Promise<SavedImage>;
  /** Packs the tree and makes it the identity's backup, replacing the previous one in one step. */
  saveBackup(tree: Tree, identity: WorkspaceIdentity, options: SaveOptions): Promise<SavedImage>;
  /** Restores a snapshot (ours, or a plain archive) into an empty staging tree. NOT_FOUND if unknown. */
  restoreSnapshot(tree: Tree, name: string, options: RestoreImageOptions): Promise<RestoreResult>;
  /** Restores the identity's backup. FAILED_PRECONDITION if it has none. */
  restoreBackup(
    tree: Tree,
    identity: WorkspaceIdentity,
    options: RestoreImageOptions,
  ): Promise<RestoreResult>;
  /** Stores a terminal log, a regular file of the tree, under the workspace instance. */
  saveLog(tree: Tree, path: string, options: SaveLogOptions): Promise<void>;
}
