/** Turns errors of the file system into those that a store's contract promises. */

import { asDaemonError, DaemonError, errnoOf, type ErrorCode, machineError } from "../../errors.ts";

/** Returns whether a path does not exist, or leads through something that is no directory. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/** Returns whether two paths lie on different file systems, so that a rename or link cannot join them. */
export function isCrossDevice(error: unknown): boolean {
  return errnoOf(error) === "EXDEV";
}

/**
 * Returns a file system's error as a DaemonError.
 * @param doing what was attempted
 * @param missing the code for something that is not there; NOT_FOUND only where an object is read
 * @param path absolute, of what was worked on, where the error may not have it
 */
export function fileError(
  error: unknown,
  doing: string,
  missing: ErrorCode = "UNAVAILABLE",
  path?: string,
): DaemonError {
  if (error instanceof DaemonError) return error;
  const otherwise = isMissing(error) ? missing : "UNAVAILABLE";
  const machine = machineError(error, { doing, otherwise, path });
  if (machine) return machine;
  // Deno refuses a folder outside of this Worker's permissions.
  const isOutside = error instanceof Deno.errors.NotCapable;
  return asDaemonError(error, isOutside ? "FAILED_PRECONDITION" : otherwise, doing);
}

/** Throws if the signal has fired. @throws {DaemonError} ABORTED */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw asDaemonError(signal.reason, "ABORTED");
}
