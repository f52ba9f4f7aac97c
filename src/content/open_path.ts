/** Opens and makes the directories of a path in a tree. */

import { DaemonError } from "../errors.ts";
import { Directory, effectiveUser, isErrno, type Name } from "../linux/mod.ts";
import type { Owner } from "./tree.ts";
import { setOwnerAndMode } from "./set_owner_and_mode.ts";

/**
 * Opens the directory that the components lead to, one component a call, so that a path may be
 * longer than one system call takes; without components, `top` itself once more. The caller closes
 * the handle.
 * @throws {SystemError}
 */
export function openPath(top: Directory, components: readonly Name[]): Directory {
  return descend(top, components, (dir, name) => dir.openDirectory(name));
}

/**
 * Opens a directory as {@link openPath} does; makes directories that are missing, with mode 0755 and
 * that owner.
 * @throws {SystemError | DaemonError}
 */
export function makePath(top: Directory, components: readonly Name[], owner: Owner): Directory {
  return descend(top, components, (dir, name) => {
    try {
      return dir.openDirectory(name);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      return makeOwned(dir, name, owner);
    }
  });
}

function descend(
  top: Directory,
  components: readonly Name[],
  step: (dir: Directory, name: Name) => Directory,
): Directory {
  let at = top.openDirectory(".");
  for (const name of components) {
    using left = at;
    at = step(left, name);
  }
  return at;
}

const PRIVATE = 0o700;

function makeOwned(dir: Directory, name: Name, owner: Owner): Directory {
  try {
    dir.makeDirectory(name, PRIVATE);
  } catch (error) {
    // Somebody else made it meanwhile: it is used like any directory that was there before.
    if (!isErrno(error, "EEXIST")) throw error;
    return dir.openDirectory(name);
  }
  const made = dir.openDirectory(name);
  try {
    const stat = made.stat();
    if (stat.uid !== effectiveUser().uid || (stat.permissions & 0o777) !== PRIVATE) {
      throw new DaemonError(
        "ABORTED",
        `${dir.pathOf(name)} was swapped for another directory while it was made`,
      );
    }
    setOwnerAndMode(made, owner, 0o755);
    return made;
  } catch (error) {
    made.close();
    throw error;
  }
}
