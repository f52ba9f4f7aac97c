/**
 * tar, PAX and zstd: bytes in, entries out. Nothing here touches a file system.
 *
 * Reading (`TarReader` over a `decompress`ed source) takes what GNU tar takes of archives that anyone
 * may have made. Writing (`HeaderEncoder`, `FrameWriter`) makes the layers of our own images: POSIX tar
 * with PAX records, in independent zstd frames with a seek table. Errors are `ArchiveError`s.
 */

export { ArchiveError, showName } from "./archive_error.ts";
export { compareBytes, joinBytes } from "./bytes.ts";
export { type Compression, decompress } from "./decompress.ts";
export { decompressFrame, releaseFrame } from "./decompress_frame.ts";
export { type FrameMark, FrameWriter, type SealedFrames } from "./frame_writer.ts";
export { binaryBytes, binaryString, type PaxRecords } from "./pax_reader.ts";
export { BLOCK } from "./raw_header.ts";
export { FOOTER, parseSeekTable, type SeekTable, seekTableSize } from "./seek_table.ts";
export { MAX_EXTENTS } from "./sparse_formats.ts";
export { encodeSparseMap, SparseMapReader } from "./sparse_map.ts";
export type { TarEntry } from "./tar_entry.ts";
export { MAX_EXTENSION_BYTES, MAX_OWN_EXTENSION_BYTES } from "./tar_grammar.ts";
export { HeaderEncoder, paddingOf, type WrittenEntry, type WrittenType } from "./tar_header.ts";
export { TarReader } from "./tar_reader.ts";
export {
  escapePath,
  VENDOR,
  WHITEOUT,
  whiteoutPath,
  xattrKeyword,
  xattrOfKeyword,
} from "./vendor_records.ts";
