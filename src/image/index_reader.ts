/**
 * Reads an index blob. Its digest is checked first, then everything in it before any of it is used, so
 * that no index, whoever made it, leads to a crash or out of the tree.
 */

import {
  ArchiveError,
  compareBytes,
  decompressFrame,
  FOOTER,
  parseSeekTable,
  releaseFrame,
  seekTableSize,
} from "../archive/mod.ts";
import type { Digest } from "../digest.ts";
import type { File } from "../linux/mod.ts";
import { release } from "../memory.ts";
import { Block, Memory } from "./block.ts";
import { checkBlock } from "./check_block.ts";
import { HEAD } from "./layout.ts";
import { type BlobId, dataLoss, verifyBlob } from "./verify_blob.ts";
import { decodeHeader, decodeStale, headerSize, type TreeHeader } from "./tree_file.ts";

/** The longest index that is read, uncompressed; positions within are 32 bits. */
const MAX_RAW = 2 ** 32 - 1;

/** An index in memory that Workers can share. */
export interface LoadedIndex {
  readonly memory: Memory;
  readonly header: TreeHeader;
  /** Ordered by path. */
  readonly blocks: Block[];
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

/** Reads and checks an index; see {@link verifyBlob}. @throws {DaemonError} DATA_LOSS naming the blob */
export function readIndex(
  file: File,
  blob: BlobId,
  throwIfCancelled?: () => void,
): LoadedIndex {
  verifyBlob(file, blob, throwIfCancelled);
  return readingBlob(blob.digest, () => parseIndex(decompress(file, blob.size)));
}

/**
 * Checks that an index lists the layers of an image. By the index of other layers, content would be
 * read from the wrong place, or be missing.
 * @throws {DaemonError} DATA_LOSS naming the index
 */
export function checkLayersOfIndex(
  index: Digest,
  described: readonly BlobId[],
  layers: readonly BlobId[],
): void {
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
  if (total > MAX_RAW) throw new ArchiveError("limit", `it has ${total} bytes uncompressed`);
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

/** Finds the blocks of an uncompressed index, and checks each. @throws {RangeError} where it is malformed */
export function parseIndex(memory: Memory): LoadedIndex {
  const { bytes } = memory;
  const header = decodeHeader(bytes);
  const start = headerSize(header.layers.length);
  const end = start + header.blockBytes;
  if (end + header.staleBytes !== bytes.length) throw new RangeError("its parts do not add up");
  const blocks: Block[] = [];
  for (let at = start; at < end;) {
    if (at + HEAD.size > end) throw new RangeError("a directory leaves the file");
    const block = new Block(memory, at);
    checkBlock(block, end, header.layers);
    const before = blocks.at(-1);
    if (before ? compareBytes(before.path, block.path) >= 0 : block.path.length > 0) {
      throw new RangeError("its directories are out of order");
    }
    blocks.push(block);
    at += block.length;
  }
  if (blocks.length !== header.blocks) throw new RangeError("its number of directories is wrong");
  decodeStale(bytes.subarray(end), header.stale);
  return { memory, header, blocks };
}
