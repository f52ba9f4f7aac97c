/**
 * tar, PAX and zstd: bytes in, entries out. Nothing here touches a file system.
 *
 * Reading (`TarReader` over a `decompress`ed source) takes what GNU tar takes of archives that anyone
 * may have made. Writing (`HeaderEncoder`, `FrameWriter`) makes the layers of our own images: POSIX tar
 * with PAX records, in independent zstd frames with a seek table. Errors are `ArchiveError`s.
 */

export { compareBytes, joinBytes } from "./bytes.ts";
export { type Compression, decompress } from "./decompress.ts";
export { ArchiveError } from "./error.ts";
export {
  binaryBytes,
  binaryString,
  MAX_EXTENSION_BYTES,
  MAX_OWN_EXTENSION_BYTES,
  type PaxRecords,
  showName,
  type TarEntry,
  TarReader,
} from "./reader.ts";
export { BLOCK } from "./reader_header.ts";
export { MAX_EXTENTS } from "./reader_sparse.ts";
export {
  decompressFrame,
  FOOTER,
  type FrameMark,
  FrameWriter,
  parseSeekTable,
  releaseFrame,
  type SealedFrames,
  type SeekTable,
  seekTableSize,
} from "./seekable.ts";
export { encodeSparseMap, SparseMapReader } from "./sparse_map.ts";
export { HeaderEncoder, paddingOf, type WrittenEntry, type WrittenType } from "./tar_header.ts";
export {
  escapePath,
  VENDOR,
  WHITEOUT,
  whiteoutPath,
  xattrKeyword,
  xattrOfKeyword,
} from "./vendor_records.ts";
