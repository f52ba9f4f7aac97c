/** Holds directories of trees open for child processes that work in them. */

import { DaemonError } from "../../errors.ts";
import { Directory } from "../../linux/mod.ts";
import type { Owner, Tree } from "../tree.ts";
import { openPath } from "../open_path.ts";
import { treePath } from "../tree_path.ts";
import { type OpenAreas, openTree } from "../areas.ts";

const held = new Map<number, Directory>();

/** A directory that stays open until {@link closeDirectory}. */
export interface HeldDirectory {
  /** File descriptor; to be closed by the same Worker. */
  fd: number;
  owner: Owner;
}

/** Opens a directory of a tree and keeps it open. */
export function openDirectory(
  areas: OpenAreas,
  request: { tree: Tree; path: string },
): HeldDirectory {
  const components = treePath(request.path);
  using top = openTree(areas, request.tree);
  const directory = openPath(top, components);
  const { uid, gid } = directory.stat();
  held.set(directory.fd, directory);
  return { fd: directory.fd, owner: { uid, gid } };
}

/**
 * Closes a directory that {@link openDirectory} opened on this Worker.
 * @throws {DaemonError} INTERNAL
 */
export function closeDirectory(_areas: OpenAreas, request: { fd: number }): void {
  const directory = held.get(request.fd);
  if (!directory) throw new DaemonError("INTERNAL", `descriptor ${request.fd} is not held open`);
  held.delete(request.fd);
  directory.close();
}
