/** The rooms of the root as directory handles, and the trees within them. */

import { DaemonError } from "../errors.ts";
import { Directory, File, isComponent, isErrno } from "../linux/mod.ts";
import type { LocalFile } from "../spool.ts";
import type { Tree } from "./api.ts";
import type { Rooms } from "./boot.ts";

/** The handles of a Worker's rooms, open as long as the Worker lives. */
export interface OpenRooms {
  readonly workspaces: Directory;
  readonly staging: Directory;
  readonly trash: Directory;
  readonly spool: Directory;
  readonly baselines: Directory;
  readonly blobs?: Directory;
}

/** Opens the rooms. @throws {SystemError} naming the folder */
export function openRooms(rooms: Rooms): OpenRooms {
  const open = (room: keyof Rooms, path: string) => {
    try {
      return Directory.open(path, room);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`Cannot open the ${room} folder ${path}: ${why}`, { cause });
    }
  };
  return {
    workspaces: open("workspaces", rooms.workspaces),
    staging: open("staging", rooms.staging),
    trash: open("trash", rooms.trash),
    spool: open("spool", rooms.spool),
    baselines: open("baselines", rooms.baselines),
    ...(rooms.blobs === undefined ? {} : { blobs: open("blobs", rooms.blobs) }),
  };
}

/** A tree's name as errors call it. */
export function describeTree(tree: Tree): string {
  return tree.room === "workspaces" ? `workspace ${tree.name}` : `staging tree ${tree.name}`;
}

/** @throws {DaemonError} INVALID_ARGUMENT where `name` cannot name an entry of a room */
export function checkRoomName(name: string, what: string): void {
  if (!isComponent(name) || name.includes("\0")) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `${what} ${JSON.stringify(name)} is not a plain name`,
    );
  }
}

/**
 * Opens a tree's top folder; the caller closes it. The tree may be a file system of its own, but
 * nothing within it that is one is entered.
 * @throws {DaemonError} FAILED_PRECONDITION where it is gone, INVALID_ARGUMENT
 */
export function openTree(rooms: OpenRooms, tree: Tree): Directory {
  checkRoomName(tree.name, "the tree's name");
  try {
    return rooms[tree.room].openDirectory(tree.name, { crossMounts: true });
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    // Not NOT_FOUND: the workspace is known, and so its id is not free.
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `the content of ${describeTree(tree)} is not there any more: somebody else removed it`,
      { cause: error },
    );
  }
}

/** @throws {DaemonError} INVALID_ARGUMENT where the operation is not for published trees */
export function requireStaging(tree: Tree): void {
  if (tree.room !== "staging") {
    throw new DaemonError("INVALID_ARGUMENT", `${describeTree(tree)} is published already`);
  }
}

/**
 * Opens a regular file of the spool or of the embedded store for reading; the caller closes it.
 * @throws {DaemonError} NOT_FOUND, INVALID_ARGUMENT
 */
export function openLocalFile(rooms: OpenRooms, file: LocalFile): File {
  const room = rooms[file.room];
  if (!room) {
    throw new DaemonError("INVALID_ARGUMENT", `this node has no ${file.room} folder`);
  }
  const opened = room.openFile(file.path);
  if (opened.stat().isFile) return opened;
  opened.close();
  throw new DaemonError("INVALID_ARGUMENT", `${file.room}/${file.path} is not a regular file`);
}
