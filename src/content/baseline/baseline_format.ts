/**
 * A baseline is a tree file (`index/tree_file.ts`) with what only this node knows, uncompressed,
 * followed by a table that finds a directory's block by its path, and a footer with a checksum of
 * it all: a baseline is never trusted half.
 */

/** `wsdbase1`. */
export const FOOTER_MAGIC = 0x31_65_73_61_62_64_73_77n;
/** f64 offset of the table, u32 entries, u32 checksum of all before it, u64 magic. */
export const FOOTER = 24;
/** Bytes of the footer that the checksum covers too: all that is before it. */
export const FOOTER_CHECKED = 12;
/** u32 hash of the path, u32 length of the block, f64 offset of the block. */
export const TABLE_ENTRY = 16;

/** FNV-1a, 32 bits. */
export function hashPath(path: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path[i]!, 0x01000193);
  return hash >>> 0;
}
