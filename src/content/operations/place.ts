import { DaemonError } from "../../errors.ts";
import { type Directory, type File, isErrno, tolerate } from "../../linux/mod.ts";
import type { LocalFile } from "../../spool.ts";
import type { Owner, Tree } from "../api.ts";
import type { OperationContext } from "../operation.ts";
import { giveTo } from "../ownership.ts";
import { makePath } from "../parents.ts";
import { entryPath } from "../paths.ts";
import { openLocalFile, type OpenRooms, openTree } from "../rooms.ts";

export interface PlaceRequest {
  tree: Tree;
  path: string;
  file: LocalFile;
  owner: Owner;
  /** Permission bits. */
  mode: number;
}

/** Bytes that are copied between two looks at whether the caller has given up. */
const STEP = 64 * 1024 * 1024;

/** Moves a spool file into the tree; copies one that is elsewhere, and then a spool file is removed. */
export function place(rooms: OpenRooms, request: PlaceRequest, context: OperationContext): void {
  const { tree, path, file, owner, mode } = request;
  const { parents, leaf } = entryPath(path);
  using source = openLocalFile(rooms, file);
  using top = openTree(rooms, tree);
  using parent = makePath(top, parents, owner);
  refuseToReplace(parent, leaf, path);
  if (file.room === "spool" && move(rooms, request, source, parent, leaf)) return;

  const temporary = `.${crypto.randomUUID()}.part`;
  using copy = parent.createFile(temporary);
  try {
    while (copy.copyFrom(source, STEP) > 0) context.throwIfCancelled();
    giveTo(copy, owner, mode);
    parent.rename(temporary, parent, leaf);
  } catch (error) {
    tolerate(["ENOENT"], () => parent.unlink(temporary));
    throw error;
  }
  if (file.room === "spool") rooms.spool.unlink(file.path);
}

/** Only a file may be replaced: neither a link, which a path must not go through, nor a directory. */
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

/** @returns false where the tree is on another file system than the spool */
function move(
  rooms: OpenRooms,
  request: PlaceRequest,
  source: File,
  parent: Directory,
  leaf: string,
): boolean {
  giveTo(source, request.owner, request.mode);
  return tolerate(["EXDEV"], () => rooms.spool.rename(request.file.path, parent, leaf));
}
