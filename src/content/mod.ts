/**
 * The content Workers, as the daemon's own thread sees them: the {@link Content} interface, and
 * {@link connectContent}, which implements it by messages.
 *
 * Content Workers are the only code that touches a workspace's content. They hold handles of the
 * root's areas and resolve every path beneath one. Start reading at
 *
 * - `content.ts`: the areas, and what each method promises;
 * - `dispatcher.ts`, `protocol.ts`, `operations/mod.ts`: how a request reaches a Worker, and every
 *   operation by name;
 * - `pack/mod.ts`: how an image is made; `baseline/`: what a node remembers of it;
 * - `restore/restore.ts`: how an image is restored; `extract/`: how a foreign archive is;
 * - `volume/volume.ts`: what a root's file system can do with whole trees;
 * - `bases.ts`: the read-only trees that workspaces are started from by cloning them;
 * - `folders.ts`: how a folder that somebody else made is filled in place;
 * - `delete_entry.ts`: how a tree is deleted while somebody still writes to it.
 *
 * `worker.ts` is the thread itself, started by URL.
 */

export type { BaseFacts, BaseRecord, Bases, FrozenCopy, NewBase } from "./bases.ts";
export type { Content, Leftovers } from "./content.ts";
export type { ContentEntry, MovedPath, Owner, PathState, Tree, TreeFolder } from "./tree.ts";
export { NO_FOLDER, type TreeFolderClaim } from "./tree.ts";
export type { Folders } from "./folders.ts";
export type { LayerDescriptor } from "../image/mod.ts";
export type { Omissions } from "./omissions.ts";
export type {
  Excluded,
  PackExcludes,
  PackOptions,
  PackResult,
  PackStats,
} from "./pack/pack_result.ts";
export type { BlobStream, RestoreOptions, RestoreResult } from "./restore/restore_result.ts";
export { limitExceeded } from "./budget.ts";
export { contentError } from "./content_errors.ts";
export { DIRECTORY_BYTES, fileBytes, largestFile } from "./disk_usage.ts";
export { connectContent, type ConnectedContent } from "./connect_content.ts";
export { groupOf, isAnonymous } from "./tree_names.ts";
export type { IdRange, IdRenumbering } from "./id_map.ts";
export type { VolumeChoice, VolumeDriver } from "./volume/choose_volume.ts";
export type { VolumeKind, VolumeUsage } from "./volume/volume.ts";
export type { Areas, ContentWorkerStart, FromContentWorker } from "./worker_start.ts";
