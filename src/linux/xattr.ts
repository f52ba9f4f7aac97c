/** Reads and sets extended attributes by descriptor. */

import { confirmedErrno, isErrno, type Located, SystemError, throwIfConfirmed } from "./errno.ts";
import { system } from "./libc.ts";
import { displayName, first, type Name, second } from "./path_names.ts";

/** How an inode is reached: an `O_PATH` descriptor only through its name in `/proc`. */
export interface XattrTarget extends Located {
  readonly fd: number;
  readonly isPathOnly: boolean;
}

/** Largest value and list that Linux allows, in bytes. */
const LIMIT = 65536n;
let scratch: Uint8Array | undefined;

/** Returns a path to the inode of an `O_PATH` descriptor; `/proc`'s magic link leads to it, also to a symlink. */
export function procPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * Returns the names of the attributes; none where the file system has no attributes.
 * @throws {SystemError}
 */
export function listXattrs(target: XattrTarget): Uint8Array[] {
  const buffer = scratch ??= new Uint8Array(Number(LIMIT));
  const sys = system();
  for (;;) {
    const length = target.isPathOnly
      ? sys.listxattr(first.set(procPath(target.fd), "listxattr"), buffer, LIMIT)
      : sys.flistxattr(target.fd, buffer, LIMIT);
    if (length >= 0) return length === 0 ? [] : splitList(buffer.slice(0, length));
    const errno = confirmedErrno();
    if (errno === "EOPNOTSUPP") return [];
    if (errno !== undefined) throw new SystemError(errno, "listxattr", target.path);
  }
}

function splitList(list: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let start = 0; start < list.length;) {
    const end = list.indexOf(0, start);
    names.push(list.subarray(start, end));
    start = end + 1;
  }
  return names;
}

/**
 * Returns the value of an attribute; `undefined` where there is none of that name.
 * @throws {SystemError}
 */
export function getXattr(target: XattrTarget, name: Name): Uint8Array | undefined {
  const buffer = scratch ??= new Uint8Array(Number(LIMIT));
  const sys = system();
  const key = second.set(name, "getxattr");
  for (;;) {
    const length = target.isPathOnly
      ? sys.getxattr(first.set(procPath(target.fd), "getxattr"), key, buffer, LIMIT)
      : sys.fgetxattr(target.fd, key, buffer, LIMIT);
    if (length >= 0) return buffer.slice(0, length);
    const errno = confirmedErrno();
    if (errno === "ENODATA" || errno === "EOPNOTSUPP") return undefined;
    if (errno !== undefined) throw new SystemError(errno, "getxattr", target.path);
  }
}

/** Creates or replaces an attribute. @throws {SystemError} whose `syscall` names the attribute too */
export function setXattr(target: XattrTarget, name: Name, value: Uint8Array): void {
  const sys = system();
  const key = second.set(name, "setxattr");
  const size = BigInt(value.length);
  for (;;) {
    const result = target.isPathOnly
      ? sys.setxattr(first.set(procPath(target.fd), "setxattr"), key, padded(value), size, 0)
      : sys.fsetxattr(target.fd, key, padded(value), size, 0);
    if (result >= 0) return;
    throwIfConfirmed(`setxattr ${displayName(name)}`, target);
  }
}

/** Returns a buffer of at least one byte: an empty one has no address to give. */
function padded(value: Uint8Array): Uint8Array {
  return value.length === 0 ? new Uint8Array(1) : value;
}

/** Removes an attribute. No error if it is not there. @throws {SystemError} */
export function removeXattr(target: XattrTarget, name: Name): void {
  const sys = system();
  try {
    while (sys.fremovexattr(target.fd, second.set(name, "fremovexattr")) < 0) {
      throwIfConfirmed("fremovexattr", target);
    }
  } catch (error) {
    if (!isErrno(error, "ENODATA")) throw error;
  }
}
