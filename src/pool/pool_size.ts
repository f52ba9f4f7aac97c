import { formatSize } from "../config/mod.ts";
import { readDiskSpace } from "../disk_space.ts";
import { DaemonError, describeFileSystem } from "../errors.ts";

/** The least size of a pool: a btrfs that is much smaller spends most of it on itself. Bytes. */
const MIN_BYTES = 2 ** 30;
/** What sizes are a multiple of: the blocks of btrfs. */
const BLOCK = 4096;

/** Checks the size that a pool is to have. @throws {DaemonError} INVALID_ARGUMENT */
export function checkSize(size: number): void {
  if (size < MIN_BYTES) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `A pool of ${formatSize(size)} is too small: ${formatSize(MIN_BYTES)} is the least`,
    );
  }
  if (size % BLOCK !== 0) {
    throw new DaemonError("INVALID_ARGUMENT", `${size} bytes are not a multiple of ${BLOCK}`);
  }
}

/** Returns what to know of a pool that may come to take `more` bytes of a folder's disk. */
export async function spaceWarnings(folder: string, more: number): Promise<string[]> {
  const { free } = await readDiskSpace(folder);
  if (more <= free) return [];
  return [
    `the pool may come to take ${formatSize(more)} more, and ${describeFileSystem(folder)} has ` +
    `${
      formatSize(free)
    } free: once that is full, writes to the pool fail as if its disk did, and ` +
    "it becomes read-only",
  ];
}
