/** Trees as wholes: made, published, thrown away. */

import { DaemonError } from "../../errors.ts";
import { isErrno } from "../../linux/mod.ts";
import type { Owner, Tree } from "../api.ts";
import { giveTo } from "../ownership.ts";
import { checkRoomName, describeTree, type OpenRooms, openTree, requireStaging } from "../rooms.ts";

/** Makes an empty staging tree. */
export function create(rooms: OpenRooms, request: { owner: Owner }): Tree {
  const name = crypto.randomUUID();
  rooms.staging.makeDirectory(name, 0o700);
  try {
    using top = rooms.staging.openDirectory(name);
    giveTo(top, request.owner, 0o755);
  } catch (error) {
    rooms.staging.removeDirectory(name);
    throw error;
  }
  return { room: "staging", name };
}

/**
 * Makes a staging tree visible as a workspace, in one durable step. All that is in it becomes durable
 * before: else a power failure could leave files empty that the next backup would take for edited.
 */
export function publish(rooms: OpenRooms, request: { tree: Tree; id: string }): void {
  const { tree, id } = request;
  requireStaging(tree);
  checkRoomName(id, "the workspace id");
  using top = openTree(rooms, tree);
  const isEmpty = top.entries().next().done === true;
  if (isEmpty) top.sync();
  else top.syncFileSystem();
  try {
    rooms.staging.rename(tree.name, rooms.workspaces, id, { exclusive: true });
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    throw new DaemonError("ALREADY_EXISTS", `workspace ${id} has content on this node already`, {
      cause: error,
    });
  }
  rooms.workspaces.sync();
  rooms.staging.sync();
}

/** Moves a tree to the trash in one durable step; `undefined` where it is not there. */
export function trash(rooms: OpenRooms, request: { tree: Tree }): string | undefined {
  const { tree } = request;
  checkRoomName(tree.name, "the tree's name");
  const room = rooms[tree.room];
  const name = crypto.randomUUID();
  try {
    room.rename(tree.name, rooms.trash, name, { exclusive: true });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (!isErrno(error, "EBUSY", "EXDEV")) throw error;
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `cannot remove ${describeTree(tree)}: it is a mount point; unmount it first`,
      { cause: error },
    );
  }
  rooms.trash.sync();
  room.sync();
  return name;
}

/** Whether the tree is there. */
export function exists(rooms: OpenRooms, request: { tree: Tree }): boolean {
  checkRoomName(request.tree.name, "the tree's name");
  try {
    return rooms[request.tree.room].statEntry(request.tree.name).isDirectory;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** Names of the published trees, sorted. */
export function published(rooms: OpenRooms, _request: Record<never, never>): string[] {
  // Another handle, so that two requests never share a position.
  using room = rooms.workspaces.openDirectory(".");
  const decoder = new TextDecoder();
  const names: string[] = [];
  for (const entry of room.entries()) {
    const name = decoder.decode(entry.name);
    if (room.statEntry(entry.name).isDirectory) names.push(name);
  }
  return names.sort();
}
