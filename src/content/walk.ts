/** Going through a tree of any depth with a bounded number of descriptors. */

import { Directory, DT, type Entry, isErrno } from "../linux/mod.ts";

/** Handles that are kept open at most, the deepest ones. */
const OPEN = 64;

/** A directory on the way from the top to where the walk is. */
interface Level {
  name: Uint8Array | ".";
  handle: Directory | undefined;
  /** Subdirectories that are still to be visited. */
  pending: Uint8Array[];
}

/**
 * Calls `visit` for every entry beneath `top`, with a handle of its directory that is good during the
 * call. Links are not followed and other mounts not entered; a directory that vanishes, or is swapped
 * for something else, after it was visited is passed over.
 * @throws {SystemError}
 */
export function walk(top: Directory, visit: (dir: Directory, entry: Entry) => void): void {
  const levels: Level[] = [];
  try {
    enter(levels, { name: ".", handle: top.openDirectory("."), pending: [] }, visit);
    for (let level = levels.at(-1); level; level = levels.at(-1)) {
      const name = level.pending.pop();
      if (name === undefined) {
        level.handle?.close();
        levels.pop();
        continue;
      }
      const handle = openChild(top, levels, name);
      if (handle) enter(levels, { name, handle, pending: [] }, visit);
    }
  } finally {
    for (const level of levels) level.handle?.close();
  }
}

function enter(levels: Level[], level: Level, visit: (dir: Directory, entry: Entry) => void): void {
  levels.push(level);
  const far = levels[levels.length - 1 - OPEN];
  if (far?.handle) {
    far.handle.close();
    far.handle = undefined;
  }
  const dir = level.handle!;
  for (const entry of dir.entries()) {
    const type = entry.type === DT.UNKNOWN ? typeOf(dir, entry) : entry.type;
    const known = type === entry.type ? entry : { name: entry.name, type };
    visit(dir, known);
    if (type === DT.DIR) level.pending.push(entry.name);
  }
}

/** For file systems whose directories do not say. */
function typeOf(dir: Directory, entry: Entry): number {
  try {
    return dir.statEntry(entry.name).type >> 12;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return DT.UNKNOWN;
    throw error;
  }
}

/** Opens a subdirectory of the deepest level, `undefined` where the tree has changed under us. */
function openChild(top: Directory, levels: Level[], name: Uint8Array): Directory | undefined {
  try {
    return reopen(top, levels).openDirectory(name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

/**
 * The deepest level's handle. Where it was closed it is opened again from the top, together with
 * those of the levels above it that may be kept open.
 */
function reopen(top: Directory, levels: Level[]): Directory {
  const last = levels.length - 1;
  if (levels[last]!.handle) return levels[last]!.handle;
  let at = top;
  let kept = true;
  levels.forEach((level, depth) => {
    let next: Directory;
    try {
      next = at.openDirectory(level.name);
    } finally {
      if (!kept) at.close();
    }
    kept = last - depth < OPEN;
    if (kept) {
      level.handle?.close();
      level.handle = next;
    }
    at = next;
  });
  return at;
}
