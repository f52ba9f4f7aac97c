/**
 * The interface of the content Workers for the rest of the daemon.
 *
 * The Workers are the only code that touches a workspace's content, and they reach it only through
 * directory handles of the root's areas. Every method is a message to a pool of Workers, one a
 * core; the daemon's own thread never reads or writes content.
 *
 * Areas: `workspaces` (published, visible), `staging` (trees being made), `trash` (trees being
 * deleted), `spool` (files on their way to or from the store), `scratch` (Git's private folders),
 * `baselines` (what this node knows of each published tree as of its last image; durable), `bases`
 * (read-only trees to be cloned) and `blobs` (the embedded store's blobs, read only). What a killed
 * daemon leaves half-made is deleted by the next one while it serves.
 */

import type { Digest } from "../digest.ts";
import type { ProcessUsage } from "../linux/mod.ts";
import type { Bases } from "./bases.ts";
import type { Folders } from "./folders.ts";
import type { LocalFile, SpooledBlob } from "../spool.ts";
import type { PackOptions, PackResult } from "./pack/pack_result.ts";
import type { BaselineLayers } from "./pack/prepare.ts";
import type { ArchiveOptions, RestoreOptions, RestoreResult } from "./restore/restore_result.ts";
import type {
  ContentEntry,
  MovedPath,
  MoveResult,
  Owner,
  PathState,
  Tree,
  TreeFolder,
} from "./tree.ts";
import type { VolumeChoice, VolumeDriver } from "./volume/choose_volume.ts";
import type { VolumeUsage } from "./volume/volume.ts";

/** Options of methods that take time. */
export interface OperationOptions {
  /** Cancels the operation: its promise rejects with ABORTED once the Worker has stopped. */
  signal?: AbortSignal | undefined;
}

/** Entries that an earlier daemon left behind and nothing refers to any more. */
export interface Leftovers {
  /** Names of trees in staging. */
  readonly staging: readonly string[];
  /** Groups of trees in the trash (`tree_names.ts`). */
  readonly trash: readonly string[];
  /** Names of what was to become a base, and of files whose base is gone. */
  readonly bases: readonly string[];
  /** Names of Git's private folders. */
  readonly scratch: readonly string[];
  /** Names of files in the spool. */
  readonly spool: readonly string[];
  /** Tokens of uncommitted baselines. */
  readonly tokens: readonly string[];
  /** Absolute paths of entries that wsdaemon did not make; they stay. */
  readonly foreign: readonly string[];
}

/**
 * Everything that can be done with content, by messages to the content Workers. Every method
 * rejects with a DaemonError: INVALID_ARGUMENT for a path that leaves its tree, NOT_FOUND,
 * DATA_LOSS (a blob, which is named, has another digest or is malformed), RESOURCE_EXHAUSTED (quota
 * or disk), ABORTED (the signal), INTERNAL.
 */
export interface Content {
  /** The number of Workers that do long work side by side. */
  readonly workers: number;
  /** The read-only trees of images that are kept to be cloned. */
  readonly bases: Bases;
  /** Folders that others make among the workspaces. */
  readonly folders: Folders;

  /**
   * Decides what the trees that are made from now on are, and reports what limits them. Trees that
   * are there go on working, whatever they are. Until then new trees are plain folders.
   * @throws {DaemonError} FAILED_PRECONDITION if a driver is named that cannot work here
   */
  chooseVolume(driver: VolumeDriver): Promise<VolumeChoice>;
  /**
   * Has the kernel limit what a tree takes, whoever writes to it; more than that stays, and cannot
   * grow.
   * @param bytes absent for no limit
   * @returns false if nothing here can limit this tree
   */
  limit(tree: Tree, bytes?: number): Promise<boolean>;
  /**
   * Returns who is at the other end of a unix socket of this process.
   * @throws {DaemonError} where it is no such socket, or is closed
   */
  peerCredentials(fd: number): Promise<{ pid: number; uid: number }>;
  /** Returns what all threads of this process use of what the kernel limits. */
  processUsage(): Promise<ProcessUsage>;
  /** Returns what published trees take and may take, as far as the file system counts that, by id. */
  usages(): Promise<ReadonlyMap<string, VolumeUsage>>;
  /**
   * Makes an empty staging tree with mode 0755.
   * @param workspace id of the workspace that it is for; a tree that a crash leaves behind is
   *   deleted together with that workspace's other trees
   * @param options.isPlain whether it is to be a plain folder whatever new trees are, because its
   *   entries will be moved elsewhere
   */
  create(owner: Owner, workspace?: string, options?: { isPlain?: boolean }): Promise<Tree>;
  /**
   * Moves a staging tree to `workspaces/<id>` in one durable step. Nothing of the tree is visible
   * before, and all of its content is durable before.
   * @throws {DaemonError} ALREADY_EXISTS if the id has content
   */
  publish(tree: Tree, id: string): Promise<void>;
  /**
   * Moves the tree to the trash in one durable step and then deletes it, with every other tree of
   * the same workspace in staging or in the trash. Deletes it in place if the disk is too full for
   * that step. Of a tree whose folder somebody else made, only what is in it is deleted
   * ({@link Tree.folder}). Succeeds if there is no such tree; another folder in its place is left alone.
   * @throws {DaemonError} FAILED_PRECONDITION naming the absolute path of an entry that cannot be
   *   deleted, the cause and the remedy; everything else is deleted, and the call can be repeated
   */
  remove(tree: Tree, options?: OperationOptions): Promise<void>;
  /** Deletes everything in a staging tree, but not the tree. */
  clear(tree: Tree): Promise<void>;
  /** Returns whether the tree, or anything else at its path, exists. */
  exists(tree: Tree): Promise<boolean>;
  /** Returns the names of all entries of `workspaces`, sorted. */
  published(): Promise<string[]>;
  /** Finds what an earlier daemon left. To be called at the start, before anything is made. */
  leftovers(): Promise<Leftovers>;
  /** Deletes a group of trees in the trash. @throws {DaemonError} as {@link remove} */
  deleteTrash(group: string, options?: OperationOptions): Promise<void>;
  /**
   * Deletes leftover Git folders, spool files and uncommitted baselines.
   * @returns a message for each that could not be deleted
   */
  discardLeftovers(
    leftovers: Pick<Leftovers, "scratch" | "spool" | "tokens">,
    options?: OperationOptions,
  ): Promise<string[]>;

  /**
   * Returns whether nothing in a tree has changed since it was in a state that {@link pack} has told:
   * then its image is the same. False where the file system cannot tell.
   */
  isUnchanged(tree: Tree, state: string, options?: OperationOptions): Promise<boolean>;
  /** Packs a tree into layers, an index and a new baseline; `pack/mod.ts` tells how. */
  pack(tree: Tree, options: PackOptions): Promise<PackResult>;
  /** Restores an image into an empty staging tree. */
  restore(tree: Tree, options: RestoreOptions): Promise<RestoreResult>;
  /**
   * Extracts a plain tar archive, treated as hostile, from the spool or the store into a staging
   * tree, as GNU tar would (`tar -xp --numeric-owner`) where that is safe (or `trusted`). After a failure the
   * caller removes the tree.
   * @throws {DaemonError} FAILED_PRECONDITION, naming the entry, if the archive is malformed, ends
   *   early, or has an entry that would leave the tree
   */
  extract(tree: Tree, archive: LocalFile, options: ArchiveOptions): Promise<RestoreResult>;

  /**
   * Returns the layers of the image that baseline `name` describes, as its manifest has them, and its index.
   * Those that are still in the store may be passed to {@link pack} as `reuse`, the index as `reuseIndex` if
   * all of it is there. There are none, and a `problem`,
   * if the baseline cannot be used; none and no problem if it does not exist.
   */
  baselineLayers(name: string): Promise<BaselineLayers>;
  /** Makes the uncommitted baseline `token` the baseline `name`, durably and in one step. */
  commitBaseline(token: string, name: string): Promise<void>;
  /** Deletes a committed or uncommitted baseline. Succeeds if it does not exist. */
  dropBaseline(nameOrToken: string): Promise<void>;

  /** Makes a directory and its missing parents, with mode 0755. Succeeds if it exists. */
  makeDirectory(tree: Tree, path: string, owner: Owner): Promise<void>;
  /**
   * Changes the owner of a directory of a staging tree, not of its entries; the owner may write in
   * it.
   */
  chownDirectory(tree: Tree, path: string, owner: Owner): Promise<void>;
  /**
   * Moves a spool file, or copies one of the store, to `path` in the tree. Makes missing parents
   * and replaces a regular file; refuses anything else that is there with INVALID_ARGUMENT.
   * @param mode permission bits
   */
  place(tree: Tree, path: string, file: LocalFile, owner: Owner, mode: number): Promise<void>;
  /**
   * Places the file `.gitpod/ready` in a published tree, by a rename and durably.
   * @throws {DaemonError} where `.gitpod` is no folder
   */
  placeReadyFile(tree: Tree, text: string, owner: Owner): Promise<void>;
  /** Removes that file. Succeeds where there is none. */
  removeReadyFile(tree: Tree): Promise<void>;
  /** Returns the entries of one directory, sorted by name; links are not followed. */
  list(tree: Tree, path: string): Promise<ContentEntry[]>;
  /**
   * Copies a regular file (never a link), or its first `maxBytes` bytes, to the spool with its
   * modification time. The caller owns the copy.
   */
  copyOut(tree: Tree, path: string, maxBytes: number): Promise<SpooledBlob>;
  /**
   * Reads a blob that is on this node, and checks its digest and size.
   * @throws {DaemonError} DATA_LOSS naming the blob
   */
  verifyBlob(
    file: LocalFile,
    blob: { digest: Digest; size: number },
    options?: OperationOptions,
  ): Promise<void>;
  /** Deletes a spool file. Succeeds if it does not exist. */
  discard(file: LocalFile): Promise<void>;
  /**
   * Opens a directory of the tree and returns a path (`/proc/self/fd/<n>`) that names this
   * directory whatever is renamed, until `close` is called. It serves as the `cwd` of a child
   * process, also of one with another uid, to which `/proc/<pid>/fd/<n>` is closed. It is not valid
   * after `exec`.
   */
  openDirectory(
    tree: Tree,
    path: string,
  ): Promise<{ path: string; owner: Owner; close(): Promise<void> }>;
  /** Returns what is at each path below `folder`, in their order; links are not followed. */
  inspectPaths(tree: Tree, folder: string, paths: readonly Uint8Array[]): Promise<PathState[]>;
  /**
   * Moves entries between folders of staging trees, in their order. Replaces nothing, merges
   * directories, and makes missing parents, which belong to `owner`.
   * @returns the outcome of each move, in their order
   */
  movePaths(
    from: TreeFolder,
    to: TreeFolder,
    moves: readonly MovedPath[],
    owner: Owner,
  ): Promise<MoveResult[]>;
  /** Returns a regular file's SHA-256 in hexadecimal and its size in bytes; refuses links. */
  hashFile(
    tree: Tree,
    folder: string,
    path: Uint8Array,
    options?: OperationOptions,
  ): Promise<{ sha256: string; size: number }>;
  /** Returns the target of a symbolic link. */
  readLink(tree: Tree, path: string): Promise<Uint8Array>;
  /**
   * Returns the bytes that a tree takes on disk, as limits count them, and its number of entries.
   */
  usage(tree: Tree): Promise<{ bytes: number; entries: number }>;
}
