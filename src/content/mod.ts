/**
 * The content Workers, as the daemon's own thread sees them: the `Content` interface and the pool that
 * implements it by messages.
 *
 * Content Workers are the only code that touches a workspace's content. They hold handles of the areas of
 * the root and resolve every path beneath one; see `content.ts` for the areas and for what each method
 * promises, `pack/pack.ts` for how an image is made and `restore/restore.ts` for how one is restored.
 * `worker.ts` is the thread itself, started by URL.
 */

export type {
  Content,
  ContentEntry,
  LayerDescriptor,
  Leftovers,
  MovedPath,
  Omissions,
  Owner,
  PackResult,
  PackStats,
  PathState,
  RestoreResult,
  Tree,
  TreeFolder,
} from "./content.ts";
export { contentError } from "./content_errors.ts";
export { DIRECTORY_BYTES, fileBytes, largestFile } from "./disk_usage.ts";
export { connectContent } from "./pool.ts";
export { groupOf, isAnonymous } from "./tree_names.ts";
export type { Areas, ContentWorkerFailed, ContentWorkerStart } from "./worker_start.ts";
