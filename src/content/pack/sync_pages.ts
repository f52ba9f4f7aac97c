/** Making changes of files show. */

import type { Directory } from "../../linux/mod.ts";

/**
 * Writes back every dirty page, so that each store to a mapped file from now on shows in its ctime:
 * the kernel notes only the first store to a page since it was last written back.
 * @returns the time, in milliseconds, since when a file that changes shows it
 */
export function syncDirtyPages(top: Directory): number {
  const now = Date.now();
  top.syncFileSystem();
  return now;
}
