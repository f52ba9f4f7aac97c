/**
 * What this process can make and set, found out by trying: rights come from user ids, capabilities,
 * seccomp filters, device policies and the file system together, and only the kernel knows the sum.
 */

import { type Directory, displayName, type File, isErrno, SystemError } from "../linux/mod.ts";
import type { Xattr } from "../image/mod.ts";

const CHARACTER_DEVICE = 0o020600;
const PROBED_XATTRS = 1000;

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

  /** Whether a device node can be made. A whiteout (0:0) needs no capability, but a willing file system. */
  canMakeDevice(major: number, minor: number): boolean {
    if (major === 0 && minor === 0) return this.#whiteouts ??= this.#makesDevice(0, 0);
    return this.#devices ??= this.#makesDevice(major, minor);
  }

  /** Whether inodes can be given to others. */
  canChown(): boolean {
    return this.#owners ??= this.#onFile((file) => file.chown(65533, 65533));
  }

  /** Whether an attribute can be set; asked of the system once for every name. */
  canSetXattr({ name, value }: Xattr): boolean {
    const key = displayName(name);
    const known = this.#xattrs.get(key);
    if (known !== undefined) return known;
    if (this.#xattrs.size >= PROBED_XATTRS) this.#xattrs.clear();
    const can = this.#onFile((file) => file.setXattr(name, value));
    this.#xattrs.set(key, can);
    return can;
  }

  /**
   * Whether there is room for as much as an attribute can be: where there is, one that was refused for
   * lack of it was too large.
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

/** How the kernel refuses what a process may not do, or a file system cannot. */
const REFUSALS = ["EPERM", "EACCES", "EOPNOTSUPP", "EINVAL", "E2BIG", "ERANGE"] as const;

/**
 * Whether `attempt` is not refused. A full disk, or the lack of a descriptor, says nothing of rights:
 * a backup does not fail, nor warn, because of a probe that could not be made.
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
