/** Parses paths in a tree that come from callers. */

import { DaemonError } from "../errors.ts";
import { bytesOf, NAME_MAX } from "../linux/mod.ts";

/**
 * Returns the components of a path in a tree; none for the tree's top (`""` or `"."`).
 * @throws {DaemonError} INVALID_ARGUMENT naming the path and what is wrong with it
 */
export function treePath(path: string): string[] {
  const refuse = (problem: string) =>
    new DaemonError("INVALID_ARGUMENT", `path ${JSON.stringify(path)} ${problem}`);
  if (path.startsWith("/")) throw refuse("must be relative to the workspace's top folder");
  if (path.includes("\0")) throw refuse("must not contain a NUL character");
  if (!path.isWellFormed()) throw refuse("must be valid Unicode");
  const components = path.split("/").filter((name) => name !== "" && name !== ".");
  for (const name of components) {
    if (name === "..") throw refuse('must not contain ".."');
    if (bytesOf(name).length > NAME_MAX) {
      throw refuse(`has a name of more than ${NAME_MAX} bytes`);
    }
  }
  return components;
}

/**
 * Returns the components of a path that must name an entry below the top folder.
 * @throws {DaemonError} INVALID_ARGUMENT naming the path and what is wrong with it
 */
export function entryPath(path: string): { parents: string[]; leaf: string } {
  const parents = treePath(path);
  const leaf = parents.pop();
  if (leaf === undefined) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `path ${JSON.stringify(path)} must name something within the workspace's top folder`,
    );
  }
  return { parents, leaf };
}
