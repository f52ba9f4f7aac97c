/**
 * The content Workers, as the daemon's own thread sees them: the `Content` interface and the pool that
 * implements it by messages.
 *
 * Content Workers are the only code that touches a workspace's content. They hold handles of the areas of
 * the root and resolve every path beneath one; see `content.ts` for the areas and for what each method
 * promises, `pack/pack.ts` for how an image is made and `restore/restore.ts` for how one is restored.
 * `worker.ts` is the thread itself, started by URL.
 */

export type { Content, Leftovers } from "./content.ts";
export type { ContentEntry, MovedPath, Owner, PathState, Tree, TreeFolder } from "./tree.ts";
export type { LayerDescriptor } from "../image/mod.ts";
export type { Omissions } from "./omissions.ts";
export type { PackResult, PackStats } from "./pack/pack_result.ts";
export type { RestoreResult } from "./restore/restore_result.ts";
export { contentError } from "./content_errors.ts";
export { DIRECTORY_BYTES, fileBytes, largestFile } from "./disk_usage.ts";
export { connectContent } from "./connect_content.ts";
export { groupOf, isAnonymous } from "./tree_names.ts";
export type { Areas, ContentWorkerFailed, ContentWorkerStart } from "./worker_start.ts";
