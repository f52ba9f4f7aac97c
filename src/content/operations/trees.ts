/** Trees as wholes: made, published, thrown away. */

import { DaemonError } from "../../errors.ts";
import { isErrno } from "../../linux/mod.ts";
import type { Owner, Tree } from "../content.ts";
import { setOwnerAndMode } from "../ownership.ts";
import { checkAreaName, describeTree, type OpenAreas, openTree, requireStaging } from "../areas.ts";

/** Makes an empty staging tree. */
export function create(areas: OpenAreas, request: { owner: Owner }): Tree {
  const name = crypto.randomUUID();
  areas.staging.makeDirectory(name, 0o700);
  try {
    using top = areas.staging.openDirectory(name);
    setOwnerAndMode(top, request.owner, 0o755);
  } catch (error) {
    areas.staging.removeDirectory(name);
    throw error;
  }
  return { area: "staging", name };
}

/**
 * Makes a staging tree visible as a workspace, in one durable step. All that is in it becomes durable
 * before: else a power failure could leave files empty that the next backup would take for edited.
 */
export function publish(areas: OpenAreas, request: { tree: Tree; id: string }): void {
  const { tree, id } = request;
  requireStaging(tree);
  checkAreaName(id, "the workspace id");
  using top = openTree(areas, tree);
  const isEmpty = top.entries().next().done === true;
  if (isEmpty) top.sync();
  else top.syncFileSystem();
  try {
    areas.staging.rename(tree.name, areas.workspaces, id, { exclusive: true });
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    throw new DaemonError("ALREADY_EXISTS", `workspace ${id} has content on this node already`, {
      cause: error,
    });
  }
  areas.workspaces.sync();
  areas.staging.sync();
}

/** Moves a tree to the trash in one durable step; `undefined` where it is not there. */
export function trash(areas: OpenAreas, request: { tree: Tree }): string | undefined {
  const { tree } = request;
  checkAreaName(tree.name, "the tree's name");
  const area = areas[tree.area];
  const name = crypto.randomUUID();
  try {
    area.rename(tree.name, areas.trash, name, { exclusive: true });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (!isErrno(error, "EBUSY", "EXDEV")) throw error;
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `cannot remove ${describeTree(tree)}: it is a mount point; unmount it first`,
      { cause: error },
    );
  }
  areas.trash.sync();
  area.sync();
  return name;
}

/** Whether the tree is there. */
export function exists(areas: OpenAreas, request: { tree: Tree }): boolean {
  checkAreaName(request.tree.name, "the tree's name");
  try {
    return areas[request.tree.area].statEntry(request.tree.name).isDirectory;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** Names of the published trees, sorted. */
export function published(areas: OpenAreas, _request: Record<never, never>): string[] {
  // Another handle, so that two requests never share a position.
  using area = areas.workspaces.openDirectory(".");
  const decoder = new TextDecoder();
  const names: string[] = [];
  for (const entry of area.entries()) {
    const name = decoder.decode(entry.name);
    if (area.statEntry(entry.name).isDirectory) names.push(name);
  }
  return names.sort();
}
