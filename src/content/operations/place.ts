/** Puts files from the spool or the store into trees. */

import { DaemonError } from "../../errors.ts";
import { type Directory, type File, ignoreErrno, isErrno } from "../../linux/mod.ts";
import type { LocalFile } from "../../spool.ts";
import type { Owner, Tree } from "../tree.ts";
import type { OperationContext } from "../operation.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import { makePath } from "../open_path.ts";
import { entryPath } from "../tree_path.ts";
import { type OpenAreas, openLocalFile, openTree } from "../areas.ts";

/** A file and its destination. */
export interface PlaceRequest {
  tree: Tree;
  path: string;
  file: LocalFile;
  owner: Owner;
  /** Permission bits. */
  mode: number;
}

/** Bytes that are copied between two checks for cancellation. */
const COPY_STEP_BYTES = 64 * 1024 * 1024;

/**
 * Puts a file into the tree. A spool file is renamed if the tree is on the same file system;
 * otherwise the file is copied under a temporary name that then replaces the destination, and a
 * spool file is deleted.
 * @throws {DaemonError} INVALID_ARGUMENT if anything but a regular file is at the destination
 */
export function place(areas: OpenAreas, request: PlaceRequest, context: OperationContext): void {
  const { tree, path, file, owner, mode } = request;
  const { parents, leaf } = entryPath(path);
  using source = openLocalFile(areas, file);
  using top = openTree(areas, tree);
  using parent = makePath(top, parents, owner);
  refuseToReplace(parent, leaf, path);
  if (file.area === "spool" && move(areas, request, source, parent, leaf)) return;

  const temporary = `.${crypto.randomUUID()}.part`;
  using copy = parent.createFile(temporary);
  try {
    while (copy.copyFrom(source, COPY_STEP_BYTES) > 0) context.throwIfCancelled();
    setOwnerAndMode(copy, owner, mode);
    parent.rename(temporary, parent, leaf);
  } catch (error) {
    ignoreErrno(["ENOENT"], () => parent.unlink(temporary));
    throw error;
  }
  if (file.area === "spool") areas.spool.unlink(file.path);
}

/** Allows only a regular file to be replaced: a path must not go through a link. */
function refuseToReplace(parent: Directory, leaf: string, path: string): void {
  try {
    const stat = parent.statEntry(leaf);
    if (stat.isFile) return;
    const what = stat.isSymlink ? "a symbolic link" : stat.isDirectory ? "a directory" : "no file";
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `cannot put a file at ${JSON.stringify(path)}: what is there is ${what}`,
    );
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** Renames a spool file into the tree. @returns false if the tree is on another file system */
function move(
  areas: OpenAreas,
  request: PlaceRequest,
  source: File,
  parent: Directory,
  leaf: string,
): boolean {
  setOwnerAndMode(source, request.owner, request.mode);
  return ignoreErrno(["EXDEV"], () => areas.spool.rename(request.file.path, parent, leaf));
}
