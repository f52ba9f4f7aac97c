import { isErrno } from "../../linux/mod.ts";
import type { Tree } from "../tree.ts";
import { LINK_BYTES, takenBytes } from "../disk_usage.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import { walkTree } from "../walk_tree.ts";

/** Returns what a tree takes on disk, without its top folder, and its entries; hard links count once. */
export function usage(
  areas: OpenAreas,
  request: { tree: Tree },
  context: OperationContext,
): { bytes: number; entries: number } {
  using top = openTree(areas, request.tree);
  const linked = new Set<string>();
  let bytes = 0;
  let entries = 0;
  walkTree(top, (dir, entry) => {
    entries++;
    if (entries % 1024 === 0) context.throwIfCancelled();
    try {
      const stat = dir.statEntry(entry.name);
      const isAnother = !stat.isDirectory && stat.nlink > 1 && linked.has(stat.identity);
      if (!stat.isDirectory && stat.nlink > 1) linked.add(stat.identity);
      bytes += isAnother ? LINK_BYTES : takenBytes(stat);
    } catch (error) {
      // Gone since it was listed.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  });
  return { bytes, entries };
}
