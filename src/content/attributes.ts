/** Setting owners, attributes and times, and telling what a refusal is from what a failure is. */

import { type Descriptor, isErrno, type Timespec } from "../linux/mod.ts";
import type { Abilities } from "./abilities.ts";
import type { Xattr } from "../image/mod.ts";

/**
 * Reasons for which a file system or the kernel does not take an attribute: it knows none, the process
 * may not, the value is too large, or it does not fit this file system.
 */
const XATTR_REFUSALS = ["EOPNOTSUPP", "EPERM", "EACCES", "E2BIG", "ERANGE", "EINVAL"] as const;

/** Seconds that every file system holds. */
const MAX_COMMON_SECONDS = 2 ** 31;

/**
 * Sets an attribute.
 * @returns false where this process or the file system does not take it
 * @throws {SystemError} for any other failure, a full disk for one
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
    // ext4 says so too where an inode's attributes do not fit into one block.
    if (isErrno(error, "ENOSPC") && abilities.hasSpace()) return false;
    throw error;
  }
}

/** Gives an inode away by `chown`. @returns false where this process may not. @throws {SystemError} */
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

/** Whether some file systems do not have such a time, and take the nearest that they have. */
export function isUncommonTime({ sec }: Timespec): boolean {
  return Math.abs(sec) >= MAX_COMMON_SECONDS;
}
