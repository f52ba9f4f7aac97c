/** Names errors of this machine, and finds them in what was thrown. */

import { DaemonError } from "./daemon_error.ts";

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
  37: "ENOLCK",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  61: "ENODATA",
  74: "EBADMSG",
  75: "EOVERFLOW",
  84: "EILSEQ",
  95: "EOPNOTSUPP",
  107: "ENOTCONN",
  108: "ESHUTDOWN",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  112: "EHOSTDOWN",
  116: "ESTALE",
  117: "EUCLEAN",
  121: "EREMOTEIO",
  122: "EDQUOT",
} as const;

/** The name of an errno that has a name here. */
export type KnownErrno = (typeof NAMES)[keyof typeof NAMES];
/** An errno's name; numbers that have no name here read `E<number>`. */
export type ErrnoName = KnownErrno | `E${number}`;

/** Returns the name of an errno's number. */
export function errnoName(number: number): ErrnoName {
  return (NAMES as Record<number, KnownErrno | undefined>)[number] ?? `E${number}`;
}

/**
 * Results of SQLite by their number, whose lowest byte is the primary result, and by SQLite's words for
 * them: only some errors of `node:sqlite` have the number.
 */
const SQLITE_RESULTS: readonly [name: string, code: number, words: RegExp][] = [
  ["SQLITE_READONLY_DBMOVED", 1032, /^(?!)/],
  ["SQLITE_IOERR_NOMEM", 3082, /^(?!)/],
  ["SQLITE_BUSY", 5, /database is locked/],
  ["SQLITE_NOMEM", 7, /out of memory/],
  ["SQLITE_READONLY", 8, /attempt to write a readonly database/],
  ["SQLITE_IOERR", 10, /disk I\/O error/],
  ["SQLITE_CORRUPT", 11, /database disk image is malformed/],
  ["SQLITE_FULL", 13, /database or disk is full/],
  ["SQLITE_CANTOPEN", 14, /unable to open database file/],
  ["SQLITE_NOTADB", 26, /file is not a database/],
];

interface Numbered {
  code?: unknown;
  errcode?: unknown;
  errno?: unknown;
}

/**
 * Returns the name of the errno or the result of SQLite that a failure of the runtime's or of ours has. `undefined` where it carries none, as a {@link DaemonError} does not.
 */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof DaemonError) return undefined;
  const { code, errno, errcode } = error as Numbered;
  if (code === "ERR_SQLITE_ERROR") return sqliteResult(error.message, errcode);
  if (typeof errno === "string") return errno;
  if (typeof code === "string") return code;
  const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
  return number === undefined ? undefined : errnoName(Number(number));
}

function sqliteResult(message: string, errcode: unknown): string | undefined {
  const number = Number(errcode);
  const exact = SQLITE_RESULTS.find(([, code]) => code === number) ??
    SQLITE_RESULTS.find(([, code]) => code === (number & 0xff)) ??
    SQLITE_RESULTS.find(([, , words]) => words.test(message));
  return exact?.[0];
}
