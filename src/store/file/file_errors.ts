/** What the file system says, in the terms that a store promises. */

import { asDaemonError, DaemonError, errnoOf, type ErrorCode, messageOf } from "../../errors.ts";

/** Whether the thing named is not there, or something on the way to it is no directory. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/** Whether two paths lie on different file systems, so that a rename or link cannot join them. */
export function isCrossDevice(error: unknown): boolean {
  return errnoOf(error) === "EXDEV";
}

function codeOf(error: unknown): ErrorCode {
  switch (errnoOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return "RESOURCE_EXHAUSTED";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "FAILED_PRECONDITION";
  }
  if (error instanceof Deno.errors.NotCapable) return "FAILED_PRECONDITION";
  if (error instanceof Deno.errors.PermissionDenied) return "FAILED_PRECONDITION";
  return "UNAVAILABLE";
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  RESOURCE_EXHAUSTED: "; free some space on that file system, or raise its quota",
  FAILED_PRECONDITION: "; it must be writable by the daemon's user",
};

/**
 * A file system's refusal as a DaemonError; `doing` names what was attempted. `missing` is what it
 * means that something is not there: only where an object is read, that the object is not.
 */
export function fileError(
  error: unknown,
  doing: string,
  missing: ErrorCode = "UNAVAILABLE",
): DaemonError {
  if (error instanceof DaemonError) return error;
  const code = isMissing(error) ? missing : codeOf(error);
  return new DaemonError(code, `${doing}: ${messageOf(error)}${ADVICE[code] ?? ""}`, {
    cause: error,
  });
}

/** The signal's reason as ABORTED. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw asDaemonError(signal.reason, "ABORTED");
}
