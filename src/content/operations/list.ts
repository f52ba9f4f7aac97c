/** Lists directories of trees. */

import { displayName, isErrno, type Stat } from "../../linux/mod.ts";
import type { ContentEntry, Tree } from "../tree.ts";
import { openPath } from "../open_path.ts";
import { treePath } from "../tree_path.ts";
import { type OpenAreas, openTree } from "../areas.ts";

function typeOf(stat: Stat): ContentEntry["type"] {
  if (stat.isFile) return "file";
  if (stat.isDirectory) return "directory";
  return stat.isSymlink ? "symlink" : "other";
}

/**
 * Returns the entries of one directory, sorted by name; bytes that are not UTF-8 read as `\xNN`.
 */
export function list(areas: OpenAreas, request: { tree: Tree; path: string }): ContentEntry[] {
  const components = treePath(request.path);
  using top = openTree(areas, request.tree);
  using dir = openPath(top, components);
  const entries: ContentEntry[] = [];
  for (const { name } of dir.entries()) {
    try {
      const stat = dir.statEntry(name);
      entries.push({ name: displayName(name), type: typeOf(stat), size: stat.size });
    } catch (error) {
      // It was deleted after it was listed.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  return entries.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
