/** Makes, publishes and lists whole trees. `deletion.ts` removes them. */

import { DaemonError } from "../../errors.ts";
import { isErrno } from "../../linux/mod.ts";
import type { Owner, Tree } from "../tree.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import { openVolume } from "../volume/choose_volume.ts";
import type { VolumeKind } from "../volume/volume.ts";
import { checkAreaName, type OpenAreas, openTree, requireStaging } from "../areas.ts";

/**
 * Makes an empty staging tree that belongs to `owner`, with mode 0755.
 * @throws {DaemonError} INVALID_ARGUMENT
 */
export function create(
  areas: OpenAreas,
  request: { name: string; owner: Owner; volume?: VolumeKind },
): void {
  const { name } = request;
  checkAreaName(name, "the tree's name");
  openVolume(request.volume ?? "plain", areas.staging).make(areas.staging, name);
  try {
    using top = areas.staging.openDirectory(name);
    setOwnerAndMode(top, request.owner, 0o755);
  } catch (error) {
    areas.staging.removeDirectory(name);
    throw error;
  }
}

/**
 * Makes a staging tree visible as a workspace, in one durable step. Its content is made durable
 * first: otherwise a power failure could leave files empty, which the next backup would take for
 * edited.
 * @param request.isDurable whether all of it is durable already
 * @throws {DaemonError} ALREADY_EXISTS if the workspace has content
 */
export function publish(
  areas: OpenAreas,
  request: { tree: Tree; id: string; isDurable?: boolean },
): void {
  const { tree, id, isDurable } = request;
  requireStaging(tree);
  checkAreaName(id, "the workspace id");
  using top = openTree(areas, tree);
  if (!isDurable) {
    const isEmpty = top.entries().next().done === true;
    if (isEmpty) top.sync();
    else top.syncFileSystem();
  }
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

/** Returns whether there is an entry of any type at the tree's path. */
export function exists(areas: OpenAreas, request: { tree: Tree }): boolean {
  checkAreaName(request.tree.name, "the tree's name");
  try {
    areas[request.tree.area].statEntry(request.tree.name);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** Returns the names of all entries of `workspaces`, sorted. */
export function published(areas: OpenAreas, _request: Record<never, never>): string[] {
  // A handle of its own, so that two requests never share a read position.
  using area = areas.workspaces.openDirectory(".");
  const decoder = new TextDecoder();
  return [...area.entries()].map(({ name }) => decoder.decode(name)).sort();
}
