/**
 * The one table of what can be wrong with this machine, by the errno that a call ran into: which gRPC
 * code it means, in words what it is, and what an operator can do about it.
 *
 * - Space, inodes, descriptors and memory are RESOURCE_EXHAUSTED: another node has some, and so has this
 *   one after a while.
 * - A disk that fails, a file system that is read-only, a folder that somebody moved and rights that
 *   wsdaemon lacks are FAILED_PRECONDITION: they stay until an operator does something.
 * - A file system over the network or in user space that is out of reach is UNAVAILABLE.
 *
 * What says more of a path that was named than of the machine (ENOENT, ENOTDIR, …) is what whoever
 * named the path makes of it: those have words here and no code.
 */

import { causesOf } from "./causes.ts";
import { DaemonError, messageOf } from "./daemon_error.ts";
import type { ErrorCode } from "./error_code.ts";
import { errnoOf, type KnownErrno } from "./errno.ts";
import { describeFileSystem } from "./file_systems.ts";
import type { Reason } from "./reasons.ts";

/** Where something failed. */
export interface ErrorPlace {
  /** Absolute path. */
  path?: string | undefined;
}

/** What an errno means. */
export interface MachineError {
  /** Absent where that is for whoever named the path to say. */
  code?: ErrorCode;
  /** What programs tell it by; absent where the code is. */
  reason?: Reason;
  /** In words that follow the path and a colon. */
  words: string;
  /** What an operator can do about it, in the imperative. */
  remedy?: (place: ErrorPlace) => string;
}

type SqliteResult =
  | "SQLITE_BUSY"
  | "SQLITE_CANTOPEN"
  | "SQLITE_CORRUPT"
  | "SQLITE_FULL"
  | "SQLITE_IOERR"
  | "SQLITE_IOERR_NOMEM"
  | "SQLITE_NOMEM"
  | "SQLITE_NOTADB"
  | "SQLITE_READONLY"
  | "SQLITE_READONLY_DBMOVED";

const noSpace: MachineError = {
  code: "RESOURCE_EXHAUSTED",
  reason: "NODE_OUT_OF_SPACE",
  words: "no space left, or no inodes",
  remedy: ({ path }) =>
    `make room on ${describeFileSystem(path)}, for instance by disposing of workspaces (df, df -i)`,
};
const noMemory: MachineError = {
  code: "RESOURCE_EXHAUSTED",
  reason: "NODE_LIMIT_REACHED",
  words: "out of memory",
  remedy: () => "raise MemoryMax of the service, or do less at once",
};
const brokenDisk: MachineError = {
  code: "FAILED_PRECONDITION",
  reason: "NODE_DISK_FAULT",
  words: "the disk fails (input/output error)",
  remedy: ({ path }) =>
    `see the kernel's log (dmesg), check or replace the disk of ${
      describeFileSystem(path)
    }, mount ` +
    "it again and restart wsdaemon",
};
const damaged: MachineError = {
  code: "FAILED_PRECONDITION",
  reason: "NODE_DISK_FAULT",
  words: "the file system is damaged",
  remedy: ({ path }) => `unmount ${describeFileSystem(path)} and check it (fsck)`,
};
const readOnly: MachineError = {
  code: "FAILED_PRECONDITION",
  reason: "NODE_DISK_FAULT",
  words: "the file system is read-only",
  remedy: ({ path }) =>
    `see the kernel's log for why (dmesg), and mount ${describeFileSystem(path)} for writing ` +
    "(mount -o remount,rw)",
};
const outOfReach: MachineError = {
  code: "UNAVAILABLE",
  reason: "FILE_SYSTEM_UNAVAILABLE",
  words: "the file system is out of reach",
  remedy: ({ path }) => `see to the server or program behind ${describeFileSystem(path)}`,
};
/** The meaning of a file of wsdaemon's own that is not where wsdaemon left it. */
export const OWN_FILE_MOVED: MachineError = {
  code: "FAILED_PRECONDITION",
  reason: "NODE_STATE_UNUSABLE",
  words: "it was moved or removed while wsdaemon ran",
  remedy: () => "put back or mount again what was there, and restart wsdaemon",
};
const damagedDatabase: MachineError = {
  code: "FAILED_PRECONDITION",
  reason: "NODE_STATE_UNUSABLE",
  words: "the database is damaged",
  remedy: () =>
    "stop wsdaemon, check the disk, then have the workspaces' folders adopted by a new one: " +
    "wsdaemon state adopt --all",
};
const refused: MachineError = {
  code: "FAILED_PRECONDITION",
  reason: "NODE_PERMISSION_DENIED",
  words: "permission denied",
  remedy: ({ path }) => `give wsdaemon's user access to ${path ?? "it"}`,
};

const MACHINE_ERRORS: Readonly<Partial<Record<KnownErrno | SqliteResult, MachineError>>> = {
  ENOSPC: noSpace,
  SQLITE_FULL: noSpace,
  EDQUOT: {
    code: "RESOURCE_EXHAUSTED",
    reason: "NODE_OUT_OF_SPACE",
    words: "a disk quota is used up",
    remedy: ({ path }) => `raise the quota on ${describeFileSystem(path)}, or make room there`,
  },
  EFBIG: {
    code: "RESOURCE_EXHAUSTED",
    reason: "NODE_LIMIT_REACHED",
    words: "the file would be too large",
    remedy: ({ path }) =>
      `see what ${describeFileSystem(path)} and LimitFSIZE of the service allow`,
  },
  EMLINK: {
    code: "RESOURCE_EXHAUSTED",
    reason: "NODE_LIMIT_REACHED",
    words: "there are too many links to it",
  },
  EMFILE: {
    code: "RESOURCE_EXHAUSTED",
    reason: "NODE_LIMIT_REACHED",
    words: "too many files are open in this process",
    remedy: () => "raise LimitNOFILE of the service (ulimit -n), or do less at once",
  },
  ENFILE: {
    code: "RESOURCE_EXHAUSTED",
    reason: "NODE_LIMIT_REACHED",
    words: "as many files are open on this machine as it allows",
    remedy: () => "raise fs.file-max (sysctl)",
  },
  ENOLCK: {
    code: "RESOURCE_EXHAUSTED",
    reason: "NODE_LIMIT_REACHED",
    words: "no further lock can be had",
  },
  ENOMEM: noMemory,
  SQLITE_NOMEM: noMemory,
  SQLITE_IOERR_NOMEM: noMemory,
  EIO: brokenDisk,
  EREMOTEIO: brokenDisk,
  ENODEV: brokenDisk,
  ESHUTDOWN: brokenDisk,
  SQLITE_IOERR: brokenDisk,
  EUCLEAN: damaged,
  EBADMSG: damaged,
  SQLITE_CORRUPT: damagedDatabase,
  SQLITE_NOTADB: damagedDatabase,
  EROFS: readOnly,
  SQLITE_READONLY: readOnly,
  SQLITE_READONLY_DBMOVED: OWN_FILE_MOVED,
  SQLITE_CANTOPEN: {
    code: "FAILED_PRECONDITION",
    reason: "NODE_STATE_UNUSABLE",
    words: "the database cannot be opened",
    remedy: ({ path }) => `see that wsdaemon's user can read and write ${path ?? "it"}`,
  },
  SQLITE_BUSY: {
    code: "FAILED_PRECONDITION",
    reason: "NODE_STATE_UNUSABLE",
    words: "another program holds the database",
    remedy: ({ path }) => `end what has ${path ?? "it"} open (fuser)`,
  },
  ESTALE: outOfReach,
  ENOTCONN: outOfReach,
  EHOSTDOWN: outOfReach,
  ETIMEDOUT: outOfReach,
  EACCES: refused,
  EPERM: { ...refused, words: "operation not permitted" },
  EBUSY: {
    code: "FAILED_PRECONDITION",
    reason: "NODE_PATH_IN_USE",
    words: "it is in use, or a mount point",
    remedy: ({ path }) => `see what uses it (fuser -m ${path ?? "PATH"}), or unmount it`,
  },
  ETXTBSY: {
    code: "FAILED_PRECONDITION",
    reason: "NODE_PATH_IN_USE",
    words: "a program that runs is in it",
  },
  EEXIST: { words: "it is there already" },
  EILSEQ: { words: "the file system cannot hold that name" },
  EISDIR: { words: "it is a directory" },
  ELOOP: { words: "a symbolic link is in the way" },
  ENAMETOOLONG: { words: "the name is too long" },
  ENODATA: { words: "no such attribute or data" },
  ENOENT: { words: "no such file or directory" },
  ENOTDIR: { words: "a part of the path is not a directory" },
  ENOTEMPTY: { words: "the directory is not empty" },
  EOPNOTSUPP: { words: "the file system does not support that" },
  ENOTTY: { words: "the file system does not support that" },
  EPIPE: { words: "whoever reads it has closed it" },
  EXDEV: { words: "it is on another file system, or outside the directory" },
};

/** Returns what an errno (or a result of SQLite) means, by its name; `undefined` for all other names. */
export function machineErrorNamed(name: string | undefined): MachineError | undefined {
  return name !== undefined && Object.hasOwn(MACHINE_ERRORS, name)
    ? MACHINE_ERRORS[name as keyof typeof MACHINE_ERRORS]
    : undefined;
}

/**
 * Returns what went wrong first among several things that were thrown at once, of which the rest is a
 * consequence or came while clearing away; but one that is explained before one that is not.
 */
export function firstError(error: unknown): unknown {
  const all = thrownIn(error);
  return all.find(isExplained) ?? all[0] ?? error;
}

function thrownIn(error: unknown): unknown[] {
  if (error instanceof SuppressedError) {
    return [...thrownIn(error.suppressed), ...thrownIn(error.error)];
  }
  return error instanceof AggregateError ? error.errors.flatMap(thrownIn) : [error];
}

function isExplained(error: unknown): boolean {
  if (error instanceof DaemonError) return error.code !== "INTERNAL";
  return machineErrorNamed(causeErrno(error))?.code !== undefined;
}

/** Returns the errno of an error, or of the nearest of its causes that has one. */
export function causeErrno(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  for (const at of [error, ...causesOf(error)]) {
    const first = firstThrown(at);
    if (first instanceof DaemonError) return undefined;
    const name = errnoOf(first);
    if (machineErrorNamed(name)) return name;
  }
  return undefined;
}

/** Returns the first of several errors; unlike {@link firstError}, it does not look at their errno. */
function firstThrown(error: Error): unknown {
  return error instanceof SuppressedError || error instanceof AggregateError
    ? thrownIn(error)[0]
    : error;
}

/** Returns the words for what a failed file operation ran into, without the system's jargon. */
export function reasonOf(error: unknown): string {
  const first = firstError(error);
  return machineErrorNamed(causeErrno(first))?.words ?? messageOf(first);
}

/** Returns what an operator can do about a failed file operation; `undefined` where that is not known. */
export function remedyOf(error: unknown, place: ErrorPlace = {}): string | undefined {
  return machineErrorNamed(causeErrno(firstError(error)))?.remedy?.(place);
}

/** The path that Deno and Node put into a failed operation's message. */
const IN_MESSAGE = /(?:: |, )\w+ '(\/[^']*)'(?: -> '[^']*')?$/;

/** The context of a failure, for {@link machineError}. */
export interface MachineErrorOptions extends ErrorPlace {
  /** What was attempted, which then begins the message. */
  doing?: string | undefined;
  /** Whether the file is wsdaemon's own, so that its absence is a fault of this machine. */
  isOwnFile?: boolean;
  /** The code of a path that is not as expected (ENOENT, ENOTDIR, …); without it, that is no machine error. */
  otherwise?: ErrorCode;
}

/**
 * Returns the error for what this machine lacks or does not permit, as far as `error` says so: with the
 * path, the file system and the remedy. `undefined` for everything else.
 */
export function machineError(
  error: unknown,
  { doing, path, otherwise, isOwnFile = false }: MachineErrorOptions = {},
): DaemonError | undefined {
  const first = firstError(error);
  const name = causeErrno(first);
  const isMoved = isOwnFile && (name === "ENOENT" || name === "ENOTDIR");
  const meaning = isMoved ? OWN_FILE_MOVED : machineErrorNamed(name);
  const code = meaning?.code ?? otherwise;
  if (!meaning || !code) return undefined;
  const at = path ?? IN_MESSAGE.exec(messageOf(first))?.[1];
  const where = at === undefined ? "" : `${at}: `;
  const remedy = meaning.remedy?.({ path: at });
  const message = `${doing === undefined ? "" : `${doing}: `}${where}${meaning.words} (${name})` +
    (remedy === undefined ? "" : `; ${remedy}`);
  return new DaemonError(code, message, { cause: error, reason: meaning.reason });
}

/**
 * Returns `error` itself where it is a {@link DaemonError}; else the error for what this machine lacks,
 * where it says so; else one with `code` that keeps it as its cause.
 */
export function asDaemonError(error: unknown, code: ErrorCode, doing?: string): DaemonError {
  const first = firstError(error);
  if (first instanceof DaemonError) return doing ? first.withContext(doing) : first;
  const machine = machineError(first, { doing });
  if (machine) return machine;
  const message = messageOf(first);
  return new DaemonError(code, doing ? `${doing}: ${message}` : message, { cause: error });
}
