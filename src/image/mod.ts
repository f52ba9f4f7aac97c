/**
 * The format of an image: records and blocks of the index, the tree file that index and baseline share,
 * layers that can be read at any offset, whiteouts, and the checks that bytes are what they must be.
 *
 * `docs/formats.md` has the byte tables. Nothing here walks a file system: files are given as open
 * handles. Damage is DATA_LOSS that names the blob.
 */

export { Block, type BlockRecord, encodeXattrs, kindOf, type Location, Memory } from "./block.ts";
export { Arena, blocksOf } from "./arena.ts";
export { BlockBuilder } from "./block_builder.ts";
export { BUFFER_BYTES, buffers } from "./buffers.ts";
export {
  ChunkCutter,
  type Cut,
  MAX_CHUNK,
  MAX_SEGMENT,
  MIN_CHUNK,
  MIN_SEGMENT,
} from "./chunk_cutter.ts";
export { isSameBlock, isSameInIndex } from "./compare_blocks.ts";
export { CHUNK_ENTRY, ChunkList, ChunkListBuilder, type ChunkPlace } from "./chunk_list.ts";
export { sortStale } from "./apply_patch.ts";
export {
  checkLayersOfIndex,
  indexBlobs,
  type IndexChain,
  type IndexFile,
  type LoadedIndex,
  MAX_PATCHES,
  readFully,
  readIndex,
  readingBlob,
  readSeekTable,
} from "./index_reader.ts";
export { KnownChunks } from "./known_chunks.ts";
export { type IndexContent, writeIndex } from "./index_writer.ts";
export { descriptorOf, type LayerDescriptor } from "./layer_descriptor.ts";
export { FrameReader } from "./frame_reader.ts";
export { LayerReader } from "./layer_reader.ts";
export {
  CHUNKED_LAYER,
  DIGEST_BYTES,
  FLAG,
  KIND,
  RECORD,
  TEMPORARY_LAYER,
  type Xattr,
} from "./layout.ts";
export { componentsOf, MAX_FOREIGN_DEPTH, MemberPath, memberPath, refusal } from "./member_path.ts";
export { tarEntry, type TreeEntry, whiteoutEntry } from "./tar_entries.ts";
export {
  blocksAt,
  decodeHeader,
  decodeStale,
  encodeHeader,
  encodeStale,
  HEADER,
  headerSize,
  layerCount,
  type LayerInfo,
  layersInUse,
  NO_DIFF_ID,
  REMOVED_DIRECTORY,
  type StaleEntry,
  type TreeHeader,
  UNUSED_LAYER,
} from "./tree_file.ts";
export { type BlobId, dataLoss, verifyBlob, verifyingBlob } from "./verify_blob.ts";
export { whiteoutOf } from "./whiteout.ts";
export { xattrRecords, xattrsOfRecords } from "./xattr_records.ts";
