/** Deleting what trees, the trash and the spool hold. */

import { type Directory, isErrno } from "../../linux/mod.ts";
import type { Tree } from "../api.ts";
import { deleteContents, deleteEntry } from "../removal.ts";
import { checkRoomName, type OpenRooms, openTree, requireStaging } from "../rooms.ts";
import { isBaselineToken } from "./baselines.ts";

/** Deletes a tree that is in the trash. */
export function deleteTrash(rooms: OpenRooms, request: { name: string }): void {
  checkRoomName(request.name, "the trashed tree's name");
  deleteOnFullDisk(rooms, rooms.trash, request.name);
}

/** Deletes a tree where it is: on a disk without room even for moving it to the trash. */
export function deleteInPlace(rooms: OpenRooms, request: { tree: Tree }): void {
  const { room, name } = request.tree;
  checkRoomName(name, "the tree's name");
  deleteOnFullDisk(rooms, rooms[room], name);
  rooms[room].sync();
}

/** What is deleted first makes room for what cannot be deleted without any, such as deep directories. */
function deleteOnFullDisk(rooms: OpenRooms, room: Directory, name: string): void {
  try {
    deleteEntry(room, name, rooms.trash);
  } catch (error) {
    if (!isErrno(error, "ENOSPC", "EDQUOT")) throw error;
    deleteEntry(room, name, rooms.trash);
  }
}

/** Empties a staging tree. */
export function clear(rooms: OpenRooms, request: { tree: Tree }): void {
  requireStaging(request.tree);
  using top = openTree(rooms, request.tree);
  deleteContents(top, rooms.trash);
}

/** Deletes everything that a previous daemon left half-made. */
export function sweep(rooms: OpenRooms, _request: Record<never, never>): void {
  for (const room of [rooms.staging, rooms.spool, rooms.trash]) {
    using handle = room.openDirectory(".");
    deleteContents(handle, rooms.trash);
  }
  using baselines = rooms.baselines.openDirectory(".");
  const decoder = new TextDecoder();
  for (const { name } of baselines.entries()) {
    if (isBaselineToken(decoder.decode(name))) deleteEntry(baselines, name, rooms.trash);
  }
  baselines.sync();
}
