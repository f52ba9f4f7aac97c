/** Opens files of trees, where a tenant may have put anything under any name. */

import type { Directory, File, Name } from "../linux/mod.ts";

/**
 * Opens a regular file for reading; the caller closes it. Anything else stays unopened, since the opening
 * of a device or of a FIFO has effects.
 * @returns `undefined` for a directory, a FIFO, a socket or a device
 * @throws {SystemError} ENOENT; ELOOP for a symbolic link
 */
export function openRegularFile(dir: Directory, name: Name): File | undefined {
  const { isFile, isSymlink } = dir.statEntry(name);
  // The kernel refuses to open a link, and says what it is.
  if (!isFile && !isSymlink) return undefined;
  using stack = new DisposableStack();
  const file = stack.use(dir.openFile(name));
  // Something else may have got the name meanwhile.
  if (!file.stat().isFile) return undefined;
  stack.move();
  return file;
}
