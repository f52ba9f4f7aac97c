import type { PackStats, RestoreResult, Tree } from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import type { Lineage } from "./lineage.ts";

/** The owner of an image's content, across all instances of a workspace. */
export interface WorkspaceIdentity {
  readonly owner: string;
  readonly metaId: string;
}

/** An image that was stored and is referred to. */
export interface SavedImage {
  /** The url by which a caller restores it. */
  url: string;
  manifest: Digest;
  stats: PackStats;
  /** Whether nothing was written, since the identity's backups have it already. */
  isUnchanged?: boolean;
  /** What a backup met of other lineages; absent where it met nothing. */
  otherLineages?: OtherLineages;
}

/** Backups of lineages that a backup did not go on from, by their urls. */
export interface OtherLineages {
  /** The identity's last backup until now, which is kept because nobody went on from it. */
  displaced?: string;
  /** Last backups of other lineages that were let go, because there were too many of them. */
  dropped: string[];
}

/** An image, or a plain archive, that was restored. */
export interface RestoredImage extends RestoreResult {
  /** Absent for a plain archive. */
  manifest?: Digest;
}

/** Options of saving a tree. */
export interface SaveOptions {
  /** Baseline name, so that only what changed is stored; the workspace's id. */
  baseline: string;
  /** The lineage that the tree is of; unknown unless given. */
  lineage?: Lineage;
  /** Whether the tree is deleted after this save. */
  isLast?: boolean;
  /** Whether the kernel limits what the tree takes. */
  isLimited?: boolean;
  /** Whether a backup that would be the same as the latest one is left out. */
  skipUnchanged?: boolean;
  /** Whether a backup is refused with ALREADY_EXISTS where the identity has one. */
  mustBeFirst?: boolean;
  signal?: AbortSignal | undefined;
}

/** A terminal log longer than this is cut. */
export const MAX_LOG_BYTES = 64 << 20;

/** Options of {@link Images.saveLog}: which log it is. */
export interface SaveLogOptions {
  identity: WorkspaceIdentity;
  /** The workspace's id. */
  instance: string;
  /** The name that tells the log from others of the instance. */
  task: string;
  signal?: AbortSignal | undefined;
}

/** Options of restoring an image. */
export interface RestoreImageOptions {
  /** Bytes on disk that the tree may take. */
  limitBytes?: number;
  /** The quota that the tree is going to have, in bytes; its own content may exceed it. */
  quotaBytes?: number;
  signal?: AbortSignal | undefined;
}

/** Saves and restores images of workspaces, on top of an object store and the content Workers. */
export interface Images {
  /** Checks a snapshot name's form. @throws {DaemonError} INVALID_ARGUMENT naming `path` */
  checkSnapshotName(name: string, path: string): void;
  /** Returns a new url for a snapshot of this identity; nothing is stored yet. */
  newSnapshotUrl(identity: WorkspaceIdentity): string;
  /** Resolves to whether a snapshot url of ours can be restored. */
  snapshotExists(url: string, signal?: AbortSignal): Promise<boolean>;
  /** Packs the tree and makes `url` refer to the image. */
  saveSnapshot(tree: Tree, url: string, options: SaveOptions): Promise<SavedImage>;
  /**
   * Packs the tree and makes it the identity's backup, replacing the previous one in one step. The last
   * backup of another lineage is kept beside it.
   */
  saveBackup(tree: Tree, identity: WorkspaceIdentity, options: SaveOptions): Promise<SavedImage>;
  /**
   * Restores a snapshot, a backup by its url or a plain archive into an empty staging tree. NOT_FOUND if
   * unknown; also for a backup that is not kept any more.
   */
  restoreSnapshot(tree: Tree, name: string, options: RestoreImageOptions): Promise<RestoredImage>;
  /**
   * Restores the identity's backup, or the archive that an older daemon has left of it. FAILED_PRECONDITION if
   * it has none.
   */
  restoreBackup(
    tree: Tree,
    identity: WorkspaceIdentity,
    options: RestoreImageOptions,
  ): Promise<RestoredImage>;
  /** Stores a terminal log, a regular file of the tree, under the workspace instance. */
  saveLog(tree: Tree, path: string, options: SaveLogOptions): Promise<void>;
}
