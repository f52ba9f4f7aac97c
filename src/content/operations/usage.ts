import { DT, isErrno } from "../../linux/mod.ts";
import type { Tree } from "../content.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import { walk } from "../walk_tree.ts";

/** Apparent bytes of regular files, and the number of entries, in a tree; hard links count once. */
export function usage(
  areas: OpenAreas,
  request: { tree: Tree },
  context: OperationContext,
): { bytes: number; entries: number } {
  using top = openTree(areas, request.tree);
  const linked = new Set<string>();
  let bytes = 0;
  let entries = 0;
  walk(top, (dir, entry) => {
    entries++;
    if (entries % 1024 === 0) context.throwIfCancelled();
    if (entry.type === DT.DIR) return;
    try {
      const stat = dir.statEntry(entry.name);
      if (!stat.isFile) return;
      if (stat.nlink > 1) {
        if (linked.has(stat.identity)) return;
        linked.add(stat.identity);
      }
      bytes += stat.size;
    } catch (error) {
      // Gone since it was listed.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  });
  return { bytes, entries };
}
