/**
 * What content takes on a disk, the one way in which all limits count it: restores and extractions
 * before they write, Git's checkouts and downloads after.
 *
 * Data takes whole blocks of 4 KiB, holes take nothing, and every inode and name takes something: a
 * file of one byte is some 4 KiB, as `du` says too. File systems differ in the small (inline data,
 * extents, compression); this counts what ext4 with its defaults takes, within a few percent.
 */

import type { Stat } from "../linux/mod.ts";

const BLOCK_BYTES = 4096;
/** An inode of ext4. */
const INODE_BYTES = 256;
/** A name in a directory, with what belongs to it and the slack of directory blocks. */
const NAME_BYTES = 64;
/** Text of a symbolic link that fits into its inode. */
const INLINE_TARGET_BYTES = 59;

/** What another name of an inode takes. */
export const LINK_BYTES = NAME_BYTES;
/** What an inode without data takes: a FIFO, a device, an empty file. */
export const EMPTY_BYTES: number = INODE_BYTES + NAME_BYTES;
/** What a directory takes, besides what is in it. */
export const DIRECTORY_BYTES: number = EMPTY_BYTES + BLOCK_BYTES;

function inBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Returns what a regular file takes.
 * @param dataBytes its bytes of data, holes not counted
 */
export function fileBytes(dataBytes: number): number {
  return EMPTY_BYTES + inBlocks(dataBytes);
}

/** Returns the most bytes of data that a file may have to take no more than `left`; below 0 for none. */
export function largestFile(left: number): number {
  return Math.floor((left - EMPTY_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Returns what a symbolic link takes. */
export function symlinkBytes(targetLength: number): number {
  return EMPTY_BYTES + (targetLength > INLINE_TARGET_BYTES ? inBlocks(targetLength) : 0);
}

/** Returns what an inode that is there takes. */
export function takenBytes(stat: Stat): number {
  if (stat.isDirectory) return Math.max(DIRECTORY_BYTES, EMPTY_BYTES + stat.blocks * 512);
  // Where a file system holds blocks ready behind a file's end, they are not content.
  const allocated = Math.min(stat.blocks * 512, inBlocks(stat.size));
  if (stat.isFile) return EMPTY_BYTES + allocated;
  return stat.isSymlink ? symlinkBytes(stat.size) : EMPTY_BYTES;
}
