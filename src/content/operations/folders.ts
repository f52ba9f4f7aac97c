/** Fills folders that somebody else made among the workspaces, and empties them; see `../folders.ts`. */

import { DaemonError } from "../../errors.ts";
import {
  type Directory,
  displayName,
  effectiveUser,
  ignoreErrno,
  isErrno,
  type Name,
  SystemError,
} from "../../linux/mod.ts";
import { checkAreaName, describeTree, type OpenAreas, openTree, requireStaging } from "../areas.ts";
import { deleteContents } from "../delete_entry.ts";
import { deletionError } from "../deletion_error.ts";
import { folderIdOf } from "../folder_id.ts";
import type { OperationContext } from "../operation.ts";
import { readXattrs } from "../read_xattrs.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import type { Tree } from "../tree.ts";
import { copyMetadata, TreeCopier } from "../tree_copier.ts";
import { groupOf, newTreeName } from "../tree_names.ts";

/** Entries of a folder that a message names at most. */
const MAX_NAMED = 3;

/** Returns the id of a workspace's folder that can be filled; see `Folders.inspect`. */
export function inspectFolder(
  areas: OpenAreas,
  { name, owners }: { name: string; owners: readonly number[] },
): string | undefined {
  checkAreaName(name, "the workspace id");
  using folder = openFolder(areas, name);
  if (!folder) return undefined;
  requireEmpty(folder);
  const { uid } = folder.stat();
  if (owners.includes(uid)) return folderIdOf(folder);
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `${folder.location} cannot be filled: it belongs to user ${uid}, and not to ${
      owners.join(" or ")
    }; give it to one of them`,
    { reason: "NODE_PERMISSION_DENIED" },
  );
}

/** Opens a folder of `workspaces`. @throws {DaemonError} ALREADY_EXISTS where it is something else */
function openFolder({ workspaces }: OpenAreas, name: string): Directory | undefined {
  try {
    return workspaces.openDirectory(name, { crossMounts: true });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (!isErrno(error, "ENOTDIR", "ELOOP")) throw error;
    throw new DaemonError(
      "ALREADY_EXISTS",
      `${workspaces.locationOf(name)} cannot be filled: it is ${
        error.errno === "ELOOP" ? "a symbolic link" : "no folder"
      }; remove it`,
      { reason: "ORPHAN_EXISTS", cause: error },
    );
  }
}

/** @throws {DaemonError} ALREADY_EXISTS where there is something in the folder */
function requireEmpty(folder: Directory): void {
  const names: string[] = [];
  for (const { name } of folder.entries()) {
    if (names.push(displayName(name)) > MAX_NAMED) break;
  }
  if (names.length === 0) return;
  const more = names.length > MAX_NAMED ? ", …" : "";
  throw new DaemonError(
    "ALREADY_EXISTS",
    `${folder.location} cannot be filled: it is not empty (${
      names.slice(0, MAX_NAMED).join(", ")
    }${more}), and belongs to no workspace; move what is in it away`,
    { reason: "ORPHAN_EXISTS" },
  );
}

/** Returns whether an entry of `workspaces` is an empty folder. */
export function isEmptyFolder(areas: OpenAreas, { name }: { name: string }): boolean {
  checkAreaName(name, "the folder's name");
  try {
    using folder = areas.workspaces.openDirectory(name, { crossMounts: true });
    return folder.entries().next().done === true;
  } catch (error) {
    if (error instanceof SystemError) return false;
    throw error;
  }
}

/** Returns the id of a tree's folder. */
export function identifyFolder(areas: OpenAreas, { tree }: { tree: Tree }): string {
  using top = openTree(areas, tree);
  return folderIdOf(top);
}

/** Returns whether the folder at a tree's path is the one that the tree must be. */
export function isThere(areas: OpenAreas, tree: Tree): boolean {
  try {
    openTree(areas, tree).close();
    return true;
  } catch (error) {
    if (error instanceof DaemonError && error.reason === "CONTENT_MISSING") return false;
    throw error;
  }
}

/** Moves what is in a staging tree into an empty folder; see `Folders.fill`. */
export function fillFolder(
  areas: OpenAreas,
  { from, to }: { from: Tree; to: Tree },
  context: OperationContext,
): { copied: boolean } {
  requireStaging(from);
  using source = openTree(areas, from);
  using target = openTree(areas, to);
  requireEmpty(target);
  const before = source.stat();
  const copied = !moveEntries(source, target, to);
  if (copied) copyInto(source, target, to, context);
  copyMetadata(source, target, before);
  target.syncFileSystem();
  return { copied };
}

/**
 * Moves all entries of a directory to another one.
 * @returns false where nothing was moved, because the other one is on another file system
 * @throws {DaemonError} CONTENT_CONFLICT where a name is taken
 */
function moveEntries(from: Directory, to: Directory, tree: Tree): boolean {
  let moved = false;
  for (const { name } of [...from.entries()]) {
    try {
      moveEntry(from, name, to);
      moved = true;
    } catch (error) {
      if (isErrno(error, "EXDEV") && !moved) return false;
      throw isErrno(error, "EEXIST", "ENOTEMPTY") ? conflict(tree, to.locationOf(name)) : error;
    }
  }
  return true;
}

function moveEntry(from: Directory, name: Name, to: Directory): void {
  const move = () => from.rename(name, to, name, { exclusive: true });
  try {
    move();
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
    // A directory gets another parent only where its owner may write in it.
    using entry = from.openPath(name);
    const { permissions } = entry.stat();
    entry.chmod(permissions | 0o700);
    move();
    entry.chmod(permissions);
  }
}

/**
 * Copies what is in a tree into a folder of another file system: first into a closed folder there,
 * which nobody else can enter, so that only the moving from there is seen.
 */
function copyInto(source: Directory, target: Directory, to: Tree, context: OperationContext) {
  const name = newTreeName(groupOf(to.name));
  try {
    target.makeDirectory(name, 0o700);
    using closed = target.openDirectory(name);
    if (closed.stat().uid !== effectiveUser().uid) throw conflict(to, target.locationOf(name));
    new TreeCopier(closed, context).copyContents(source, closed);
    moveEntries(closed, target, to);
    target.removeDirectory(name);
  } catch (error) {
    // Nobody but who may write to the target can have moved, replaced or filled the closed folder.
    throw isErrno(error, ...MEDDLING) ? conflict(to, target.locationOf(name)) : error;
  }
}

const MEDDLING = ["ENOENT", "ENOTDIR", "ELOOP", "EEXIST", "ENOTEMPTY"] as const;

function conflict(tree: Tree, location: string): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `cannot fill the folder of ${
      describeTree(tree)
    }: somebody else put ${location} there meanwhile`,
    { reason: "CONTENT_CONFLICT" },
  );
}

/**
 * Deletes what is in a tree's folder for about `budgetMs`, and then makes the folder what it was: one
 * of the daemon's user, without attributes. Removes it where the tree says so and nothing is mounted
 * there. Succeeds where another folder is there, which is left alone.
 * @returns whether all is deleted
 * @throws {DaemonError} FAILED_PRECONDITION, DELETION_BLOCKED
 */
export function emptyFolder(
  areas: OpenAreas,
  { tree, budgetMs }: { tree: Tree; budgetMs: number },
  context: OperationContext,
): boolean {
  if (!isThere(areas, tree)) return true;
  using top = openTree(areas, tree);
  let end: number | undefined;
  const isTimeUp = () => {
    context.throwIfCancelled();
    return performance.now() >= (end ??= performance.now() + budgetMs);
  };
  if (deleteContents(top, areas.trash, { group: tree.name, isTimeUp }) === "left") return false;
  for (const { name } of readXattrs(top, () => {})) top.removeXattr(name);
  setOwnerAndMode(top, areas.workspaces.stat(), 0o755);
  top.sync();
  if (tree.folder?.removal === "emptyAndRemove") removeFolder(areas.workspaces, tree.name);
  return true;
}

function removeFolder(workspaces: Directory, name: string): void {
  try {
    // A folder where something is mounted stays: who mounted it unmounts and removes it.
    if (ignoreErrno(["EBUSY", "ENOENT"], () => workspaces.removeDirectory(name))) workspaces.sync();
  } catch (error) {
    throw error instanceof SystemError ? deletionError(error, workspaces, name) : error;
  }
}
