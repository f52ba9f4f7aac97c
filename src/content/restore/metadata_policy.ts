/** Sets the metadata of restored entries; what this process cannot set is left out and counted. */

import {
  type Descriptor,
  type Directory,
  effectiveUser,
  isErrno,
  type Stat,
  type Timespec,
} from "../../linux/mod.ts";
import type { Abilities } from "../abilities.ts";
import { hostOwner } from "../id_map.ts";
import type { Owner } from "../tree.ts";
import { isUncommonTime, tryChown, trySetXattr } from "../attributes.ts";
import type { Xattr } from "../../image/mod.ts";
import type { OmissionLog } from "../omissions.ts";

/** Metadata as an image has it. */
export interface StoredMetadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timespec;
  readonly xattrs: readonly Xattr[];
}

/** Returns the path of an entry; called only where an omission names it. */
export type LazyPath = () => Uint8Array;

/** Options of a {@link MetadataPolicy}. */
export interface PolicyOptions {
  /** Whether the image is ours: others lose set-id bits, devices and privileged attributes. */
  readonly trusted: boolean;
  readonly abilities: Abilities;
  readonly omissions: OmissionLog;
}

/** Errors of a file system that cannot hold a name which another file system had. */
export const NAME_REFUSALS = ["ENAMETOOLONG", "EILSEQ"] as const;
/**
 * Errors for symlinks, FIFOs and devices that this node cannot make: names, rights, device policies,
 * and overlayfs, which reserves device 0:0.
 */
export const NODE_REFUSALS = [...NAME_REFUSALS, "EPERM", "EACCES", "EOPNOTSUPP"] as const;

const SET_ID = 0o6000;
const decoder = new TextDecoder();

/** Decides which of an image's metadata is set on this node, and sets it. */
export class MetadataPolicy {
  readonly #options: PolicyOptions;
  readonly #user = effectiveUser();

  constructor(options: PolicyOptions) {
    this.#options = options;
  }

  /** Whether device nodes of the image may be made, where this process can. */
  get allowsDevices(): boolean {
    return this.#options.trusted;
  }

  /** Returns the mode to create an inode with: no set-id bits before its owner is set. */
  creationModeOf(stored: StoredMetadata): number {
    return stored.mode & 0o777;
  }

  /**
   * Sets all metadata of an open file or directory, in this order: setting the owner cuts the mode, and
   * attributes need a mode that lets us write.
   * @returns what the inode has then
   * @throws {SystemError}
   */
  apply(target: Descriptor, stored: StoredMetadata, path: LazyPath): Stat {
    const isOwned = this.#setOwner(stored, path, ({ uid, gid }) => target.chown(uid, gid));
    this.#setXattrs(target, stored.xattrs, path);
    target.setTimes(stored.mtime);
    const stat = this.#setMode(target, stored, isOwned, path);
    this.#checkTime(stat, stored, path);
    return stat;
  }

  /** Sets all metadata of a symlink, FIFO or device, which is reached only by its name. */
  applyToEntry(
    dir: Directory,
    name: Uint8Array,
    stored: StoredMetadata,
    { hasMode, path }: { hasMode: boolean; path: LazyPath },
  ): Stat {
    const chown = ({ uid, gid }: Owner) => dir.chownEntry(name, uid, gid);
    const isOwned = this.#setOwner(stored, path, chown);
    if (hasMode || stored.xattrs.length > 0) {
      using entry = dir.openPath(name);
      this.#setXattrs(entry, stored.xattrs, path);
      if (hasMode) this.#setMode(entry, stored, isOwned, path);
    }
    dir.setEntryTimes(name, stored.mtime);
    const stat = dir.statEntry(name);
    this.#checkTime(stat, stored, path);
    return stat;
  }

  /** Gives an inode its owner. @returns whether it has it now */
  #setOwner(stored: StoredMetadata, path: LazyPath, chown: (owner: Owner) => void): boolean {
    const owner = hostOwner(stored);
    if (owner?.uid === this.#user.uid && owner.gid === this.#user.gid) return true;
    if (owner && tryChown(() => chown(owner))) return true;
    this.#options.omissions.add("owner", path());
    return false;
  }

  /** Sets the mode. Set-id bits are for an owner: without it, and from others' images, they are dropped. */
  #setMode(target: Descriptor, stored: StoredMetadata, isOwned: boolean, path: LazyPath): Stat {
    const { trusted, omissions } = this.#options;
    const mode = trusted && isOwned ? stored.mode : stored.mode & ~SET_ID;
    let stat = target.stat();
    if (stat.permissions !== mode) {
      chmodOrWithoutSetId(target, mode);
      stat = target.stat();
    }
    // The kernel clears bits that this process may not set, and says nothing.
    if (((stored.mode & ~stat.permissions) & SET_ID) !== 0) omissions.add("set-id", path());
    return stat;
  }

  #setXattrs(target: Descriptor, xattrs: readonly Xattr[], path: LazyPath): void {
    for (const xattr of xattrs) {
      const { abilities, omissions } = this.#options;
      const isSet = this.#allowsXattr(xattr) && trySetXattr(target, xattr, abilities);
      if (!isSet) omissions.add("xattr", path());
    }
  }

  #allowsXattr({ name }: Xattr): boolean {
    const text = decoder.decode(name);
    return this.#options.trusted || text.startsWith("user.") ||
      text.startsWith("system.posix_acl_");
  }

  /** Counts a time that the file system has replaced by the nearest that it can hold. */
  #checkTime(stat: Stat, { mtime }: StoredMetadata, path: LazyPath): void {
    if (!isUncommonTime(mtime) || stat.mtime.sec === mtime.sec) return;
    this.#options.omissions.add("time", path());
  }
}

/** Sets a mode; without its set-id bits where a seccomp filter refuses those. */
function chmodOrWithoutSetId(target: Descriptor, mode: number): void {
  try {
    target.chmod(mode);
  } catch (error) {
    if (!isErrno(error, "EPERM") || (mode & SET_ID) === 0) throw error;
    target.chmod(mode & ~SET_ID);
  }
}
