/**
 * Sets owners and xattrs, and tells a refusal, which is counted, from a failure, which is thrown.
 */

import { type Descriptor, isErrno, type Timespec } from "../linux/mod.ts";
import type { Abilities } from "./abilities.ts";
import type { Xattr } from "../image/mod.ts";

/**
 * Errors for an xattr that a file system or the kernel refuses: it supports none, the process may
 * not, the value is too large, or the namespace does not exist here.
 */
const XATTR_REFUSALS = ["EOPNOTSUPP", "EPERM", "EACCES", "E2BIG", "ERANGE", "EINVAL"] as const;

/** Times within this many seconds of the epoch fit into every file system. */
const MAX_COMMON_SECONDS = 2 ** 31;

/**
 * Sets an xattr.
 * @returns false if this process or the file system refuses it
 * @throws {SystemError} for any other failure, such as a full disk
 */
export function trySetXattr(
  target: Descriptor,
  { name, value }: Xattr,
  abilities: Abilities,
): boolean {
  try {
    target.setXattr(name, value);
    return true;
  } catch (error) {
    if (isErrno(error, ...XATTR_REFUSALS)) return false;
    // ext4 also returns ENOSPC if an inode's xattrs do not fit into one block.
    if (isErrno(error, "ENOSPC") && abilities.hasSpace()) return false;
    throw error;
  }
}

/** Calls `chown`. @returns false if this process may not change the owner. @throws {SystemError} */
export function tryChown(chown: () => void): boolean {
  try {
    chown();
    return true;
  } catch (error) {
    // EINVAL: the owner has no number in this user namespace.
    if (isErrno(error, "EPERM", "EINVAL")) return false;
    throw error;
  }
}

/** Returns whether some file systems cannot hold this time, and store the nearest that they can. */
export function isUncommonTime({ sec }: Timespec): boolean {
  return Math.abs(sec) >= MAX_COMMON_SECONDS;
}
