/** Finds directories that changed after they were walked. */

import type { Block } from "../../../image/mod.ts";
import {
  type Descriptor,
  type Directory,
  isErrno,
  openLongPath,
  PATH_MAX,
} from "../../../linux/mod.ts";

/** The paths of directories that changed after they were walked. */
export interface Changes {
  /** Directories that are not as their blocks describe them. */
  readonly changed: Uint8Array[];
  /** Directories that are gone: deleted, or moved into another one, which has changed then. */
  readonly gone: Uint8Array[];
}

/**
 * Compares directories with their blocks.
 * @param tick called before each; throws if the pack is cancelled
 */
export function changedDirectories(
  top: Directory,
  blocks: Iterable<Block>,
  tick: () => void,
): Changes {
  const changes: Changes = { changed: [], gone: [] };
  for (const block of blocks) {
    tick();
    const state = stateOf(top, block);
    if (state !== "same") changes[state].push(block.path.slice());
  }
  return changes;
}

function stateOf(top: Directory, block: Block): "same" | keyof Changes {
  const { path } = block;
  let descriptor: Descriptor;
  try {
    // With O_PATH, which is cheaper than opening it for reading.
    descriptor = path.length > 0 && path.length < PATH_MAX
      ? top.openPath(path)
      : openLongPath(top, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return "gone";
    // It is a mount point, which is not entered.
    if (isErrno(error, "EXDEV")) return "same";
    throw error;
  }
  using dir = descriptor;
  const stat = dir.stat();
  if (!stat.isDirectory) return "gone";
  return block.isUnchanged(block.self, stat) ? "same" : "changed";
}
