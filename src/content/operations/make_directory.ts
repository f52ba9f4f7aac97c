import type { Owner, Tree } from "../content.ts";
import { makePath } from "../parents.ts";
import { treePath } from "../paths.ts";
import { type OpenAreas, openTree } from "../areas.ts";

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
