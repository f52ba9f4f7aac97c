/** Tells that an area was removed under a Worker, which still has it open. */

import { type DaemonError, machineError } from "../errors.ts";
import { isErrno } from "../linux/mod.ts";
import type { OpenAreas } from "./areas.ts";
import type { Areas } from "./worker_start.ts";

/**
 * Returns the error for an area that somebody removed, where that is why something was not found in it:
 * nothing can be made in a folder without a link, and the caller of an operation is not to blame.
 * `undefined` for everything else. @param paths absolute, of the areas
 */
export function removedArea(
  error: unknown,
  areas: OpenAreas,
  paths: Areas,
): DaemonError | undefined {
  const missing = [error, error instanceof Error ? error.cause : undefined]
    .find((one) => isErrno(one, "ENOENT"));
  if (!missing) return undefined;
  for (const [area, folder] of Object.entries(areas)) {
    if (folder.stat().nlink > 0) continue;
    return machineError(missing, { path: paths[area as keyof Areas], isOwnFile: true });
  }
  return undefined;
}
