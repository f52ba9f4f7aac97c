/** Going through a tree of any depth with a bounded number of descriptors. */

import { type Directory, DT, type Entry, isErrno } from "../linux/mod.ts";
import { HandleStack } from "./handle_stack.ts";

/**
 * Calls `visit` for every entry beneath `top`, with a handle of its directory that is good during the
 * call. Links are not followed and other mounts not entered; a directory that vanishes, or is swapped
 * for something else, after it was visited is passed over.
 * @throws {SystemError}
 */
export function walkTree(top: Directory, visit: (dir: Directory, entry: Entry) => void): void {
  using handles = new HandleStack(top);
  /** Subdirectories that are still to be visited, for each directory on the way. */
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
    const known = type === entry.type ? entry : { name: entry.name, type };
    visit(dir, known);
    if (type === DT.DIR) subdirectories.push(entry.name);
  }
  return subdirectories;
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

/** Opens a subdirectory: `undefined` for another mount, and where the tree has changed under us. */
function enterChild(handles: HandleStack, name: Uint8Array): Directory | undefined {
  try {
    return handles.enter(name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return undefined;
    throw error;
  }
}
