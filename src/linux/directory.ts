/**
 * Directory handles: the only way to content.
 *
 * Every path is resolved beneath the handle by `openat2`, which fails (ELOOP, EXDEV) rather than
 * follow a symbolic link, leave the directory or cross to another mount, whatever is renamed or
 * swapped meanwhile. Operations on an entry resolve its parents that way and then name the entry
 * itself, which is never followed either.
 */

import { AT, O, RENAME, RESOLVE, S, SYSCALL } from "./constants.ts";
import { Descriptor, encodeTimes } from "./descriptor.ts";
import { type Entry, type NameSink, readEntries, readNames } from "./entries.ts";
import {
  confirmedErrno,
  SystemError,
  systemError,
  systemErrorBetween,
  throwIfConfirmed,
} from "./errno.ts";
import { File } from "./file.ts";
import { libc, type Symbols, system } from "./libc.ts";
import { first, isComponent, type Name, second, splitPath } from "./path_names.ts";
import { type Stat, statx, type Timespec } from "./stat.ts";

/** `struct open_how`: flags, mode, resolve. */
const how = new BigUint64Array(3);
const howWords = new Uint32Array(how.buffer);
const howBytes = new Uint8Array(how.buffer);
const HOW_SIZE = 24n;

const BENEATH = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS;
/** Maximum number of retries of `openat2`, which answers EAGAIN when a rename raced with it. */
const MAX_EAGAIN_RETRIES = 100;

/** How {@link Directory.openDirectory} resolves a path. */
export interface OpenOptions {
  /** Whether the path may lead to another mount; a tree of its own file system is entered so. */
  crossMounts?: boolean;
}

function openBeneath(dir: Descriptor, path: Name, flags: number, mode: number, cross: boolean) {
  const sys = system();
  howWords[0] = flags | O.CLOEXEC;
  howWords[2] = mode;
  howWords[4] = cross ? BENEATH : BENEATH | RESOLVE.NO_XDEV;
  for (let races = 0;;) {
    const name = first.set(path, "openat2");
    const fd = sys.openat2(SYSCALL.openat2, dir.fd, name, howBytes, HOW_SIZE);
    if (fd >= 0) return fd;
    const errno = confirmedErrno();
    if (errno === undefined || errno === "EAGAIN" && ++races < MAX_EAGAIN_RETRIES) continue;
    throw systemError(errno, "openat2", dir, path);
  }
}

/**
 * An open directory, from which entries are reached by name or relative path, never through a
 * symbolic link and never outside of it (ELOOP, EXDEV). What it opens is the caller's to close.
 */
export class Directory extends Descriptor {
  /**
   * Opens an area's folder, for start-up.
   * @param path absolute, not a link itself
   * @param label what errors call it, so that they need not tell the node's layout
   * @throws {SystemError}
   */
  static open(path: string, label: string = path): Directory {
    const { sys } = libc();
    const flags = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
    for (;;) {
      const fd = sys.openat(AT.FDCWD, first.set(path, "openat"), flags, 0);
      if (fd >= 0) return new Directory(fd, undefined, label, false, path);
      const at = { path, location: path, pathOf: () => path, locationOf: () => path };
      throwIfConfirmed("openat", at);
    }
  }

  /** Opens a directory beneath this one; `.` for another handle of this one. @throws {SystemError} */
  openDirectory(path: Name, options?: OpenOptions): Directory {
    // Not NOFOLLOW, which would have a link refused as ENOTDIR; `openBeneath` says ELOOP.
    const flags = O.RDONLY | O.DIRECTORY;
    const fd = openBeneath(this, path, flags, 0, options?.crossMounts ?? false);
    return new Directory(fd, this, path);
  }

  /**
   * Opens a file beneath this directory. A FIFO does not block, but opens: look at its `stat()`.
   * @param flags of `O`, for reading unless given
   * @throws {SystemError}
   */
  openFile(path: Name, flags: number = O.RDONLY): File {
    const fd = openBeneath(this, path, flags | O.NOFOLLOW | O.NONBLOCK, 0, false);
    return new File(fd, this, path);
  }

  /** Opens whatever is there, a symbolic link too, for its metadata only (`O_PATH`). @throws {SystemError} */
  openPath(path: Name): Descriptor {
    const fd = openBeneath(this, path, O.PATH | O.NOFOLLOW, 0, false);
    return new Descriptor(fd, this, path, true);
  }

  /**
   * Creates a regular file for reading and writing.
   * @param mode cut by the umask; see {@link Descriptor.chmod} for an exact one
   * @throws {SystemError} EEXIST where anything has that name
   */
  createFile(path: Name, mode = 0o600): File {
    const flags = O.RDWR | O.CREAT | O.EXCL | O.NOFOLLOW;
    return new File(openBeneath(this, path, flags, mode, false), this, path);
  }

  /** Opens a regular file for writing, and creates it where nothing has that name. @throws {SystemError} */
  openOrCreateFile(path: Name, mode = 0o600): File {
    const flags = O.WRONLY | O.CREAT | O.NOFOLLOW | O.NONBLOCK;
    return new File(openBeneath(this, path, flags, mode, false), this, path);
  }

  /** Reads the metadata of an entry, of a link itself. @throws {SystemError} */
  statEntry(path: Name): Stat {
    return this.#within(
      path,
      "statx",
      (dir, leaf) => statx(dir.fd, first.set(leaf, "statx"), 0, dir, leaf),
    );
  }

  /** Makes a directory. @param mode cut by the umask. @throws {SystemError} */
  makeDirectory(path: Name, mode = 0o700): void {
    this.#call(path, "mkdirat", (sys, fd, name) => sys.mkdirat(fd, name, mode));
  }

  /** Removes an entry that is not a directory. @throws {SystemError} EISDIR where it is one */
  unlink(path: Name): void {
    this.#call(path, "unlinkat", (sys, fd, name) => sys.unlinkat(fd, name, 0));
  }

  /** Removes an empty directory. @throws {SystemError} */
  removeDirectory(path: Name): void {
    this.#call(path, "unlinkat", (sys, fd, name) => sys.unlinkat(fd, name, AT.REMOVEDIR));
  }

  /**
   * Renames an entry, replacing what has the new name unless `exclusive`.
   * @throws {SystemError} EEXIST where `exclusive` and the new name is taken
   */
  rename(path: Name, to: Directory, toPath: Name, options?: { exclusive?: boolean }): void {
    this.#rename(path, to, toPath, options?.exclusive ? RENAME.NOREPLACE : 0);
  }

  /** Swaps two entries in one step. @throws {SystemError} */
  exchange(path: Name, to: Directory, toPath: Name): void {
    this.#rename(path, to, toPath, RENAME.EXCHANGE);
  }

  #rename(path: Name, to: Directory, toPath: Name, flags: number): void {
    this.#callPair(
      path,
      to,
      toPath,
      "renameat2",
      (sys, fd, name, toFd, toName) =>
        sys.renameat2(SYSCALL.renameat2, fd, name, toFd, toName, flags),
    );
  }

  /** Gives an inode, a symbolic link's own too, another name. @throws {SystemError} */
  link(path: Name, to: Directory, toPath: Name): void {
    this.#callPair(
      path,
      to,
      toPath,
      "linkat",
      (sys, fd, name, toFd, toName) => sys.linkat(fd, name, toFd, toName, 0),
    );
  }

  /** Makes a symbolic link with any text. @throws {SystemError} */
  symlink(target: Name, path: Name): void {
    const text = second.set(target, "symlinkat");
    this.#call(path, "symlinkat", (sys, fd, name) => sys.symlinkat(text, fd, name));
  }

  /** Reads the text of a symbolic link. @throws {SystemError} EINVAL where it is none */
  readLink(path: Name): Uint8Array {
    const buffer = linkBuffer ??= new Uint8Array(LINK_MAX);
    const length = this.#call(
      path,
      "readlinkat",
      (sys, fd, name) => sys.readlinkat(fd, name, buffer, BigInt(LINK_MAX)),
    );
    return buffer.slice(0, length);
  }

  /** Makes a FIFO. @param mode cut by the umask. @throws {SystemError} */
  makeFifo(path: Name, mode: number): void {
    this.#makeNode(path, S.IFIFO | mode, 0);
  }

  /** Makes a device node. @param mode with `S.IFCHR` or `S.IFBLK`. @throws {SystemError} */
  makeDevice(path: Name, mode: number, major: number, minor: number): void {
    // The kernel's own 32-bit encoding (`new_encode_dev`).
    this.#makeNode(path, mode, (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12));
  }

  #makeNode(path: Name, mode: number, device: number): void {
    this.#call(
      path,
      "mknodat",
      (sys, fd, name) => sys.mknodat(SYSCALL.mknodat, fd, name, mode, device >>> 0),
    );
  }

  /** Changes the owner of an entry, a link's own. @throws {SystemError} */
  chownEntry(path: Name, uid: number, gid: number): void {
    this.#call(
      path,
      "fchownat",
      (sys, fd, name) => sys.fchownat(fd, name, uid, gid, AT.SYMLINK_NOFOLLOW),
    );
  }

  /** Sets the times of an entry, a link's own. @throws {SystemError} */
  setEntryTimes(path: Name, mtime: Timespec, atime?: Timespec): void {
    this.#call(
      path,
      "utimensat",
      (sys, fd, name) => sys.utimensat(fd, name, encodeTimes(mtime, atime), AT.SYMLINK_NOFOLLOW),
    );
  }

  /**
   * Reads the next entries of this handle, in batches, for fast walks; `undefined` at the end.
   * @throws {SystemError}
   */
  readBatch(): Entry[] | undefined {
    return readEntries(this.fd, this);
  }

  /**
   * Reads the next entries without an object for each name, for the fastest walks.
   * @returns whether there may be more
   * @throws {SystemError}
   */
  readNames(sink: NameSink): boolean {
    return readNames(this.fd, this, sink);
  }

  /** Makes {@link readBatch} start again. @throws {SystemError} */
  rewind(): void {
    while (system().lseek64(this.fd, 0n, 0) < 0n) throwIfConfirmed("lseek", this);
  }

  /** Yields every entry, from the first, in the file system's order, without `.` and `..`. @throws {SystemError} */
  *entries(): Generator<Entry, void, undefined> {
    this.rewind();
    for (let batch = this.readBatch(); batch; batch = this.readBatch()) yield* batch;
  }

  /** Makes a call for an entry, again where {@link confirmedErrno} says so. */
  #call(
    path: Name,
    syscall: string,
    call: (sys: Symbols, fd: number, name: Uint8Array<ArrayBuffer>) => number,
  ): number {
    return this.#within(path, syscall, (dir, leaf) => {
      const sys = system();
      const name = first.set(leaf, syscall);
      for (;;) {
        const result = call(sys, dir.fd, name);
        if (result >= 0) return result;
        throwIfConfirmed(syscall, dir, leaf);
      }
    });
  }

  /** {@link #call} for two entries. */
  #callPair(
    path: Name,
    to: Directory,
    toPath: Name,
    syscall: string,
    call: (
      sys: Symbols,
      fd: number,
      name: Uint8Array<ArrayBuffer>,
      toFd: number,
      toName: Uint8Array<ArrayBuffer>,
    ) => number,
  ): void {
    this.#within(path, syscall, (dir, leaf) =>
      to.#within(toPath, syscall, (toDir, toLeaf) => {
        const sys = system();
        const name = first.set(leaf, syscall);
        const toName = second.set(toLeaf, syscall);
        while (call(sys, dir.fd, name, toDir.fd, toName) < 0) {
          const errno = confirmedErrno();
          if (errno === undefined) continue;
          throw systemErrorBetween(errno, syscall, [dir, leaf], [toDir, toLeaf]);
        }
      }));
  }

  /** Calls `act` with the directory that an entry is in, which is opened for it where need be. */
  #within<T>(path: Name, syscall: string, act: (dir: Directory, leaf: Name) => T): T {
    if (isComponent(path)) return act(this, path);
    const { parent, leaf } = splitPath(path);
    if (parent === undefined || parent.length === 0 || !isComponent(leaf)) {
      throw new SystemError("EINVAL", syscall, this.pathOf(path));
    }
    const dir = this.openDirectory(parent);
    try {
      return act(dir, leaf);
    } finally {
      dir.close();
    }
  }
}

const LINK_MAX = 4096;
let linkBuffer: Uint8Array<ArrayBuffer> | undefined;
