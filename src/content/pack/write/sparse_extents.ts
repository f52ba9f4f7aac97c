/** Finds where a file has data, and where it has holes. */

import { MAX_EXTENTS } from "../../../archive/mod.ts";
import type { Extent } from "../../../extent.ts";
import type { File, Stat } from "../../../linux/mod.ts";

/**
 * Returns the extents of a file with holes; `undefined` for a file without holes. At most
 * `MAX_EXTENTS - 1` are returned: beyond that, the smallest holes are stored as data.
 */
export function sparseExtents(file: File, stat: Stat): readonly Extent[] | undefined {
  if (stat.size === 0 || stat.blocks * 512 >= stat.size) return undefined;
  const extents: Extent[] = [];
  let data = 0;
  for (let at = 0; at < stat.size;) {
    const found = file.nextData(at);
    if (!found || found.offset >= stat.size) break;
    const { offset } = found;
    const length = Math.min(found.length, stat.size - offset);
    // The file is being changed if an extent is empty.
    if (length <= 0) break;
    extents.push({ offset, length });
    data += length;
    at = offset + length;
  }
  if (data === stat.size) return undefined;
  return fillSmallestHoles(extents, MAX_EXTENTS - 1);
}

/**
 * Returns extents that include the smallest holes, up to a size that leaves at most `max` extents.
 */
export function fillSmallestHoles(extents: readonly Extent[], max: number): readonly Extent[] {
  let kept = extents;
  for (let hole = 4096; kept.length > max; hole *= 2) {
    const merged: Extent[] = [];
    for (const next of kept) {
      const last = merged.at(-1);
      if (last && next.offset - (last.offset + last.length) <= hole) {
        merged[merged.length - 1] = {
          offset: last.offset,
          length: next.offset + next.length - last.offset,
        };
      } else {
        merged.push(next);
      }
    }
    kept = merged;
  }
  return kept;
}
