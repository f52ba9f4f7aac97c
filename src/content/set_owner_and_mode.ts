/** Whose content is. */

import { DaemonError } from "../errors.ts";
import { type Descriptor, isErrno } from "../linux/mod.ts";
import type { Owner } from "./tree.ts";

/**
 * Gives an inode its owner, and then its mode, which a change of owner would cut.
 * @throws {DaemonError} FAILED_PRECONDITION where the daemon may not give files away
 */
export function setOwnerAndMode(descriptor: Descriptor, owner: Owner, mode: number): void {
  try {
    descriptor.chown(owner.uid, owner.gid);
  } catch (error) {
    if (!isErrno(error, "EPERM")) throw error;
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `cannot give content to ${owner.uid}:${owner.gid}: the daemon must be root for that`,
      { cause: error },
    );
  }
  descriptor.chmod(mode);
}
