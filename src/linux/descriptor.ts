/** The operations of every open descriptor: metadata, and closing. */

import { AT } from "./constants.ts";
import { type ErrnoName, type GuardedEntry, type Refusal, refusalOf } from "../errors.ts";
import {
  isErrno,
  lastErrno,
  systemError,
  throwIfConfirmed,
  throwUnlessInterrupted,
} from "./errno.ts";
import { system } from "./libc.ts";
import { displayName, first, isComponent, type Name, second } from "./path_names.ts";
import { effectiveUser } from "./process.ts";
import { type Birth, type Stat, statx, statxBirth, type Timespec, tryStatx } from "./stat.ts";
import { getXattr, listXattrs, procPath, removeXattr, setXattr } from "./xattr.ts";

/** An empty NUL-terminated name, for `AT.EMPTY_PATH`. */
const EMPTY = new Uint8Array(8);

const times = new BigInt64Array(4);
const timesBytes = new Uint8Array(times.buffer);
/** `utimensat`'s "leave this time as it is". */
const UTIME_OMIT = 0x3ffffffen;

const MAX_SECONDS = 2n ** 63n - 1n;

/** Returns seconds within 64 bits: near their ends a number is rounded, maybe to one beyond. */
function seconds({ sec }: Timespec): bigint {
  const exact = BigInt(sec);
  return exact > MAX_SECONDS ? MAX_SECONDS : exact;
}

/** Returns the two timespecs that `utimensat` takes; valid until the next call. */
export function encodeTimes(mtime: Timespec, atime: Timespec | undefined): Uint8Array {
  times[0] = atime ? seconds(atime) : 0n;
  times[1] = atime ? BigInt(atime.nsec) : UTIME_OMIT;
  times[2] = seconds(mtime);
  times[3] = BigInt(mtime.nsec);
  return timesBytes;
}

/**
 * An open file descriptor, closed by `using`. It knows the name that it was opened by, for errors; a
 * rename does not change that.
 */
export class Descriptor implements Disposable {
  #fd: number;

  /**
   * @param fd owned by this object from now on
   * @param above the directory that it was opened in; absent for an area's folder
   * @param name within `above`
   * @param isPathOnly whether it was opened with `O_PATH`
   * @param absolute absolute path of a directory without `above`
   */
  constructor(
    fd: number,
    private readonly above: Descriptor | undefined,
    private readonly name: Name,
    readonly isPathOnly: boolean = false,
    private readonly absolute?: string,
  ) {
    this.#fd = fd;
  }

  /** The number; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Where it was opened, from the outermost directory on; for people. */
  get path(): string {
    return this.#describe(({ name }) => name);
  }

  /** Absolute path by which it was opened, for operators. */
  get location(): string {
    return this.#describe(({ absolute, name }) => absolute ?? name);
  }

  #describe(nameOf: (at: Descriptor) => Name): string {
    const names: string[] = [];
    // deno-lint-ignore no-this-alias -- the walk towards the root starts here
    for (let at: Descriptor | undefined = this; at; at = at.above) {
      if (at.name !== ".") names.push(displayName(nameOf(at)));
    }
    return names.reverse().join("/");
  }

  /** Returns the display path of an entry of this directory. */
  pathOf(name: Name): string {
    return `${this.path}/${displayName(name)}`;
  }

  /** Returns the absolute path of an entry of this directory, for operators. */
  locationOf(name: Name): string {
    // A walk calls its own top folder ".".
    return `${this.location}/${displayName(name)}`.replaceAll("/./", "/");
  }

  /** Returns what stands in the way of a call that the kernel has just refused, on this or an entry. */
  refusalOf(errno: ErrnoName, syscall: string, name?: Name): Refusal {
    const [entry, folder] = name === undefined
      ? [guardOf(this), this.above && guardOf(this.above)]
      : [guardOf(this, name), guardOf(this)];
    return refusalOf({ errno, syscall, uid: effectiveUser().uid, entry, folder });
  }

  /**
   * Closes the descriptor; no error where it is closed already.
   * @throws {SystemError} such as EIO or EDQUOT: what was written may be lost
   */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    if (system().close(fd) < 0) {
      // An interrupted close has closed: the number may be another thread's already.
      const errno = lastErrno();
      if (errno !== "EINTR") throw systemError(errno, "close", this);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reads the metadata of what is open. @throws {SystemError} */
  stat(): Stat {
    return statx(this.#fd, EMPTY, AT.EMPTY_PATH, this);
  }

  /** Tells when the inode was made; `undefined` where the file system does not say. @throws {SystemError} */
  birth(): Birth | undefined {
    return statxBirth(this.#fd, EMPTY, this);
  }

  /** Changes owner and group; clears set-id bits, so call it before {@link chmod}. @throws {SystemError} */
  chown(uid: number, gid: number): void {
    const flags = AT.EMPTY_PATH | AT.SYMLINK_NOFOLLOW;
    while (system().fchownat(this.#fd, EMPTY, uid, gid, flags) < 0) {
      throwIfConfirmed("fchownat", this);
    }
  }

  /** Sets permission, set-id and sticky bits. @throws {SystemError} */
  chmod(mode: number): void {
    const sys = system();
    if (this.isPathOnly) {
      while (sys.chmod(first.set(procPath(this.#fd), "chmod"), mode) < 0) {
        throwIfConfirmed("chmod", this);
      }
    } else {
      while (sys.fchmod(this.#fd, mode) < 0) throwIfConfirmed("fchmod", this);
    }
  }

  /** Sets the modification time and, where given, the access time. @throws {SystemError} */
  setTimes(mtime: Timespec, atime?: Timespec): void {
    const sys = system();
    const encoded = encodeTimes(mtime, atime);
    while (sys.utimensat(this.#fd, EMPTY, encoded, AT.EMPTY_PATH) < 0) {
      throwIfConfirmed("utimensat", this);
    }
  }

  /** Makes what was written, or a directory's entries, durable. @throws {SystemError} */
  sync(): void {
    while (system().fsync(this.#fd) < 0) throwUnlessInterrupted("fsync", this);
  }

  /** Makes the whole file system durable that this is on. @throws {SystemError} */
  syncFileSystem(): void {
    while (system().syncfs(this.#fd) < 0) throwUnlessInterrupted("syncfs", this);
  }

  /** Returns the names of extended attributes; none where the file system has none. @throws {SystemError} */
  listXattrs(): Uint8Array[] {
    return listXattrs(this);
  }
  /** Returns an attribute's value; `undefined` where there is no such attribute. @throws {SystemError} */
  getXattr(name: Name): Uint8Array | undefined {
    return getXattr(this, name);
  }
  /** Creates or replaces an attribute. @throws {SystemError} */
  setXattr(name: Name, value: Uint8Array): void {
    setXattr(this, name, value);
  }
  /** Removes an attribute; no error where there is none of that name. @throws {SystemError} */
  removeXattr(name: Name): void {
    removeXattr(this, name);
  }
}

/** Runs `action`, ignoring {@link SystemError}s of these names. @returns whether it succeeded */
export function ignoreErrno(names: Parameters<typeof isErrno>[1][], action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (isErrno(error, ...names)) return false;
    throw error;
  }
}

/** Returns what is known of a descriptor or an entry of it; `undefined` for deeper paths. */
function guardOf(at: Descriptor, name?: Name): GuardedEntry | undefined {
  if (at.fd < 0 || name !== undefined && !isComponent(name)) return undefined;
  const stat = name === undefined
    ? tryStatx(at.fd, EMPTY, AT.EMPTY_PATH)
    : tryStatx(at.fd, second.set(name, "statx"), 0);
  if (!stat) return undefined;
  const { uid, isImmutable, isAppendOnly } = stat;
  return {
    path: name === undefined ? at.location : at.locationOf(name),
    uid,
    isImmutable,
    isAppendOnly,
  };
}
