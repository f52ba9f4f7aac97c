/** What the file system says, in the terms that a store promises. */

import { asDaemonError, DaemonError, errnoOf, type ErrorCode, machineError } from "../../errors.ts";

/** Whether the thing named is not there, or something on the way to it is no directory. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/** Whether two paths lie on different file systems, so that a rename or link cannot join them. */
export function isCrossDevice(error: unknown): boolean {
  return errnoOf(error) === "EXDEV";
}

/**
 * A file system's refusal as a DaemonError.
 * @param doing what was attempted
 * @param missing what it means that something is not there: only where an object is read, that the
 *   object is not
 * @param path absolute, of what was worked on, where the error may not say it
 */
export function fileError(
  error: unknown,
  doing: string,
  missing: ErrorCode = "UNAVAILABLE",
  path?: string,
): DaemonError {
  if (error instanceof DaemonError) return error;
  const otherwise = isMissing(error) ? missing : "UNAVAILABLE";
  const known = machineError(error, { doing, otherwise, path });
  if (known) return known;
  // A folder that this Worker was not given.
  const isOutside = error instanceof Deno.errors.NotCapable;
  return asDaemonError(error, isOutside ? "FAILED_PRECONDITION" : otherwise, doing);
}

/** The signal's reason as ABORTED. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw asDaemonError(signal.reason, "ABORTED");
}
