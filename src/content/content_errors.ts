/** Maps failed system calls on content to the errors that the rest of the daemon understands. */

import { DaemonError, type ErrorCode } from "../errors.ts";
import { type ErrnoName, SystemError } from "../linux/mod.ts";

const CODES: Partial<Record<ErrnoName, ErrorCode>> = {
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
  ENOSPC: "RESOURCE_EXHAUSTED",
  EDQUOT: "RESOURCE_EXHAUSTED",
  EFBIG: "RESOURCE_EXHAUSTED",
  EMFILE: "RESOURCE_EXHAUSTED",
  ENFILE: "RESOURCE_EXHAUSTED",
  ENOMEM: "RESOURCE_EXHAUSTED",
  EMLINK: "RESOURCE_EXHAUSTED",
  // Not PERMISSION_DENIED: the daemon's user lacks the right, not the caller.
  EACCES: "FAILED_PRECONDITION",
  EPERM: "FAILED_PRECONDITION",
  // A program holds a lease on a file and does not release it.
  EAGAIN: "FAILED_PRECONDITION",
  EBUSY: "FAILED_PRECONDITION",
  ENOTEMPTY: "FAILED_PRECONDITION",
  EROFS: "FAILED_PRECONDITION",
};

/** Returns the gRPC code for a failed system call; INTERNAL for an errno that is not expected. */
export function codeOf(error: SystemError): ErrorCode {
  return CODES[error.errno] ?? "INTERNAL";
}

/** Matches a path in a tree, relative to the areas. */
const IN_TREE = /^(?:staging|workspaces)\/[^/]+\/(?:\.\/)*(?<path>.+)$/s;

/**
 * Returns a `SystemError` as a DaemonError with the code for its errno; any other error unchanged.
 */
export function contentError(error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  const refused = error.errno === "EACCES" || error.errno === "EPERM";
  const message = refused ? refusalOf(error) : error.message;
  return new DaemonError(codeOf(error), message, { cause: error });
}

function refusalOf(error: SystemError): string {
  const path = IN_TREE.exec(error.path)?.groups?.path ?? error.path;
  return `${
    JSON.stringify(path)
  } is closed to wsdaemon's user (${error.syscall}: ${error.errno}): ` +
    "give that user access, or move it away";
}
