/** Parses paths in the workspace as requests give them. */

import { invalid } from "../errors.ts";

/** Bytes of a file's name that Linux allows. */
const NAME_MAX = 255;

/**
 * Returns a path in its shortest form; empty for the workspace's top folder.
 * @throws {DaemonError} INVALID_ARGUMENT for the field, where it is absolute or leads out
 */
export function parseLocation(path: string, field: string): string {
  if (path.startsWith("/")) {
    throw invalid(field, "must be relative to the workspace's top folder");
  }
  if (path.includes("\0")) throw invalid(field, "must not contain a NUL character");
  if (!path.isWellFormed()) throw invalid(field, "must be valid Unicode");
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  for (const name of names) {
    if (name === "..") throw invalid(field, 'must not contain ".."');
    if (new TextEncoder().encode(name).length > NAME_MAX) {
      throw invalid(field, `has a name of more than ${NAME_MAX} bytes`);
    }
  }
  return names.join("/");
}

/**
 * Returns a checkout's path as {@link parseLocation} does.
 * @throws {DaemonError} INVALID_ARGUMENT for the field, also where it leads into a `.git` folder
 */
export function parseCheckoutLocation(path: string, field: string): string {
  const location = parseLocation(path, field);
  if (isInGitFolder(location)) throw invalid(field, 'must not lead into a ".git" folder');
  return location;
}

/** Returns whether a path is a `.git` folder or in one, in any case that a file system may fold. */
export function isInGitFolder(path: string): boolean {
  return path.split("/").some((name) => name.toLowerCase() === ".git");
}

/** Returns two relative paths as one. */
export function joinLocations(base: string, path: string): string {
  return base === "" ? path : `${base}/${path}`;
}
