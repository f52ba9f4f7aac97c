/**
 * Directories that changed after they were walked: what was renamed meanwhile may have been missed
 * under both its names, and is looked for again before a pack ends.
 */

import { type Directory, isErrno } from "../../linux/mod.ts";
import type { Block } from "../index/block.ts";
import { openDeep } from "./deep.ts";

/**
 * The paths of those directories that are not as their blocks say any more, or not there.
 * @param tick called before each; throws where the pack is cancelled
 */
export function changedDirectories(
  top: Directory,
  blocks: Iterable<Block>,
  tick: () => void,
): Uint8Array[] {
  const changed: Uint8Array[] = [];
  for (const block of blocks) {
    tick();
    if (hasChanged(top, block)) changed.push(block.path.slice());
  }
  return changed;
}

function hasChanged(top: Directory, block: Block): boolean {
  let dir: Directory;
  try {
    dir = openDeep(top, block.path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return true;
    // Something is mounted there, and not entered.
    if (isErrno(error, "EXDEV")) return false;
    throw error;
  }
  try {
    return !block.isUnchanged(block.self, dir.stat());
  } finally {
    dir.close();
  }
}
