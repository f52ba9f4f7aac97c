/** Moves entries between folders of staging trees. */

import { type Directory, isErrno, splitPath } from "../../linux/mod.ts";
import type { MovedPath, MoveResult, Owner, TreeFolder } from "../tree.ts";
import { moveEntry } from "../move_entry.ts";
import { makePath, openPath } from "../open_path.ts";
import { treePath } from "../tree_path.ts";
import { type OpenAreas, openTree, requireStaging } from "../areas.ts";

/** Entries to move from one folder to another. */
export interface MovePathsRequest {
  from: TreeFolder;
  to: TreeFolder;
  moves: readonly MovedPath[];
  /** The owner of parents that have to be made. */
  owner: Owner;
}

/** Moves entries in their order, replacing nothing. @returns the outcome of each, in their order */
export function movePaths(areas: OpenAreas, request: MovePathsRequest): MoveResult[] {
  requireStaging(request.from.tree);
  requireStaging(request.to.tree);
  using source = openFolder(areas, request.from);
  using target = openFolder(areas, request.to);
  const { moves, owner } = request;
  return moves.map((move) => moveOne(source, target, move, { owner, overflow: areas.trash }));
}

function openFolder(areas: OpenAreas, { tree, folder }: TreeFolder): Directory {
  using top = openTree(areas, tree);
  return openPath(top, treePath(folder));
}

function moveOne(
  source: Directory,
  target: Directory,
  move: MovedPath,
  { owner, overflow }: { owner: Owner; overflow: Directory },
): MoveResult {
  const { parent, leaf } = splitPath(move.to);
  try {
    using into = makePath(target, parent === undefined ? [] : componentsOf(parent), owner);
    try {
      moveEntry(source, move.from, into, leaf as Uint8Array, overflow);
      return "moved";
    } catch (error) {
      if (!isErrno(error, "EEXIST", "ENOTEMPTY")) throw error;
      return mergeDirectories(source, move.from, into, leaf as Uint8Array, overflow);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "absent";
    if (isErrno(error, "ENOTDIR", "ELOOP")) return "taken";
    throw error;
  }
}

/**
 * Moves the entries of a directory into the one at its destination, as far as names there are free.
 */
function mergeDirectories(
  source: Directory,
  from: Uint8Array,
  into: Directory,
  leaf: Uint8Array,
  overflow: Directory,
): MoveResult {
  if (!isDirectory(source, from) || !isDirectory(into, leaf)) return "taken";
  let result: MoveResult = "moved";
  {
    using left = source.openDirectory(from);
    using right = into.openDirectory(leaf);
    for (const name of [...left.entries()].map((entry) => entry.name)) {
      try {
        moveEntry(left, name, right, name, overflow);
      } catch (error) {
        if (!isErrno(error, "EEXIST", "ENOTEMPTY")) throw error;
        if (mergeDirectories(left, name, right, name, overflow) === "taken") result = "taken";
      }
    }
  }
  if (result === "moved") source.removeDirectory(from);
  return result;
}

function isDirectory(directory: Directory, name: Uint8Array): boolean {
  return directory.statEntry(name).isDirectory;
}

function componentsOf(path: Uint8Array | string): Uint8Array[] {
  const bytes = typeof path === "string" ? new TextEncoder().encode(path) : path;
  const components: Uint8Array[] = [];
  let start = 0;
  for (let at = 0; at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] !== 0x2f) continue;
    if (at > start) components.push(bytes.slice(start, at));
    start = at + 1;
  }
  return components;
}
