import type { Owner, Tree } from "../tree.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import { makePath, openPath } from "../open_path.ts";
import { treePath } from "../tree_path.ts";
import { type OpenAreas, openTree, requireStaging } from "../areas.ts";

export interface MakeDirectoryRequest {
  tree: Tree;
  path: string;
  owner: Owner;
}

/** Makes a directory and its missing parents. */
export function makeDirectory(areas: OpenAreas, request: MakeDirectoryRequest): void {
  const components = treePath(request.path);
  using top = openTree(areas, request.tree);
  makePath(top, components, request.owner).close();
}

/** Gives a directory of a staging tree, but nothing in it, to an owner who may then write in it. */
export function chownDirectory(areas: OpenAreas, request: MakeDirectoryRequest): void {
  requireStaging(request.tree);
  using top = openTree(areas, request.tree);
  using directory = openPath(top, treePath(request.path));
  setOwnerAndMode(directory, request.owner, directory.stat().permissions | 0o700);
}
