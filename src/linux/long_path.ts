/** Opens and joins paths that are longer than one system call takes. */

import { PATH_MAX } from "./constants.ts";
import type { Directory } from "./directory.ts";
import { SLASH } from "./path_names.ts";

const SELF = Uint8Array.of(0x2e);

/**
 * Opens the directory at `path` beneath `top`, however deep; the caller closes it. It never goes
 * through a link nor to another mount.
 * @throws {SystemError}
 */
export function openLongPath(top: Directory, path: Uint8Array): Directory {
  if (path.length < PATH_MAX) return top.openDirectory(path.length === 0 ? SELF : path);
  let at = top;
  let rest = path;
  while (rest.length > 0) {
    const cut = rest.length < PATH_MAX ? rest.length : rest.lastIndexOf(SLASH, PATH_MAX - 1);
    const above = at;
    try {
      at = above.openDirectory(rest.subarray(0, cut));
    } finally {
      // Also where the next step fails: what is on the way may vanish meanwhile.
      if (above !== top) above.close();
    }
    rest = rest.subarray(cut + 1);
  }
  return at;
}

/** Splits a path into its last component and what is before that. */
export function splitLast(path: Uint8Array): { parent: Uint8Array; name: Uint8Array } {
  const slash = path.lastIndexOf(SLASH);
  return { parent: path.subarray(0, Math.max(slash, 0)), name: path.subarray(slash + 1) };
}

/** Returns the path of an entry of the directory at `parent`. */
export function joinPath(parent: Uint8Array, name: Uint8Array): Uint8Array {
  if (parent.length === 0) return name.slice();
  const path = new Uint8Array(parent.length + 1 + name.length);
  path.set(parent);
  path[parent.length] = SLASH;
  path.set(name, parent.length + 1);
  return path;
}
