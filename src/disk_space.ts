/** Tells how full a file system is, and whether that is too full. */

import { statfsSync, type StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { describeFileSystem } from "./errors.ts";

/** The size and the free space of a path's file system. */
export interface DiskSpace {
  /** The path that was asked for, absolute. */
  path: string;
  /** Bytes of the file system, and those that are free to everybody. */
  size: number;
  free: number;
  /** Inodes of the file system and free ones; 0 of 0 where it makes them as needed. */
  inodes: number;
  freeInodes: number;
}

/** What a percentage of a file system amounts to at most: a large disk needs no larger margin. Bytes. */
const MAX_MARGIN = 10 * 2 ** 30;

const MIB = 2 ** 20;

/** Reads the space of a path's file system. Rejects with the kernel's error where the path cannot be reached. */
export async function readDiskSpace(path: string): Promise<DiskSpace> {
  return spaceOf(path, await statfs(path));
}

/** Does the same synchronously, for a file system that this thread waits for anyway. */
export function readDiskSpaceSync(path: string): DiskSpace {
  return spaceOf(path, statfsSync(path));
}

function spaceOf(path: string, { bsize, blocks, bavail, files, ffree }: StatsFs): DiskSpace {
  return {
    path,
    size: bsize * blocks,
    free: bsize * bavail,
    inodes: files,
    freeInodes: ffree,
  };
}

/**
 * Returns what is short where less than `percent` of the bytes or inodes is free, with the file system,
 * how full it is and what to do; `undefined` where enough is. Of bytes, {@link MAX_MARGIN} is enough.
 */
export function shortage(space: DiskSpace, percent: number): string | undefined {
  const { path, size, free, inodes, freeInodes } = space;
  const where = describeFileSystem(path);
  const remedy = "dispose of workspaces, run store gc, or enlarge it";
  if (free < Math.min(size * percent / 100, MAX_MARGIN)) {
    return `${where} is ${fullness(free, size)} full, with ${Math.floor(free / MIB)} MiB free; ` +
      remedy;
  }
  if (freeInodes < inodes * percent / 100) {
    return `${where} has used ${fullness(freeInodes, inodes)} of its inodes, with ${freeInodes} ` +
      `free; ${remedy}`;
  }
  return undefined;
}

/** Returns the used share in percent, rounded down, so that nothing is said to be full which is not. */
function fullness(free: number, all: number): string {
  return `${Math.floor((all - free) / all * 100)}%`;
}
