import type { Block } from "../../../image/mod.ts";
import {
  type Descriptor,
  type Directory,
  isErrno,
  openLongPath,
  PATH_MAX,
} from "../../../linux/mod.ts";

/** What has become of directories since they were walked, by path. */
export interface Changes {
  /** Those that are not as their blocks say any more. */
  readonly changed: Uint8Array[];
  /** Those that are not there: deleted, or moved elsewhere, which then has changed. */
  readonly gone: Uint8Array[];
}

/** Compares directories with their blocks. @param tick called before each; throws to cancel */
export function changedDirectories(
  top: Directory,
  blocks: Iterable<Block>,
  tick: () => void,
): Changes {
  const changes: Changes = { changed: [], gone: [] };
  for (const block of blocks) {
    tick();
    const found = look(top, block);
    if (found !== "same") changes[found].push(block.path.slice());
  }
  return changes;
}

function look(top: Directory, block: Block): "same" | keyof Changes {
  const { path } = block;
  let dir: Descriptor;
  try {
    // For metadata alone, which is cheaper than opening it.
    dir = path.length > 0 && path.length < PATH_MAX ? top.openPath(path) : openLongPath(top, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return "gone";
    // Something is mounted there, and not entered.
    if (isErrno(error, "EXDEV")) return "same";
    throw error;
  }
  try {
    const stat = dir.stat();
    if (!stat.isDirectory) return "gone";
    return block.isUnchanged(block.self, stat) ? "same" : "changed";
  } finally {
    dir.close();
  }
}
