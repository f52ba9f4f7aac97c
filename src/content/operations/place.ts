import { DaemonError } from "../../errors.ts";
import { type Directory, type File, ignoreErrno, isErrno } from "../../linux/mod.ts";
import type { LocalFile } from "../../spool.ts";
import type { Owner, Tree } from "../tree.ts";
import type { OperationContext } from "../operation.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import { makePath } from "../open_path.ts";
import { entryPath } from "../tree_path.ts";
import { type OpenAreas, openLocalFile, openTree } from "../areas.ts";

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
    while (copy.copyFrom(source, STEP) > 0) context.throwIfCancelled();
    setOwnerAndMode(copy, owner, mode);
    parent.rename(temporary, parent, leaf);
  } catch (error) {
    ignoreErrno(["ENOENT"], () => parent.unlink(temporary));
    throw error;
  }
  if (file.area === "spool") areas.spool.unlink(file.path);
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
  areas: OpenAreas,
  request: PlaceRequest,
  source: File,
  parent: Directory,
  leaf: string,
): boolean {
  setOwnerAndMode(source, request.owner, request.mode);
  return ignoreErrno(["EXDEV"], () => areas.spool.rename(request.file.path, parent, leaf));
}
