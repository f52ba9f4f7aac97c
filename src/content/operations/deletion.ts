/** Deleting what trees, the trash and the spool hold. */

import type { Tree } from "../api.ts";
import { deleteContents, deleteEntry } from "../removal.ts";
import { checkRoomName, type OpenRooms, openTree, requireStaging } from "../rooms.ts";
import { isBaselineToken } from "./baselines.ts";

/** Deletes a tree that is in the trash. */
export function deleteTrash(rooms: OpenRooms, request: { name: string }): void {
  checkRoomName(request.name, "the trashed tree's name");
  deleteEntry(rooms.trash, request.name, rooms.trash);
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
