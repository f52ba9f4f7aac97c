/** Makes directories of trees, and changes their owner. */

import type { Owner, Tree } from "../tree.ts";
import { setOwnerAndMode } from "../set_owner_and_mode.ts";
import { makePath, openPath } from "../open_path.ts";
import { treePath } from "../tree_path.ts";
import { type OpenAreas, openTree, requireStaging } from "../areas.ts";

/** A directory, by its path in a tree, and its owner. */
export interface MakeDirectoryRequest {
  tree: Tree;
  path: string;
  owner: Owner;
}

/** Makes a directory and its missing parents, with mode 0755 and that owner. */
export function makeDirectory(areas: OpenAreas, request: MakeDirectoryRequest): void {
  const components = treePath(request.path);
  using top = openTree(areas, request.tree);
  makePath(top, components, request.owner).close();
}

/**
 * Changes the owner of a directory of a staging tree, not of its entries; the owner may write in
 * it.
 */
export function chownDirectory(areas: OpenAreas, request: MakeDirectoryRequest): void {
  requireStaging(request.tree);
  using top = openTree(areas, request.tree);
  using directory = openPath(top, treePath(request.path));
  setOwnerAndMode(directory, request.owner, directory.stat().permissions | 0o700);
}
