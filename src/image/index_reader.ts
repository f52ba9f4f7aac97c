/**
 * Reads an index: a blob that has all of it, or a chain of patches over one. Each blob's digest is checked
 * first, then everything in it before any of it is used, so that no index, whoever made it, leads to a
 * crash or out of the tree.
 */

import {
  ArchiveError,
  decompressFrame,
  FOOTER,
  parseSeekTable,
  releaseFrame,
  seekTableSize,
} from "../archive/mod.ts";
import type { Digest } from "../digest.ts";
import type { File } from "../linux/mod.ts";
import { release } from "../memory.ts";
import { applyPatch, checkLayersOfFiles, gatherTree } from "./apply_patch.ts";
import { type Block, Memory } from "./block.ts";
import { type ParsedTree, parseTree } from "./parse_tree.ts";
import { type LayerInfo, layersInUse, treeFileSize, type TreeHeader } from "./tree_file.ts";
import { type BlobId, dataLoss, verifyBlob } from "./verify_blob.ts";

/** The longest index that is read, uncompressed; positions within are 32 bits. */
const MAX_RAW = 2 ** 32 - 1;

/** An index in memory that Workers can share. */
export interface LoadedIndex {
  readonly memory: Memory;
  readonly header: TreeHeader;
  /** Ordered by path. */
  readonly blocks: readonly Block[];
}

/** An index as a manifest names it: the newest blob, and what is below it. */
export interface IndexChain extends BlobId {
  /** The blobs below it, the next one first and the whole one last; absent where it is whole itself. */
  readonly below?: readonly BlobId[];
}

/** The most patches of an index. */
export const MAX_PATCHES = 8;

/** Returns the blobs of an index, the newest first. */
export function indexBlobs({ digest, size, below = [] }: IndexChain): BlobId[] {
  return [{ digest, size }, ...below.map(({ digest, size }) => ({ digest, size }))];
}

/** A blob of an index in an open file, which stays the caller's. */
export interface IndexFile {
  readonly file: File;
  readonly blob: BlobId;
}

/** Runs `read`, and reports what it finds malformed as damage of the blob. @throws {DaemonError} DATA_LOSS */
export function readingBlob<T>(digest: Digest, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ArchiveError || error instanceof RangeError) {
      throw dataLoss(digest, error.message, error);
    }
    throw error;
  }
}

/** Reads the seek table at the end of a blob; `undefined` where it has none. @throws {ArchiveError} where it is malformed */
export function readSeekTable(file: File, size: number) {
  if (size < FOOTER) return undefined;
  const tableSize = seekTableSize(readFully(file, size - FOOTER, FOOTER));
  if (tableSize === undefined) return undefined;
  if (tableSize > size) throw new ArchiveError("malformed", "its seek table is longer than itself");
  return parseSeekTable(readFully(file, size - tableSize, tableSize), size);
}

/** Reads exactly `length` bytes at `offset`. @throws {ArchiveError} where the file ends before */
export function readFully(file: File, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0, count: number; at < length; at += count) {
    count = file.readAt(bytes.subarray(at), offset + at);
    if (count === 0) throw new ArchiveError("truncated", `it ends before byte ${offset + length}`);
  }
  return bytes;
}

/**
 * Reads and checks an index; see {@link verifyBlob}.
 * @param chain the newest blob first, and all that are below it
 * @throws {DaemonError} DATA_LOSS naming the blob
 */
export function readIndex(
  chain: readonly IndexFile[],
  throwIfCancelled?: () => void,
): LoadedIndex {
  const trees = chain.map(({ file, blob }) => {
    verifyBlob(file, blob, throwIfCancelled);
    return readingBlob(blob.digest, () => {
      const memory = decompress(file, blob.size);
      return { ...parseTree(memory), memory, digest: blob.digest };
    });
  }).reverse();
  const [whole, ...patches] = trees;
  if (!whole) throw new TypeError("Cannot read an index without a blob");
  if (whole.header.patch) throw dataLoss(whole.digest, "it is a patch, and nothing is below it");
  if (patches.length === 0) return whole;
  let tree: ParsedTree = whole;
  let { digest } = whole;
  for (const patch of patches) {
    if (patch.header.patch?.below !== digest) {
      throw dataLoss(patch.digest, `it is no patch of the index ${digest}`);
    }
    ({ digest } = patch);
    tree = readingBlob(digest, () => applyPatch(tree, patch));
  }
  return readingBlob(digest, () => {
    checkLayersOfFiles(tree);
    checkSize(treeFileSize(tree.header));
    return gatherTree(tree);
  });
}

/**
 * Checks that an index lists the layers of an image. By the index of other layers, content would be
 * read from the wrong place, or be missing.
 * @param table of the index
 * @throws {DaemonError} DATA_LOSS naming the index
 */
export function checkLayersOfIndex(
  index: Digest,
  table: readonly LayerInfo[],
  layers: readonly BlobId[],
): void {
  const described = layersInUse(table);
  const isSame = described.length === layers.length &&
    described.every(({ digest, size }, n) =>
      digest === layers[n]!.digest && size === layers[n]!.size
    );
  if (!isSame) throw dataLoss(index, "it is the index of other layers");
}

function decompress(file: File, size: number): Memory {
  const table = readSeekTable(file, size);
  if (!table) throw new ArchiveError("malformed", "it has no seek table");
  const { offsets, rawOffsets } = table;
  const frames = offsets.length - 1;
  const total = rawOffsets[frames]!;
  checkSize(total);
  const memory = new Memory(new SharedArrayBuffer(total));
  for (let n = 0; n < frames; n++) {
    const start = offsets[n]!;
    const frame = readFully(file, start, offsets[n + 1]! - start);
    const raw = decompressFrame(frame, rawOffsets[n + 1]! - rawOffsets[n]!);
    memory.bytes.set(raw, rawOffsets[n]!);
    release(frame);
    releaseFrame(raw);
  }
  return memory;
}

function checkSize(total: number): void {
  if (total > MAX_RAW) throw new ArchiveError("limit", `it has ${total} bytes uncompressed`);
}
