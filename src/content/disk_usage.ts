/**
 * Counts what content takes on a disk. All limits count this way: restores and extractions before
 * they write, Git's checkouts and downloads after.
 *
 * Data takes whole blocks of 4 KiB, holes take nothing, and every inode and name takes some bytes:
 * a file of one byte takes some 4 KiB, as `du` reports too. File systems differ in details (inline
 * data, extents, compression); this counts what ext4 with its defaults takes, within a few percent.
 */

import type { Stat } from "../linux/mod.ts";

const BLOCK_BYTES = 4096;
/** Size of an ext4 inode. */
const INODE_BYTES = 256;
/** Average of a directory entry, with its share of partly used directory blocks. */
const NAME_BYTES = 64;
/** Longest target of a symbolic link that ext4 stores in the inode. */
const INLINE_TARGET_BYTES = 59;

/** Bytes that a further hard link takes. */
export const LINK_BYTES = NAME_BYTES;
/** Bytes that an inode without data takes: a FIFO, a device, an empty file. */
export const EMPTY_BYTES: number = INODE_BYTES + NAME_BYTES;
/** Bytes that a directory takes, without its entries. */
export const DIRECTORY_BYTES: number = EMPTY_BYTES + BLOCK_BYTES;

function inBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Returns the bytes that a regular file takes.
 * @param dataBytes its bytes of data, without holes
 */
export function fileBytes(dataBytes: number): number {
  return EMPTY_BYTES + inBlocks(dataBytes);
}

/** Returns the most bytes of data for which a file takes at most `left`; negative if none does. */
export function largestFile(left: number): number {
  return Math.floor((left - EMPTY_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Returns the bytes that a symbolic link takes. */
export function symlinkBytes(targetLength: number): number {
  return EMPTY_BYTES + (targetLength > INLINE_TARGET_BYTES ? inBlocks(targetLength) : 0);
}

/** Returns the bytes that an existing inode takes. */
export function takenBytes(stat: Stat): number {
  if (stat.isDirectory) return Math.max(DIRECTORY_BYTES, EMPTY_BYTES + stat.blocks * 512);
  // Blocks that a file system preallocates after a file's end are not content.
  const allocated = Math.min(stat.blocks * 512, inBlocks(stat.size));
  if (stat.isFile) return EMPTY_BYTES + allocated;
  return stat.isSymlink ? symlinkBytes(stat.size) : EMPTY_BYTES;
}
