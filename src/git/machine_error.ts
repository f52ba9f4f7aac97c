/**
 * What this machine lacks, or does not let happen, while git works: told by the errno of our own
 * calls, and by the words that git has for it (it speaks English to us). A caller cannot mend it by
 * another request, an operator can.
 */

import { statfs } from "node:fs/promises";
import { DaemonError, errnoOf, type ErrorCode } from "../errors.ts";

interface MachineError {
  code: ErrorCode;
  /** What git, its shell or its helpers print for it. */
  printed?: RegExp;
  /** What is wrong and what to do. @param path absolute, on the file system that git works on */
  advice(path: string): string | Promise<string>;
}

/** Errors by their errno's name; of several that fit, the first counts. */
const MACHINE_ERRORS: Readonly<Record<string, MachineError>> = {
  ENOSPC: {
    code: "RESOURCE_EXHAUSTED",
    printed: /no space left on device|out of disk ?space/i,
    advice: async (path) =>
      `the file system of ${path} is full (${await freeSpace(path)}): make room there, for ` +
      "instance by disposing of workspaces",
  },
  EDQUOT: {
    code: "RESOURCE_EXHAUSTED",
    printed: /disk quota exceeded/i,
    advice: (path) =>
      `a disk quota on the file system of ${path} is used up: raise it, or make room there`,
  },
  EFBIG: {
    code: "RESOURCE_EXHAUSTED",
    printed: /file too large/i,
    advice: (path) =>
      `a file would be larger than the file system of ${path}, or LimitFSIZE of the service, allows`,
  },
  ENFILE: {
    code: "RESOURCE_EXHAUSTED",
    printed: /too many open files in system/i,
    advice: () => "this machine has as many files open as it may: raise fs.file-max",
  },
  EMFILE: {
    code: "RESOURCE_EXHAUSTED",
    printed: /too many open files/i,
    advice: () => "too many files are open in one process: raise LimitNOFILE of the service",
  },
  ENOMEM: {
    code: "RESOURCE_EXHAUSTED",
    printed: /cannot allocate memory|out of memory|died of signal 9\b/i,
    advice: () =>
      "memory has run out: raise MemoryMax of the service, or make fewer workspaces at once",
  },
  EAGAIN: {
    code: "RESOURCE_EXHAUSTED",
    printed: /(?:fork|thread|spawn|async process).*resource temporarily unavailable|cannot fork/i,
    advice: () => "no further process or thread may be started: raise TasksMax of the service",
  },
  EROFS: {
    code: "FAILED_PRECONDITION",
    printed: /read-only file system/i,
    advice: (path) =>
      `the file system of ${path} is read-only: see the kernel's log for why, and mount it for ` +
      "writing",
  },
  EIO: {
    code: "FAILED_PRECONDITION",
    printed: /input\/output error/i,
    advice: (path) => `the disk of ${path} fails: see the kernel's log, and replace or check it`,
  },
  EUCLEAN: {
    code: "FAILED_PRECONDITION",
    printed: /structure needs cleaning/i,
    advice: (path) => `the file system of ${path} is damaged: check it (fsck)`,
  },
};

/** Errors of our own file operations on our own files, which git and a request have no part in. */
const OWN_FILE_ERRORS: Readonly<Record<string, MachineError>> = {
  ENOENT: {
    code: "FAILED_PRECONDITION",
    advice: (path) =>
      `${path} is not as wsdaemon left it: put back what was moved or removed, and restart wsdaemon`,
  },
  EACCES: {
    code: "FAILED_PRECONDITION",
    advice: (path) => `wsdaemon's user must own ${path} and everything in it`,
  },
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
  return Object.entries(MACHINE_ERRORS).find(([, { printed }]) => printed?.test(own))?.[0];
}

/** Returns the code that stands for an errno of this machine's; `undefined` for all other ones. */
export function codeOfErrno(errno: string | undefined): ErrorCode | undefined {
  return errno === undefined ? undefined : MACHINE_ERRORS[errno]?.code;
}

/**
 * Returns `error` with what is wrong with this machine and what to do, where it is this machine's.
 * @param errno what is known of it besides what its cause says
 * @param path absolute, on the file system that git works on
 */
export async function explainMachineError(
  error: unknown,
  errno: string | undefined,
  path: string,
): Promise<DaemonError | undefined> {
  if (!(error instanceof Error)) return undefined;
  const name = errno ?? errnoOf(error) ?? errnoOf(error.cause) ??
    (UNEXPLAINED.test(error.message) && await isNearlyFull(path) ? "ENOSPC" : undefined);
  const known = MACHINE_ERRORS[name ?? ""] ?? OWN_FILE_ERRORS[errnoOf(error) ?? ""];
  if (!known) return undefined;
  const message = `${error.message}: ${await known.advice(path)}`;
  return new DaemonError(known.code, message, { cause: error });
}

async function freeSpace(path: string): Promise<string> {
  try {
    const { bavail, bsize, ffree } = await statfs(path);
    return `${Math.floor(bavail * bsize / 1024)} KiB and ${ffree} inodes are free now`;
  } catch {
    return "how much is free cannot be found out";
  }
}

async function isNearlyFull(path: string): Promise<boolean> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(path);
    // Some file systems have as many inodes as blocks, and count none.
    return bavail * bsize < NEARLY_FULL || files > 0 && ffree === 0;
  } catch {
    return false;
  }
}
