/** Reads properties of the process and of the file systems that it uses. */

import { type Located, throwIfConfirmed } from "./errno.ts";
import { system } from "./libc.ts";

/** Returns the user and group with whose rights system calls are made. */
export function effectiveUser(): { uid: number; gid: number } {
  const sys = system();
  return { uid: sys.geteuid(), gid: sys.getegid() };
}

/** Returns the number that names a file system's kind, as in `linux/magic.h`. @throws {SystemError} */
export function fileSystemType(of: Located & { readonly fd: number }): number {
  return Number(statfs(of)[0]!);
}

/** Returns the bytes of a file system, all of them and those that are free to everybody. @throws {SystemError} */
export function fileSystemSpace(
  of: Located & { readonly fd: number },
): { size: number; free: number } {
  const [, blockSize, blocks, , available] = statfs(of);
  return { size: Number(blockSize! * blocks!), free: Number(blockSize! * available!) };
}

/** Returns the words of a `struct statfs64`. */
function statfs(of: Located & { readonly fd: number }): BigUint64Array {
  const words = new BigUint64Array(16);
  while (system().fstatfs64(of.fd, new Uint8Array(words.buffer)) < 0) {
    throwIfConfirmed("fstatfs", of);
  }
  return words;
}
