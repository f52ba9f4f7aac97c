/** Walks a tree of any depth with a bounded number of descriptors. */

import { type Directory, DT, type Entry, isErrno } from "../linux/mod.ts";
import { HandleStack } from "./handle_stack.ts";

/**
 * Calls `visit` for every entry below `top`, with a handle of its directory that is valid during
 * the call. Follows no links and enters no other mounts; passes over a directory that is deleted or
 * replaced after its own visit.
 * @throws {SystemError}
 */
export function walkTree(top: Directory, visit: (dir: Directory, entry: Entry) => void): void {
  using handles = new HandleStack(top);
  /** The subdirectories that are still to be walked, one list for each directory on the path. */
  const pending = [listed(handles.enter("."), visit)];
  for (let level = pending.at(-1); level; level = pending.at(-1)) {
    const name = level.pop();
    if (name === undefined) {
      handles.leave();
      pending.pop();
      continue;
    }
    const dir = enterChild(handles, name);
    if (dir) pending.push(listed(dir, visit));
  }
}

/** Visits the entries of a directory. @returns the names of its subdirectories */
function listed(dir: Directory, visit: (dir: Directory, entry: Entry) => void): Uint8Array[] {
  const subdirectories: Uint8Array[] = [];
  for (const entry of dir.entries()) {
    const type = entry.type === DT.UNKNOWN ? typeOf(dir, entry) : entry.type;
    visit(dir, type === entry.type ? entry : { name: entry.name, type });
    if (type === DT.DIR) subdirectories.push(entry.name);
  }
  return subdirectories;
}

/** Returns an entry's type, for file systems whose directories do not record it. */
function typeOf(dir: Directory, entry: Entry): number {
  try {
    return dir.statEntry(entry.name).type >> 12;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return DT.UNKNOWN;
    throw error;
  }
}

/** Opens a subdirectory; `undefined` for another mount, and if the tree has changed meanwhile. */
function enterChild(handles: HandleStack, name: Uint8Array): Directory | undefined {
  try {
    return handles.enter(name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return undefined;
    throw error;
  }
}
