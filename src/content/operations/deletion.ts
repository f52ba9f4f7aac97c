/** Deleting what trees, the trash and the spool hold. */

import { type Directory, isErrno } from "../../linux/mod.ts";
import type { Tree } from "../content.ts";
import { deleteContents, deleteEntry } from "../removal.ts";
import { checkAreaName, type OpenAreas, openTree, requireStaging } from "../areas.ts";
import { isBaselineToken } from "../baseline/tokens.ts";

/** Deletes a tree that is in the trash. */
export function deleteTrash(areas: OpenAreas, request: { name: string }): void {
  checkAreaName(request.name, "the trashed tree's name");
  deleteOnFullDisk(areas, areas.trash, request.name);
}

/** Deletes a tree where it is: on a disk without area even for moving it to the trash. */
export function deleteInPlace(areas: OpenAreas, request: { tree: Tree }): void {
  const { area, name } = request.tree;
  checkAreaName(name, "the tree's name");
  deleteOnFullDisk(areas, areas[area], name);
  areas[area].sync();
}

/** What is deleted first makes area for what cannot be deleted without any, such as deep directories. */
function deleteOnFullDisk(areas: OpenAreas, area: Directory, name: string): void {
  try {
    deleteEntry(area, name, areas.trash);
  } catch (error) {
    if (!isErrno(error, "ENOSPC", "EDQUOT")) throw error;
    deleteEntry(area, name, areas.trash);
  }
}

/** Empties a staging tree. */
export function clear(areas: OpenAreas, request: { tree: Tree }): void {
  requireStaging(request.tree);
  using top = openTree(areas, request.tree);
  deleteContents(top, areas.trash);
}

/** Deletes everything that a previous daemon left half-made. */
export function sweep(areas: OpenAreas, _request: Record<never, never>): void {
  for (const area of [areas.staging, areas.spool, areas.trash]) {
    using handle = area.openDirectory(".");
    deleteContents(handle, areas.trash);
  }
  using baselines = areas.baselines.openDirectory(".");
  const decoder = new TextDecoder();
  for (const { name } of baselines.entries()) {
    if (isBaselineToken(decoder.decode(name))) deleteEntry(baselines, name, areas.trash);
  }
  baselines.sync();
}
