/** Reads the state of single paths in trees: types, hashes, link targets. */

import { createHash } from "node:crypto";
import { DaemonError } from "../../errors.ts";
import { type Directory, isErrno, SLASH, splitPath, type Stat } from "../../linux/mod.ts";
import type { PathState, Tree } from "../tree.ts";
import type { OperationContext } from "../operation.ts";
import { openPath } from "../open_path.ts";
import { openRegularFile } from "../open_regular_file.ts";
import { entryPath, treePath } from "../tree_path.ts";
import { type OpenAreas, openTree } from "../areas.ts";

/** Paths below one folder of a tree. */
export interface InspectPathsRequest {
  tree: Tree;
  folder: string;
  paths: readonly Uint8Array[];
}

/** Returns what is at each path below a folder, in their order; links are not followed. */
export function inspectPaths(areas: OpenAreas, request: InspectPathsRequest): PathState[] {
  using top = openTree(areas, request.tree);
  using folder = openPath(top, treePath(request.folder));
  return request.paths.map((path) => inspect(folder, path));
}

function inspect(folder: Directory, path: Uint8Array): PathState {
  try {
    return describe(folder, path, folder.statEntry(path));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return { type: "absent" };
    if (!isErrno(error, "ENOTDIR", "ELOOP")) throw error;
    return { type: "blocked", blocker: findBlocker(folder, path) };
  }
}

function describe(folder: Directory, path: Uint8Array, stat: Stat): PathState {
  const { size, mtime, permissions } = stat;
  if (stat.isFile) return { type: "file", size, mtime, permissions };
  if (stat.isSymlink) return { type: "symlink", target: folder.readLink(path) };
  if (!stat.isDirectory) return { type: "other" };
  using directory = folder.openDirectory(path);
  return { type: "directory", isEmpty: directory.entries().next().done === true };
}

/** Returns the path of the first ancestor of `path` that is not a directory. */
function findBlocker(folder: Directory, path: Uint8Array): Uint8Array {
  for (let at = path.indexOf(SLASH); at >= 0; at = path.indexOf(SLASH, at + 1)) {
    const ancestor = path.slice(0, at);
    if (!folder.statEntry(ancestor).isDirectory) return ancestor;
  }
  // Only a concurrent change leads here, and a staging tree has none.
  return splitPath(path).parent as Uint8Array ?? path;
}

const BUFFER_BYTES = 1024 * 1024;

/**
 * Returns the SHA-256 of a regular file, in hexadecimal, and its size in bytes.
 * @throws {DaemonError} INVALID_ARGUMENT for anything but a regular file
 */
export function hashFile(
  areas: OpenAreas,
  request: { tree: Tree; folder: string; path: Uint8Array },
  context: OperationContext,
): { sha256: string; size: number } {
  using top = openTree(areas, request.tree);
  using folder = openPath(top, treePath(request.folder));
  using file = openRegularFile(folder, request.path);
  if (!file) {
    const path = folder.pathOf(request.path);
    throw new DaemonError("INVALID_ARGUMENT", `${path} is not a regular file`);
  }
  const hash = createHash("sha256");
  const buffer = new Uint8Array(BUFFER_BYTES);
  let size = 0;
  for (let count; (count = file.read(buffer)) > 0; size += count) {
    context.throwIfCancelled();
    hash.update(buffer.subarray(0, count));
  }
  return { sha256: hash.digest("hex"), size };
}

/** Returns the target of a symbolic link. @throws {SystemError} EINVAL for anything else */
export function readLink(areas: OpenAreas, request: { tree: Tree; path: string }): Uint8Array {
  const { parents, leaf } = entryPath(request.path);
  using top = openTree(areas, request.tree);
  using parent = openPath(top, parents);
  return parent.readLink(leaf);
}
