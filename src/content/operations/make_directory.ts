import type { Owner, Tree } from "../api.ts";
import { makePath } from "../parents.ts";
import { treePath } from "../paths.ts";
import { type OpenRooms, openTree } from "../rooms.ts";

export interface MakeDirectoryRequest {
  tree: Tree;
  path: string;
  owner: Owner;
}

/** Makes a directory and its missing parents. */
export function makeDirectory(rooms: OpenRooms, request: MakeDirectoryRequest): void {
  const components = treePath(request.path);
  using top = openTree(rooms, request.tree);
  makePath(top, components, request.owner).close();
}
