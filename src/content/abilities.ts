/**
 * Finds out by trying what this process can make and set: rights come from user ids, capabilities,
 * seccomp filters, device policies and the file system together, and only the kernel knows the sum.
 */

import { type Directory, displayName, type File, isErrno, SystemError } from "../linux/mod.ts";
import type { Xattr } from "../image/mod.ts";

const CHARACTER_DEVICE = 0o020600;
/** Results that are kept, so that content cannot fill the memory with names. */
const MAX_CACHED_XATTRS = 1000;

/** What this process can do on the file system of content. Each answer is probed once and kept. */
export class Abilities {
  readonly #scratch: Directory;
  #devices: boolean | undefined;
  #whiteouts: boolean | undefined;
  #owners: boolean | undefined;
  readonly #xattrs = new Map<string, boolean>();

  /** @param scratch a directory on the file system that content is on; nothing is left in it */
  constructor(scratch: Directory) {
    this.#scratch = scratch;
  }

  /**
   * Returns whether a device node can be made. For 0:0 that depends on the file system, not on
   * rights.
   */
  canMakeDevice(major: number, minor: number): boolean {
    if (major === 0 && minor === 0) return this.#whiteouts ??= this.#makesDevice(0, 0);
    return this.#devices ??= this.#makesDevice(major, minor);
  }

  /** Returns whether inodes can be given to other users. */
  canChown(): boolean {
    return this.#owners ??= this.#onFile((file) => file.chown(65533, 65533));
  }

  /** Returns whether an xattr can be set. */
  canSetXattr({ name, value }: Xattr): boolean {
    const key = displayName(name);
    const cached = this.#xattrs.get(key);
    if (cached !== undefined) return cached;
    if (this.#xattrs.size >= MAX_CACHED_XATTRS) this.#xattrs.clear();
    const can = this.#onFile((file) => file.setXattr(name, value));
    this.#xattrs.set(key, can);
    return can;
  }

  /**
   * Returns whether the disk has space for the largest xattr (64 KiB). If it has, an xattr that was
   * refused for lack of space was too large for the file system.
   */
  hasSpace(): boolean {
    try {
      this.#withFile((file) => file.write(new Uint8Array(64 * 1024).fill(1)));
      return true;
    } catch (error) {
      if (error instanceof SystemError) return false;
      throw error;
    }
  }

  #makesDevice(major: number, minor: number): boolean {
    const name = crypto.randomUUID();
    return isAllowed(() => {
      this.#scratch.makeDevice(name, CHARACTER_DEVICE, major, minor);
      this.#scratch.unlink(name);
    });
  }

  #onFile(attempt: (file: File) => void): boolean {
    return isAllowed(() => this.#withFile(attempt));
  }

  /** Calls `attempt` with a file that has no name any more. */
  #withFile(attempt: (file: File) => void): void {
    const name = crypto.randomUUID();
    using file = this.#scratch.createFile(name);
    this.#scratch.unlink(name);
    attempt(file);
  }
}

/** Errors for what a process may not do or a file system does not support. */
const REFUSALS = ["EPERM", "EACCES", "EOPNOTSUPP", "EINVAL", "E2BIG", "ERANGE"] as const;

/**
 * Returns whether `attempt` is not refused. Other errors, such as a full disk or a lack of
 * descriptors, say nothing about rights: a backup must neither fail nor warn because a probe could
 * not be made.
 */
function isAllowed(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return !isErrno(error, ...REFUSALS);
  }
}
