/**
 * The table that closes a file of independent zstd frames, and by which any of them is found:
 * facebook/zstd, `contrib/seekable_format/zstd_seekable_compression_format.md`. To every other reader
 * the file is plain zstd: the table is a skippable frame.
 */

import { ArchiveError } from "./archive_error.ts";

const SKIPPABLE_MAGIC = 0x184d2a5e;
const FOOTER_MAGIC = 0x8f92eab1;
const SKIPPABLE_HEADER = 8;
const ENTRY = 8;
const CHECKSUM = 4;
/** Bytes of the footer that ends a seekable file. */
export const FOOTER = 9;
/** Set in the footer's descriptor where entries carry a checksum. */
const HAS_CHECKSUMS = 0x80;

/**
 * Encodes the table.
 * @param sizes of each frame in turn, compressed and uncompressed, in bytes
 */
export function encodeSeekTable(sizes: readonly number[]): Uint8Array {
  const content = sizes.length * 4 + FOOTER;
  const table = new Uint8Array(SKIPPABLE_HEADER + content);
  const view = new DataView(table.buffer);
  view.setUint32(0, SKIPPABLE_MAGIC, true);
  view.setUint32(4, content, true);
  sizes.forEach((size, n) => view.setUint32(SKIPPABLE_HEADER + n * 4, size, true));
  const footer = table.length - FOOTER;
  view.setUint32(footer, sizes.length / 2, true);
  view.setUint8(footer + 4, 0);
  view.setUint32(footer + 5, FOOTER_MAGIC, true);
  return table;
}

/** Where each frame lies: frame `n` from `[n]` to `[n + 1]`. Both arrays have one element more than frames. */
export interface SeekTable {
  /** Offsets in the compressed file. */
  readonly offsets: Float64Array;
  /** Offsets in the uncompressed content. */
  readonly rawOffsets: Float64Array;
}

/**
 * Returns how many of a file's last bytes hold its seek table, by its last {@link FOOTER} bytes; `undefined`
 * where it has none.
 */
export function seekTableSize(footer: Uint8Array): number | undefined {
  if (footer.length !== FOOTER) return undefined;
  const view = new DataView(footer.buffer, footer.byteOffset);
  if (view.getUint32(5, true) !== FOOTER_MAGIC) return undefined;
  const entry = view.getUint8(4) & HAS_CHECKSUMS ? ENTRY + CHECKSUM : ENTRY;
  return SKIPPABLE_HEADER + view.getUint32(0, true) * entry + FOOTER;
}

/**
 * Decodes the seek table that a file of `fileSize` bytes ends with.
 * @param table its last {@link seekTableSize} bytes
 * @throws {ArchiveError} where it does not describe such a file
 */
export function parseSeekTable(table: Uint8Array, fileSize: number): SeekTable {
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  const frames = view.getUint32(table.length - FOOTER, true);
  const entry = view.getUint8(table.length - FOOTER + 4) & HAS_CHECKSUMS ? ENTRY + CHECKSUM : ENTRY;
  const content = frames * entry + FOOTER;
  if (
    table.length !== SKIPPABLE_HEADER + content || view.getUint32(0, true) !== SKIPPABLE_MAGIC ||
    view.getUint32(4, true) !== content
  ) throw new ArchiveError("malformed", "its seek table is no skippable frame");
  const offsets = new Float64Array(frames + 1);
  const rawOffsets = new Float64Array(frames + 1);
  for (let n = 0, at = SKIPPABLE_HEADER; n < frames; n++, at += entry) {
    offsets[n + 1] = offsets[n]! + view.getUint32(at, true);
    rawOffsets[n + 1] = rawOffsets[n]! + view.getUint32(at + 4, true);
  }
  if (offsets[frames]! + table.length !== fileSize) {
    throw new ArchiveError("malformed", "the frames of its seek table do not add up to its size");
  }
  return { offsets, rawOffsets };
}
