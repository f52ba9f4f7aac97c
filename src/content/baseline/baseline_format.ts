/**
 * A baseline is a tree file (`image/tree_file.ts`) with the fields that only this node knows,
 * uncompressed, followed by the blobs of the image's index, a table that finds a directory's block by its
 * path, the state of the frozen tree that it describes (`frozen_state.ts`) if it was frozen, and a footer
 * with a checksum of it all. It is used whole or not at all.
 *
 * The next baseline of a tree may begin with all of this one, which a file system with shared blocks does
 * not write again: blocks that are new or other follow, and then a header, stale entries, blobs, table and
 * footer that take the place of those before. Blocks that the table does not name are dead.
 *
 * Version 1 has another footer, no blobs, and is never followed by more.
 */

/** The bytes `wsdbase1`, with which a baseline of version 1 ends. */
export const FOOTER_1_MAGIC = 0x31_65_73_61_62_64_73_77n;
/** Bytes of its footer: f64 offset of the table, u32 entries, u32 checksum of all before it, u64 magic. */
export const FOOTER_1 = 24;
/** The bytes `wsdbase2`, with which a baseline ends. */
export const FOOTER_MAGIC = 0x32_65_73_61_62_64_73_77n;
/** Bytes of the footer, by {@link FOOTER_FIELD}. */
export const FOOTER = 64;

/** Offsets in the footer. */
export const FOOTER_FIELD = {
  /** f64: where the header is. */
  headerAt: 0,
  /** f64: where the stale entries are. */
  staleAt: 8,
  /** f64: where the blobs of the index are. */
  indexAt: 16,
  /** f64: where the table is; the state follows it. */
  tableAt: 24,
  /** f64: bytes of the first baseline, which was written whole. */
  wholeBytes: 32,
  /** u32: entries of the table. */
  directories: 40,
  /** u32: blobs of the index. */
  indexBlobs: 44,
  /** u32: checksum of all before it. */
  checksum: 52,
  /** u64. */
  magic: 56,
} as const;

/** Bytes of a table entry: u32 hash of the path, u32 length of the block, f64 offset of the block. */
export const TABLE_ENTRY = 16;
/** Bytes of a blob of the index: SHA-256 digest, f64 size. */
export const INDEX_BLOB = 40;

/** Returns the FNV-1a hash of a path, 32 bits. */
export function hashPath(path: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path[i]!, 0x01000193);
  return hash >>> 0;
}
