/** Maps failed system calls on content to the errors that the rest of the daemon understands. */

import { DaemonError, type ErrorCode, machineErrorNamed } from "../errors.ts";
import { SystemError } from "../linux/mod.ts";

/** Codes of errors that concern a path of the caller's, which the table of this machine's errors leaves open. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "NOT_FOUND",
  EEXIST: "ALREADY_EXISTS",
  // The caller's path leads through a link or a file, or out of the tree.
  ELOOP: "INVALID_ARGUMENT",
  EXDEV: "INVALID_ARGUMENT",
  ENOTDIR: "INVALID_ARGUMENT",
  EISDIR: "INVALID_ARGUMENT",
  EINVAL: "INVALID_ARGUMENT",
  ENAMETOOLONG: "INVALID_ARGUMENT",
  EILSEQ: "INVALID_ARGUMENT",
  // A program holds a lease on a file, and does not let go.
  EAGAIN: "FAILED_PRECONDITION",
  ENOTEMPTY: "FAILED_PRECONDITION",
};

/** Returns the code that a failed system call means. */
export function codeOf({ errno }: SystemError): ErrorCode {
  return machineErrorNamed(errno)?.code ?? CODES[errno] ?? "INTERNAL";
}

/**
 * Returns a {@link SystemError} as a DaemonError with the code that its errno means, and other errors
 * unchanged. For faults of this machine the message names the absolute path, the file system and the
 * remedy.
 */
export function contentError(error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  const reason = machineErrorNamed(error.errno)?.reason;
  return new DaemonError(codeOf(error), describe(error), { cause: error, reason });
}

function describe(error: SystemError): string {
  const { errno, syscall, location, refusal } = error;
  const path = JSON.stringify(location);
  if (errno === "EACCES" || errno === "EPERM") {
    const { cause, remedy } = refusal ?? {
      cause: "it may not be accessed",
      remedy: "give that user access, or move it away",
    };
    return `${path} is closed to wsdaemon's user (${syscall}: ${errno}): ${cause}; ${remedy}`;
  }
  const meaning = machineErrorNamed(errno);
  if (!meaning?.code) return error.message;
  const remedy = meaning.remedy?.({ path: location });
  const what = `${syscall} ${path}: ${meaning.words} (${errno})`;
  return remedy === undefined ? what : `${what}; ${remedy}`;
}
