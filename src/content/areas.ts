/** Opens the root's areas, and the trees and files in them. */

import { DaemonError } from "../errors.ts";
import { Directory, File, isComponent, isErrno } from "../linux/mod.ts";
import type { LocalFile } from "../spool.ts";
import { folderIdOf } from "./folder_id.ts";
import type { Tree } from "./tree.ts";
import { isTreeName } from "./tree_names.ts";
import type { Areas } from "./worker_start.ts";

/** A Worker's handles of the areas, open as long as the Worker lives. */
export interface OpenAreas {
  readonly workspaces: Directory;
  readonly staging: Directory;
  readonly trash: Directory;
  readonly spool: Directory;
  readonly scratch: Directory;
  readonly baselines: Directory;
  readonly bases: Directory;
  readonly cache: Directory;
  readonly blobs?: Directory;
}

/** Opens the areas. @throws {Error} naming the folder that cannot be opened */
export function openAreas(areas: Areas): OpenAreas {
  const open = (area: keyof Areas, path: string) => {
    try {
      return Directory.open(path, area);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot open the ${area} folder ${path}: ${why}`, { cause });
    }
  };
  return {
    workspaces: open("workspaces", areas.workspaces),
    staging: open("staging", areas.staging),
    trash: open("trash", areas.trash),
    spool: open("spool", areas.spool),
    scratch: open("scratch", areas.scratch),
    baselines: open("baselines", areas.baselines),
    bases: open("bases", areas.bases),
    cache: open("cache", areas.cache),
    ...(areas.blobs === undefined ? {} : { blobs: open("blobs", areas.blobs) }),
  };
}

/** Returns a tree's name for error messages. */
export function describeTree(tree: Tree): string {
  if (tree.area === "workspaces") return `workspace ${tree.name}`;
  return tree.area === "bases" ? `base ${tree.name}` : `staging tree ${tree.name}`;
}

/** Checks that `name` can name an entry of an area. @throws {DaemonError} INVALID_ARGUMENT */
export function checkAreaName(name: string, what: string): void {
  if (!isComponent(name) || name.includes("\0")) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `${what} ${JSON.stringify(name)} is not a plain name`,
    );
  }
}

/**
 * Opens a tree's top folder; the caller closes it. The tree may be a mount of its own, but no mount
 * within it is entered.
 * @throws {DaemonError} FAILED_PRECONDITION if somebody removed or replaced it, or it is not the folder
 *   that it must be; INVALID_ARGUMENT
 */
export function openTree(areas: OpenAreas, tree: Tree): Directory {
  checkAreaName(tree.name, "the tree's name");
  try {
    using stack = new DisposableStack();
    const top = stack.use(areas[tree.area].openDirectory(tree.name, { crossMounts: true }));
    if (tree.folder && folderIdOf(top) !== tree.folder.id) throw replacedFolder(areas, tree);
    stack.move();
    return top;
  } catch (error) {
    if (isErrno(error, "ENOTDIR", "ELOOP")) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `the content of ${describeTree(tree)} is not a folder any more: somebody else has put ` +
          `something else at ${areas[tree.area].locationOf(tree.name)}`,
        { reason: "CONTENT_MISSING", cause: error },
      );
    }
    if (!isErrno(error, "ENOENT")) throw error;
    // Not NOT_FOUND: the workspace exists, so that its id is not free.
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `the content of ${describeTree(tree)} is not there any more: somebody else removed it`,
      { reason: "CONTENT_MISSING", cause: error },
    );
  }
}

function replacedFolder(areas: OpenAreas, tree: Tree): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `the content of ${describeTree(tree)} is not there any more: another folder is at ` +
      `${
        areas[tree.area].locationOf(tree.name)
      } than the one that was filled; mount its volume again`,
    { reason: "CONTENT_MISSING" },
  );
}

/**
 * Refuses published trees and bases, for operations on trees that are being made only.
 * @throws {DaemonError} INVALID_ARGUMENT
 */
export function requireStaging(tree: Tree): void {
  const isInMaking = tree.area === "staging" || tree.area === "bases" && isTreeName(tree.name);
  if (!isInMaking) {
    throw new DaemonError("INVALID_ARGUMENT", `${describeTree(tree)} is published already`);
  }
}

/**
 * Opens a regular file of the spool or of the embedded store for reading; the caller closes it.
 * @throws {DaemonError} NOT_FOUND, INVALID_ARGUMENT
 */
export function openLocalFile(areas: OpenAreas, file: LocalFile): File {
  const area = areas[file.area];
  if (!area) {
    throw new DaemonError("INVALID_ARGUMENT", `this node has no ${file.area} folder`);
  }
  const opened = area.openFile(file.path);
  if (opened.stat().isFile) return opened;
  opened.close();
  throw new DaemonError("INVALID_ARGUMENT", `${file.area}/${file.path} is not a regular file`);
}
