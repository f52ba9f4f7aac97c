/** Makes changes of mapped files visible in their ctime. */

import type { Directory } from "../../linux/mod.ts";

/**
 * Writes back every dirty page of the tree's file system, so that each later store to a mapped file
 * shows in its ctime: the kernel updates ctime only at the first store to a clean page.
 * @returns milliseconds since the epoch; stores after this time show
 */
export function syncDirtyPages(top: Directory): number {
  const now = Date.now();
  top.syncFileSystem();
  return now;
}
