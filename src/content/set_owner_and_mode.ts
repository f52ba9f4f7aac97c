/** Sets owner and mode of content. */

import { DaemonError } from "../errors.ts";
import { type Descriptor, isErrno } from "../linux/mod.ts";
import type { Owner } from "./tree.ts";

/**
 * Sets an inode's owner and then its mode, from which a change of owner would remove set-id bits.
 * @throws {DaemonError} FAILED_PRECONDITION if the daemon may not change owners
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
