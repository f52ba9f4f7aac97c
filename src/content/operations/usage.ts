/** Measures trees. */

import { isErrno } from "../../linux/mod.ts";
import type { Tree } from "../tree.ts";
import { LINK_BYTES, takenBytes } from "../disk_usage.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import { walkTree } from "../walk_tree.ts";

/**
 * Returns the bytes that a tree takes on disk without its top folder, and its number of entries.
 * The data of a file with several names counts once.
 */
export function usage(
  areas: OpenAreas,
  request: { tree: Tree },
  context: OperationContext,
): { bytes: number; entries: number } {
  using top = openTree(areas, request.tree);
  const counted = new Set<string>();
  let bytes = 0;
  let entries = 0;
  walkTree(top, (dir, entry) => {
    entries++;
    if (entries % 1024 === 0) context.throwIfCancelled();
    try {
      const stat = dir.statEntry(entry.name);
      const isLinked = !stat.isDirectory && stat.nlink > 1;
      const isCounted = isLinked && counted.has(stat.identity);
      if (isLinked) counted.add(stat.identity);
      bytes += isCounted ? LINK_BYTES : takenBytes(stat);
    } catch (error) {
      // It was deleted after it was listed.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  });
  return { bytes, entries };
}
