/** Errno as typed errors. */

import { libc } from "./libc.ts";

/** Names of the numbers in `asm-generic/errno*.h`, which both architectures use. */
const NAMES = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  5: "EIO",
  6: "ENXIO",
  7: "E2BIG",
  9: "EBADF",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  14: "EFAULT",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  25: "ENOTTY",
  26: "ETXTBSY",
  27: "EFBIG",
  28: "ENOSPC",
  29: "ESPIPE",
  30: "EROFS",
  31: "EMLINK",
  32: "EPIPE",
  34: "ERANGE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  61: "ENODATA",
  75: "EOVERFLOW",
  84: "EILSEQ",
  95: "EOPNOTSUPP",
  107: "ENOTCONN",
  116: "ESTALE",
  117: "EUCLEAN",
  122: "EDQUOT",
} as const;

const MEANINGS: Partial<Record<ErrnoName, string>> = {
  EACCES: "permission denied",
  EBUSY: "in use, or a mount point",
  EDQUOT: "disk quota exceeded",
  EEXIST: "exists already",
  EFBIG: "file too large",
  EILSEQ: "a name that the file system cannot hold",
  EIO: "input/output error",
  EISDIR: "is a directory",
  ELOOP: "a symbolic link is in the way",
  EMFILE: "too many open files",
  EMLINK: "too many links",
  ENAMETOOLONG: "name too long",
  ENODATA: "no such attribute or data",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on device",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  EOPNOTSUPP: "not supported by the file system",
  EPERM: "operation not permitted",
  ENOTTY: "not supported by the file system",
  EROFS: "read-only file system",
  ESTALE: "stale file handle",
  EUCLEAN: "the file system is damaged",
  EXDEV: "on another file system, or outside the directory",
};

type KnownErrno = (typeof NAMES)[keyof typeof NAMES];
/** An errno's name; numbers that we have no name for read `E<number>`. */
export type ErrnoName = KnownErrno | `E${number}`;

/** A system call that failed. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  #path: string | (() => string);

  /**
   * @param errno why
   * @param syscall what was called
   * @param path what it was called for, relative to an area's folder; for people. Where it is long to
   *   tell, how to: of most errors only the errno is looked at
   */
  constructor(readonly errno: ErrnoName, readonly syscall: string, path: string | (() => string)) {
    super();
    this.#path = path;
    Object.defineProperty(this, "message", { get: () => this.#describe(), configurable: true });
  }

  get path(): string {
    if (typeof this.#path !== "string") this.#path = this.#path();
    return this.#path;
  }

  #describe(): string {
    const meaning = MEANINGS[this.errno];
    const why = meaning ? `${meaning} (${this.errno})` : this.errno;
    return `${this.syscall} ${JSON.stringify(this.path)}: ${why}`;
  }
}

/** Whether `error` is a {@link SystemError} with one of these names. */
export function isErrno(error: unknown, ...names: ErrnoName[]): error is SystemError {
  return error instanceof SystemError && names.includes(error.errno);
}

const number = new Int32Array(1);

/** Errno of the call that has just failed on this thread. */
export function lastErrno(): ErrnoName {
  const { sys, errnoLocation } = libc();
  sys.memcpy(number, errnoLocation, 4n);
  const value = number[0]!;
  return (NAMES as Record<number, KnownErrno | undefined>)[value] ?? `E${value}`;
}

/** What an error names when a call fails: something open, or an entry of it. */
export interface Located {
  readonly path: string;
  pathOf(entry: Uint8Array | string): string;
}

/** How to tell where a call failed, whatever becomes of the entry's bytes meanwhile. */
export function lazyPath(at: Located, entry?: Uint8Array | string): () => string {
  if (entry === undefined) return () => at.path;
  const kept = typeof entry === "string" ? entry : entry.slice();
  return () => at.pathOf(kept);
}

/**
 * For the call that has just failed: returns where it was only interrupted and is to be made again.
 * @param entry of `at`, where the call named one
 * @throws {SystemError} for any other reason
 */
export function throwUnlessInterrupted(
  syscall: string,
  at: Located,
  entry?: Uint8Array | string,
): void {
  const errno = lastErrno();
  if (errno === "EINTR") return;
  throw new SystemError(errno, syscall, lazyPath(at, entry));
}
