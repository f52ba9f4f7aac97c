/**
 * Finds out what this machine lacks or does not permit while git works: by the errno of our own calls,
 * and by the words that git prints for it (in English, which its environment asks for). A caller cannot
 * mend that by another request; an operator can.
 */

import { readDiskSpace } from "../disk_space.ts";
import {
  causeErrno,
  DaemonError,
  errnoOf,
  type ErrorCode,
  type MachineError,
  machineErrorNamed,
  OWN_FILE_MOVED,
  type Reason,
} from "../errors.ts";

/** The words that git, its shell or its helpers print for an errno; of several that fit, the first counts. */
const PRINTED: readonly (readonly [errno: string, words: RegExp])[] = [
  ["ENOSPC", /no space left on device|out of disk ?space/i],
  ["EDQUOT", /disk quota exceeded/i],
  ["EFBIG", /file too large/i],
  ["ENFILE", /too many open files in system/i],
  ["EMFILE", /too many open files/i],
  ["ENOMEM", /cannot allocate memory|out of memory|died of signal 9\b/i],
  ["EAGAIN", /(?:fork|thread|spawn|async process).*resource temporarily unavailable|cannot fork/i],
  ["EROFS", /read-only file system/i],
  ["EIO", /input\/output error/i],
  ["EUCLEAN", /structure needs cleaning/i],
  ["EBADMSG", /bad message/i],
  ["ESTALE", /stale (?:NFS )?file handle/i],
  ["ENOTCONN", /transport endpoint is not connected/i],
];

/** The meaning of EAGAIN for a program that is to be started; elsewhere a call would only have to wait. */
const NO_PROCESS: MachineError = {
  code: "RESOURCE_EXHAUSTED",
  reason: "NODE_LIMIT_REACHED",
  words: "no further process or thread may be started",
  remedy: () => "raise TasksMax of the service (pids.max), or the user's limit (ulimit -u)",
};

/** Failures to write for which git does not say why. */
const UNEXPLAINED = /(?:unable|cannot|could not|failed) to (?:write|create|append)|write error/i;

/** Bytes below which a file system counts as full after such a failure. */
const NEARLY_FULL = 1024 * 1024;

/**
 * Returns the errno of this machine's that `stderr` speaks of, if any. What the remote's side says of
 * itself is left out, as far as it is marked.
 */
export function printedErrno(stderr: string): string | undefined {
  const own = stderr.split(/[\r\n]+/)
    .filter((line) => !/^(?:fatal: )?remote(?: error)?: /.test(line)).join("\n");
  return PRINTED.find(([, words]) => words.test(own))?.[0];
}

/** Returns the code that stands for an errno that git printed; `undefined` for all other ones. */
export function codeOfErrno(errno: string | undefined): ErrorCode | undefined {
  return meaningOf(errno)?.code;
}

/** Returns the reason that belongs to {@link codeOfErrno}. */
export function reasonOfErrno(errno: string | undefined): Reason | undefined {
  return meaningOf(errno)?.reason;
}

function meaningOf(errno: string | undefined): MachineError | undefined {
  return errno === "EAGAIN" ? NO_PROCESS : machineErrorNamed(errno);
}

/**
 * Returns `error` with what is wrong with this machine and what to do, where it is this machine's.
 * @param errno the errno, where something besides the cause tells it
 * @param path absolute, on the file system that git works on
 */
export async function explainMachineError(
  error: unknown,
  errno: string | undefined,
  path: string,
): Promise<DaemonError | undefined> {
  if (!(error instanceof Error)) return undefined;
  const own = errnoOf(error);
  const name = errno ?? own ?? errnoOf(error.cause) ?? causeErrno(error.cause) ??
    (UNEXPLAINED.test(error.message) && await isNearlyFull(path) ? "ENOSPC" : undefined);
  // What may not be read or started is not what git works on.
  if (own === undefined && (name === "EACCES" || name === "EPERM")) return undefined;
  const meaning = own === "ENOENT" ? OWN_FILE_MOVED : meaningOf(name);
  if (meaning?.code === undefined) return undefined;
  const free = name === "ENOSPC" ? `, ${await freeSpace(path)}` : "";
  const message = `${error.message}: ${path}: ${meaning.words}${free}; ${
    meaning.remedy?.({ path })
  }`;
  return new DaemonError(meaning.code, message, { cause: error, reason: meaning.reason });
}

async function freeSpace(path: string): Promise<string> {
  try {
    const { free, freeInodes } = await readDiskSpace(path);
    return `${Math.floor(free / 1024)} KiB and ${freeInodes} inodes are free now`;
  } catch {
    return "how much is free cannot be found out";
  }
}

async function isNearlyFull(path: string): Promise<boolean> {
  try {
    const { free, inodes, freeInodes } = await readDiskSpace(path);
    // Some file systems have as many inodes as blocks, and count none.
    return free < NEARLY_FULL || inodes > 0 && freeInodes === 0;
  } catch {
    return false;
  }
}
