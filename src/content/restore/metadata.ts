/** Giving what was restored its metadata. */

import {
  type Descriptor,
  type Directory,
  effectiveUser,
  isErrno,
  type Timespec,
} from "../../linux/mod.ts";
import type { Xattr } from "../../image/layout.ts";

/** Metadata as an image has it. */
export interface StoredMetadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timespec;
  readonly xattrs: readonly Xattr[];
}

const SET_ID = 0o6000;
const decoder = new TextDecoder();

/** What of an image's metadata is honoured on this node, and by this daemon. */
export class MetadataPolicy {
  readonly #trusted: boolean;
  readonly #user = effectiveUser();

  /** @param trusted whether the image is ours: others lose set-id bits and privileged attributes */
  constructor(trusted: boolean) {
    this.#trusted = trusted;
  }

  /** Whether device nodes are made. */
  get makesDevices(): boolean {
    return this.#trusted && this.#user.uid === 0;
  }

  /** Whether an inode that this process makes is not of that owner, and can be given to it. */
  mustGive(owner: { uid: number; gid: number }): boolean {
    return this.#user.uid === 0 && !this.#isOurs(owner);
  }

  /** The mode that an inode gets: no set-id bits from others, nor for an owner that it cannot have. */
  modeOf(stored: StoredMetadata): number {
    const keepsSetId = this.#trusted && (this.#user.uid === 0 || this.#isOurs(stored));
    return keepsSetId ? stored.mode : stored.mode & ~SET_ID;
  }

  /** Applies everything: the owner cuts the mode, and attributes need a mode that lets us write. */
  apply(target: Descriptor, stored: StoredMetadata): void {
    if (this.mustGive(stored)) target.chown(stored.uid, stored.gid);
    this.setXattrs(target, stored.xattrs);
    target.chmod(this.modeOf(stored));
    target.setTimes(stored.mtime);
  }

  /** The same for an entry that is opened by its name only: a symlink, FIFO or device. */
  applyToEntry(dir: Directory, name: Uint8Array, stored: StoredMetadata, hasMode: boolean): void {
    if (this.mustGive(stored)) dir.chownEntry(name, stored.uid, stored.gid);
    if (hasMode || stored.xattrs.length > 0) {
      using entry = dir.openPath(name);
      this.setXattrs(entry, stored.xattrs);
      if (hasMode) entry.chmod(this.modeOf(stored));
    }
    dir.setEntryTimes(name, stored.mtime);
  }

  /** @throws {SystemError} where an attribute that this daemon may set cannot be set */
  setXattrs(target: Descriptor, xattrs: readonly Xattr[]): void {
    for (const { name, value } of xattrs) {
      const text = decoder.decode(name);
      const isPrivileged = !text.startsWith("user.");
      if (isPrivileged && !this.#trusted && !text.startsWith("system.posix_acl_")) continue;
      try {
        target.setXattr(name, value);
      } catch (error) {
        // A file system without attributes takes the rest all the same, as it does for every tool;
        // so does a node where this one takes rights that the daemon does not have.
        if (isErrno(error, "EOPNOTSUPP")) continue;
        if (isPrivileged && isErrno(error, "EPERM")) continue;
        throw error;
      }
    }
  }

  #isOurs({ uid, gid }: { uid: number; gid: number }): boolean {
    return uid === this.#user.uid && gid === this.#user.gid;
  }
}
