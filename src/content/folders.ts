/**
 * Folders among the workspaces that somebody else made, to be filled in place: a container's volume
 * is there before its content, and keeps the folder that it was given. Nothing can be renamed over
 * it, so the content is made in staging, as ever, and then moved into it entry by entry.
 *
 * A folder is known by its inode and the time when that was made: what is at the same path later may
 * be another one, where a volume was unmounted or replaced.
 */

import type { Tree } from "./tree.ts";

/** What can be done with such folders; failures are DaemonErrors, with codes as in `Content`. */
export interface Folders {
  /**
   * Looks whether the folder of a workspace is there and can be filled.
   * @param owners user ids that it may belong to
   * @returns its id; `undefined` where there is nothing
   * @throws {DaemonError} ALREADY_EXISTS where it is not empty, a link or no folder;
   *   FAILED_PRECONDITION where it belongs to somebody else
   */
  inspect(name: string, owners: readonly number[]): Promise<string | undefined>;
  /** Returns whether an entry of `workspaces` is an empty folder. */
  isEmpty(name: string): Promise<boolean>;
  /** Returns the id of a tree's folder, which it keeps when the tree is published. */
  idOf(tree: Tree): Promise<string>;
  /**
   * Moves what is in a staging tree into an empty folder, which gets the owner, mode and attributes of
   * the tree's top last. All of it is durable then. Where the folder is on another file system, it is
   * copied first into a closed folder there. After a failure the folder may hold a part.
   * @param to published tree with the folder's id
   * @returns whether it was copied, so that no baseline of the tree describes it
   * @throws {DaemonError} ALREADY_EXISTS where there is something in the folder: nothing was put there;
   *   CONTENT_CONFLICT where somebody puts entries of the same names there meanwhile
   */
  fill(from: Tree, to: Tree): Promise<{ copied: boolean }>;
}
