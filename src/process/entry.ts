/** Describes the entry at a path, for error messages. */

import { causeErrno, explainPath, reasonOf, StartError } from "../errors.ts";

/** Returns the metadata of an entry, of a link itself; `undefined` where there is none. @throws {StartError} */
export function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new StartError(`Cannot look at ${path}: ${explainPath(error, path)}`, { cause: error });
  }
}

/** Returns the kind of an entry, with an article. */
export function describeKind(info: Deno.FileInfo): string {
  if (info.isDirectory) return "a folder";
  if (info.isFile) return "a file";
  if (info.isSymlink) return "a link";
  if (info.isFifo) return "a FIFO";
  if (info.isSocket) return "a socket";
  return "a device";
}

/** Returns why an entry cannot be changed, and what an operator can do about it. */
export function explainChange(error: unknown, path: string): string {
  const isDenied = ["EACCES", "EPERM"].includes(causeErrno(error) ?? "");
  if (error instanceof StartError || !isDenied) return explainPath(error, path);
  return `${
    reasonOf(error)
  }; give wsdaemon's user access to it, or take the attributes immutable ` +
    `and append-only from it (chattr -i -a ${path})`;
}
