/**
 * A baseline is a tree file (`image/tree_file.ts`) with the fields that only this node knows,
 * uncompressed, followed by a table that finds a directory's block by its path, the state of the
 * frozen tree that it describes (`frozen_state.ts`) if it was frozen, and a footer with a checksum of
 * it all. It is used whole or not at all.
 */

/** The bytes `wsdbase1`, with which a baseline ends. */
export const FOOTER_MAGIC = 0x31_65_73_61_62_64_73_77n;
/** Bytes of the footer: f64 offset of the table, u32 entries, u32 checksum of all before it, u64 magic. */
export const FOOTER = 24;
/** Bytes of the footer that the checksum covers too: those before it. */
export const FOOTER_CHECKED = 12;
/** Bytes of a table entry: u32 hash of the path, u32 length of the block, f64 offset of the block. */
export const TABLE_ENTRY = 16;

/** Returns the FNV-1a hash of a path, 32 bits. */
export function hashPath(path: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path[i]!, 0x01000193);
  return hash >>> 0;
}
