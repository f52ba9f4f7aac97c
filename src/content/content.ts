/**
 * What the rest of the daemon may ask of the content Workers.
 *
 * The Workers are the only code that touches a workspace's content, and they reach it only through
 * directory handles beneath the areas of the root. Everything here is a message to a pool of
 * Workers, one a core; the daemon's own thread never reads or writes content.
 *
 * Rooms: `workspaces` (published, visible), `staging` (being made), `trash` (being deleted), `spool`
 * (files on their way to or from the store), `scratch` (Git's private folders),
 * `baselines` (what this node knows of a published tree since its last image; durable) and `blobs`
 * (the embedded store's blobs, read only). What a killed daemon leaves in staging, trash, spool and
 * scratch is deleted by the next one, beside its other work.
 */

import type { Digest } from "../digest.ts";
import type { LayerDescriptor } from "../image/mod.ts";
import type { LeasedFile, LocalFile, SpooledBlob } from "../spool.ts";

export type { LayerDescriptor };

/** A content tree: `workspaces/<name>` or `staging/<name>`. */
export interface Tree {
  readonly area: "workspaces" | "staging";
  readonly name: string;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface OperationOptions {
  signal?: AbortSignal;
}

export interface PackOptions extends OperationOptions {
  /**
   * Layers of the previous image that are certainly still in the store, oldest first. With the
   * baseline they make this pack a delta; unchanged files whose layer is not listed are read again.
   */
  reuse: readonly LayerDescriptor[];
  /** Baseline to compare with, if there is one; the new one is written beside it, uncommitted. */
  baseline?: string;
  /**
   * Called as each new layer is complete in the spool, so that it is stored while packing goes on.
   * A rejection fails the pack. The callee owns the spool file.
   */
  onLayer(layer: SpooledBlob & LayerDescriptor): Promise<void>;
}

export interface PackStats {
  files: number;
  directories: number;
  otherEntries: number;
  /** Apparent bytes of regular files in the tree. */
  contentBytes: number;
  /** Regular files whose content was read this time. */
  filesRead: number;
  bytesRead: number;
  newLayers: number;
  newLayerBytes: number;
  /** Sockets, which no archive can hold; at most 100 paths are named. */
  skippedSockets: number;
  /**
   * Paths that changed while they were read, more often than they were looked at again, or whose
   * attributes could not be listed; at most 100 named.
   */
  unstable: string[];
  unstableCount: number;
  /** What a process with the rights of this one could not restore. */
  unrestorable: Omissions;
  /** Entries that this node could not make when it restored them; the image has them all the same. */
  carriedOver: number;
}

export interface PackResult {
  /** The whole image, lowest first: reused layers and new ones. */
  layers: LayerDescriptor[];
  /** The index blob, in the spool. The callee owns the file. */
  index: SpooledBlob;
  /** Token of the uncommitted new baseline; see {@link Content.commitBaseline}. */
  newBaseline: string;
  /** Why the baseline that was given could not be gone by; then everything was read. */
  baselineProblem?: string;
  stats: PackStats;
}

export interface RestoreOptions extends OperationOptions {
  layers: readonly LayerDescriptor[];
  /** Absent where the image was made or copied by others: then the layers are applied one by one. */
  index?: { digest: Digest; size: number };
  /**
   * Brings a blob within reach; called when its content is needed, several at once. The Workers
   * check every digest before the tree counts as restored. `release` is called when done with it.
   */
  fetch(blob: { digest: Digest; size: number }): Promise<LeasedFile>;
  /** RESOURCE_EXHAUSTED once more than this would be taken on disk. */
  limitBytes?: number;
  /** Whether the image is ours: others lose set-id bits, devices and privileged xattrs. */
  trusted: boolean;
}

/**
 * Of what a restore could not bring back as it was, and of what policy does not let a foreign archive
 * bring: `device`, `fifo`, `symlink`, `file`, `directory` and `link` are missing, `set-id` bits, an
 * `owner` and an `xattr` are missing from what is there, a `time` is the nearest that the file system
 * has, a `copied-link` is a file of its own where the file system takes no more links, and
 * `trailing-data` was ignored behind an archive's end.
 */
export type OmissionKind =
  | "copied-link"
  | "device"
  | "directory"
  | "fifo"
  | "file"
  | "link"
  | "owner"
  | "set-id"
  | "symlink"
  | "time"
  | "trailing-data"
  | "xattr";

export interface Omissions {
  counts: Partial<Record<OmissionKind, number>>;
  /** Each a kind and a path; at most 10. */
  examples: readonly string[];
}

export const NO_OMISSIONS: Omissions = { counts: {}, examples: [] };

export interface RestoreResult {
  files: number;
  contentBytes: number;
  /** What the tree takes on disk, as limits count it; bytes. */
  diskBytes: number;
  /** What did not come back as it was. */
  omitted: Omissions;
  /** Token of an uncommitted baseline, so that the next backup is a delta; absent without an index. */
  newBaseline?: string;
}

export interface ArchiveOptions extends OperationOptions {
  compression: "none" | "gzip" | "zstd";
  limitBytes?: number;
}

/** What an earlier daemon has left behind, which nothing refers to any more. */
export interface Leftovers {
  /** Names of trees in staging. */
  readonly staging: readonly string[];
  /** Groups of trees in the trash; see `tree_names.ts`. */
  readonly trash: readonly string[];
  /** Names of Git's private folders. */
  readonly scratch: readonly string[];
  /** Names of files in the spool. */
  readonly spool: readonly string[];
  /** Tokens of uncommitted baselines. */
  readonly tokens: readonly string[];
  /** Absolute paths of what is not ours and stays. */
  readonly foreign: readonly string[];
}

export interface ContentEntry {
  name: string;
  type: "file" | "directory" | "symlink" | "other";
  /** Bytes. */
  size: number;
}

/** What stands at a path. Names are bytes here, as Git has them. */
export type PathState =
  | { type: "absent" | "other" }
  /** An ancestor of the path is no directory: its path. */
  | { type: "blocked"; blocker: Uint8Array }
  | { type: "directory"; isEmpty: boolean }
  | { type: "symlink"; target: Uint8Array }
  | {
    type: "file";
    /** Bytes. */
    size: number;
    mtime: { readonly sec: number; readonly nsec: number };
    /** Permission, set-id and sticky bits. */
    permissions: number;
  };

/** A folder of a tree; `folder` is empty for its top. */
export interface TreeFolder {
  readonly tree: Tree;
  readonly folder: string;
}

/** An entry to move; both paths are beneath their folders. */
export interface MovedPath {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/**
 * `taken`: something else has the place, or stands where a parent of it would be; of a directory, that
 * what it holds was moved as far as its places were free.
 */
export type MoveResult = "moved" | "absent" | "taken";

/**
 * The content Workers. Every method throws a DaemonError: INVALID_ARGUMENT for a path that leaves
 * its tree, NOT_FOUND, DATA_LOSS (a blob fails its digest or is malformed; it is named),
 * RESOURCE_EXHAUSTED (quota or disk), ABORTED (the signal), INTERNAL.
 */
export interface Content {
  /** How many Workers there are. */
  readonly workers: number;

  /**
   * Makes an empty staging tree with mode 0755. One that is made for a workspace is deleted with what
   * else is that workspace's, should it be left behind.
   */
  create(owner: Owner, workspace?: string): Promise<Tree>;
  /**
   * Moves a staging tree to `workspaces/<id>` in one durable step; ALREADY_EXISTS where it is
   * taken. Nothing of the tree is visible before.
   */
  publish(tree: Tree, id: string): Promise<void>;
  /**
   * Moves the tree to the trash in one durable step and then deletes it, and whatever else of the same
   * workspace is in staging or in the trash; where the disk has no room for that step, deletes it where
   * it is. No error where nothing is there.
   * @throws {DaemonError} FAILED_PRECONDITION naming the absolute path of what cannot be deleted, what
   *   keeps it and what to do; everything else is gone then, and the call can be repeated
   */
  remove(tree: Tree, options?: OperationOptions): Promise<void>;
  /** Removes everything in a staging tree, keeping the tree. */
  clear(tree: Tree): Promise<void>;
  /** Whether the tree, or anything else in its place, is there. */
  exists(tree: Tree): Promise<boolean>;
  /** Names of the published trees, and of whatever else is among them. */
  published(): Promise<string[]>;
  /** Finds what an earlier daemon has left; for the start, before anything is made. */
  leftovers(): Promise<Leftovers>;
  /** Deletes a group of trees in the trash. @throws {DaemonError} as {@link remove} */
  deleteTrash(group: string, options?: OperationOptions): Promise<void>;
  /**
   * Deletes the leftovers that are no trees.
   * @returns a message for each that could not be deleted
   */
  discardLeftovers(
    leftovers: Pick<Leftovers, "scratch" | "spool" | "tokens">,
    options?: OperationOptions,
  ): Promise<string[]>;

  /** Packs a tree into layers and an index. */
  pack(tree: Tree, options: PackOptions): Promise<PackResult>;
  /** Restores an image into an empty staging tree. */
  restore(tree: Tree, options: RestoreOptions): Promise<RestoreResult>;
  /**
   * Extracts a plain, hostile tar archive from the spool or the store into a staging tree, as GNU tar
   * would (`tar -xp --numeric-owner`) where that is safe. FAILED_PRECONDITION, naming the entry, for
   * one that is malformed, ends early or wants out of the tree; the tree is then to be thrown away.
   */
  extract(tree: Tree, archive: LocalFile, options: ArchiveOptions): Promise<RestoreResult>;

  /**
   * The layers of the image that baseline `name` describes, oldest first; none where there is no such
   * baseline, or none that can be gone by, with the problem then. What of them is still in the store
   * may be given to {@link pack} as `reuse`.
   */
  baselineLayers(name: string): Promise<{ layers: LayerDescriptor[]; problem?: string }>;
  /** Makes `token` the baseline `name`, durably. */
  commitBaseline(token: string, name: string): Promise<void>;
  /** Forgets a baseline or an uncommitted token. No error if it is not there. */
  dropBaseline(nameOrToken: string): Promise<void>;

  /** Makes a directory and its missing parents in the tree. */
  makeDirectory(tree: Tree, path: string, owner: Owner): Promise<void>;
  /** Gives a directory of a staging tree to `owner`, who may then write in it; not what it holds. */
  giveDirectory(tree: Tree, path: string, owner: Owner): Promise<void>;
  /** Moves a spool file to `path` in the tree (parents made, an existing file replaced, links refused). */
  place(tree: Tree, path: string, file: LocalFile, owner: Owner, mode: number): Promise<void>;
  /** Entries of one directory of the tree, without following links. */
  list(tree: Tree, path: string): Promise<ContentEntry[]>;
  /**
   * Copies a regular file (never a link) of the tree to the spool, with its modification time; it is
   * cut at `maxBytes`.
   */
  copyOut(tree: Tree, path: string, maxBytes: number): Promise<SpooledBlob>;
  /** Deletes a spool file that its owner has no use for any more. No error if it is not there. */
  discard(file: LocalFile): Promise<void>;
  /**
   * Opens a directory of the tree and hands out a name for it that keeps meaning that directory
   * whatever is renamed meanwhile (`/proc/self/fd/<n>`): the `cwd` of a child process, also of one
   * with another uid (which `/proc/<pid>/fd/<n>` is closed to). It means nothing after `exec`.
   */
  openDirectory(
    tree: Tree,
    path: string,
  ): Promise<{ path: string; owner: Owner; close(): Promise<void> }>;
  /** Reports what stands at paths beneath `folder`, in their order; links are not followed. */
  inspectPaths(tree: Tree, folder: string, paths: readonly Uint8Array[]): Promise<PathState[]>;
  /**
   * Moves entries between folders of staging trees, in their order. Nothing is replaced, directories
   * merge; missing parents are made and belong to `owner`.
   * @returns what became of each
   */
  movePaths(
    from: TreeFolder,
    to: TreeFolder,
    moves: readonly MovedPath[],
    owner: Owner,
  ): Promise<MoveResult[]>;
  /** Hashes a regular file (never a link): SHA-256 in hexadecimal, and its size in bytes. */
  hashFile(
    tree: Tree,
    folder: string,
    path: Uint8Array,
    options?: OperationOptions,
  ): Promise<{ sha256: string; size: number }>;
  /** The text of a symbolic link. */
  readLink(tree: Tree, path: string): Promise<Uint8Array>;
  /** Bytes that a tree takes on disk, as limits count them, and its entries. */
  usage(tree: Tree): Promise<{ bytes: number; entries: number }>;
}
