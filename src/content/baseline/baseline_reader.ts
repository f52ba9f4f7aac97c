/** Reads a baseline, directory by directory. */

import { crc32 } from "node:zlib";
import { compareBytes } from "../../archive/mod.ts";
import { lowerBound } from "../../binary_search.ts";
import { type Digest, sha256Digest } from "../../digest.ts";
import type { File } from "../../linux/mod.ts";
import { sameName } from "../../linux/mod.ts";
import {
  type BlobId,
  Block,
  blocksAt,
  buffers,
  decodeHeader,
  decodeStale,
  HEADER,
  headerSize,
  type IndexChain,
  layerCount,
  Memory,
  type StaleEntry,
  type TreeHeader,
} from "../../image/mod.ts";
import { readAliases } from "./baseline_aliases.ts";
import { type BaselineBytes, baselineBytes, loadBaseline } from "./baseline_bytes.ts";
import {
  FOOTER,
  FOOTER_1,
  FOOTER_1_MAGIC,
  FOOTER_FIELD,
  FOOTER_MAGIC,
  hashPath,
  INDEX_BLOB,
  TABLE_ENTRY,
} from "./baseline_format.ts";

/** Where the parts of a baseline are. */
interface BaselineParts {
  readonly headerAt: number;
  /** Absent in version 1, where they follow the blocks. */
  readonly staleAt?: number;
  readonly indexAt: number;
  readonly indexBlobs: number;
  readonly tableAt: number;
  readonly directories: number;
  /** Bytes of the first baseline; absent in version 1. */
  readonly wholeBytes?: number;
  readonly checksum: number;
  /** Offset of the footer, and of the checksum in it. */
  readonly footerAt: number;
  readonly checksumAt: number;
}

function readParts(bytes: BaselineBytes): BaselineParts {
  const { size } = bytes;
  if (size < FOOTER_1) throw new RangeError("it is too short");
  const last = viewOf(bytes.read(size - FOOTER_1, FOOTER_1));
  const magic = last.getBigUint64(FOOTER_1 - 8, true);
  if (magic === FOOTER_1_MAGIC) {
    const footerAt = size - FOOTER_1;
    return {
      ...{ headerAt: 0, indexAt: 0, indexBlobs: 0, footerAt, checksumAt: footerAt + 12 },
      tableAt: last.getFloat64(0, true),
      directories: last.getUint32(8, true),
      checksum: last.getUint32(12, true),
    };
  }
  if (magic !== FOOTER_MAGIC || size < FOOTER) throw new RangeError("it has no footer");
  const footerAt = size - FOOTER;
  const footer = viewOf(bytes.read(footerAt, FOOTER));
  const offset = (field: "headerAt" | "staleAt" | "indexAt" | "tableAt" | "wholeBytes") =>
    footer.getFloat64(FOOTER_FIELD[field], true);
  return {
    headerAt: offset("headerAt"),
    staleAt: offset("staleAt"),
    indexAt: offset("indexAt"),
    tableAt: offset("tableAt"),
    wholeBytes: offset("wholeBytes"),
    directories: footer.getUint32(FOOTER_FIELD.directories, true),
    indexBlobs: footer.getUint32(FOOTER_FIELD.indexBlobs, true),
    checksum: footer.getUint32(FOOTER_FIELD.checksum, true),
    footerAt,
    checksumAt: footerAt + FOOTER_FIELD.checksum,
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function readHeaderAt(bytes: BaselineBytes, at: number): TreeHeader {
  const size = headerSize(layerCount(bytes.read(at, HEADER)));
  if (at + size > bytes.size) throw new RangeError("its table of layers is longer than itself");
  return decodeHeader(bytes.read(at, size));
}

/** What a baseline says of its image. */
export interface DescribedIndex {
  readonly header: TreeHeader;
  /** The blobs of the image's index; absent in version 1. */
  readonly index?: IndexChain;
}

/** Reads what a baseline says of its image, without a check. @throws {RangeError} if it is malformed */
export function readImageOf(file: File): DescribedIndex {
  const bytes = baselineBytes(file);
  const parts = readParts(bytes);
  const index = readIndexChain(bytes, parts);
  return { header: readHeaderAt(bytes, parts.headerAt), ...(index ? { index } : {}) };
}

function readIndexChain(
  bytes: BaselineBytes,
  { indexAt, indexBlobs }: BaselineParts,
): IndexChain | undefined {
  const encoded = bytes.read(indexAt, indexBlobs * INDEX_BLOB);
  const view = viewOf(encoded);
  const blobs = Array.from({ length: indexBlobs }, (_, n): BlobId => ({
    digest: digestAt(encoded, n * INDEX_BLOB),
    size: view.getFloat64(n * INDEX_BLOB + 32, true),
  }));
  const [newest, ...below] = blobs;
  return newest && { ...newest, ...(below.length > 0 ? { below } : {}) };
}

function digestAt(bytes: Uint8Array, at: number): Digest {
  return sha256Digest(bytes.slice(at, at + 32).toHex());
}

/**
 * Checks a baseline's checksum. It is read piece by piece: it can be long, and a walk needs little of it at a
 * time.
 * @throws {RangeError | ArchiveError} if it is not as it was written
 */
export function verifyBaseline(file: File): void {
  const { checksum, checksumAt } = readParts(baselineBytes(file));
  const buffer = buffers.take();
  let actual = 0;
  try {
    for (let at = 0, count: number; at < checksumAt; at += count) {
      count = Math.min(file.readAt(buffer, at), checksumAt - at);
      if (count <= 0) break;
      actual = crc32(buffer.subarray(0, count), actual);
    }
  } finally {
    buffers.giveBack(buffer);
  }
  if (actual !== checksum) throw new RangeError("its checksum is wrong");
}

/**
 * Reads a baseline into memory that Workers can share, and checks its checksum.
 * @throws {RangeError | ArchiveError} if it is not as it was written
 */
export function loadVerifiedBaseline(file: File): Memory {
  const memory = loadBaseline(file);
  const { checksum, checksumAt } = readParts(baselineBytes(memory));
  if (crc32(memory.bytes.subarray(0, checksumAt)) !== checksum) {
    throw new RangeError("its checksum is wrong");
  }
  return memory;
}

/** A directory of a baseline, and its number there. */
export interface NumberedBlock {
  readonly block: Block;
  readonly number: number;
}

/** Reads a verified baseline. The caller keeps an open file, and closes it. */
export class BaselineReader {
  readonly #bytes: BaselineBytes;
  readonly #parts: BaselineParts;
  readonly #table: DataView;
  readonly #staleAt: number;
  readonly header: TreeHeader;
  /** The blobs of the image's index; `undefined` in version 1. */
  readonly index: IndexChain | undefined;

  /** Reads the header and the table. @throws {RangeError | ArchiveError} if it is no baseline */
  constructor(source: File | Memory) {
    const bytes = this.#bytes = baselineBytes(source);
    const parts = this.#parts = readParts(bytes);
    const { tableAt, directories, headerAt, staleAt } = parts;
    const header = this.header = readHeaderAt(bytes, headerAt);
    this.#staleAt = staleAt ?? headerAt + blocksAt(header) + header.blockBytes;
    this.#table = viewOf(bytes.read(tableAt, directories * TABLE_ENTRY));
    this.index = readIndexChain(bytes, parts);
  }

  /** The number of directories; they are numbered from 0. */
  get directories(): number {
    return this.#parts.directories;
  }
  /** Bytes of it all, without aliases. */
  get size(): number {
    return this.#bytes.size;
  }
  /** Bytes of the first baseline, which was written whole and to which this one has added. */
  get wholeBytes(): number {
    return this.#parts.wholeBytes ?? this.size;
  }

  /** Returns the stale entries: paths that reused layers still have and the tree has not. */
  stale(): StaleEntry[] {
    const { staleBytes, stale } = this.header;
    return decodeStale(this.#bytes.read(this.#staleAt, staleBytes), stale);
  }

  /**
   * Returns the state of the frozen tree that it describes, encoded; empty where it was not frozen.
   * @param file that of the baseline, whose aliases may have another state
   */
  frozenState(file: File): Uint8Array {
    const { state } = readAliases(file);
    if (state.length > 0) return state;
    const { tableAt, directories, footerAt } = this.#parts;
    const at = tableAt + directories * TABLE_ENTRY;
    return this.#bytes.read(at, footerAt - at);
  }

  /** Returns the checksum of all of it, from which on one that begins with it is continued. */
  continuedChecksum(): number {
    const { checksum, checksumAt } = this.#parts;
    return crc32(this.#bytes.read(checksumAt, this.size - checksumAt), checksum);
  }

  /** Returns all directories, ordered by path. Of a file, all of it is read. */
  all(): NumberedBlock[] {
    const bytes = this.#bytes.read(0, this.size);
    const memory = new Memory(bytes.buffer);
    const offsets = new Float64Array(this.directories);
    const numbers = new Map<number, number>();
    for (let number = 0; number < offsets.length; number++) {
      numbers.set(offsets[number] = this.offsetOf(number), number);
    }
    const runs: NumberedBlock[][] = [];
    let last: Uint8Array | undefined;
    for (const offset of offsets.sort()) {
      const block = new Block(memory, offset);
      const { path } = block;
      // Each baseline that was added to has its blocks in order.
      if (!last || compareBytes(last, path) > 0) runs.push([]);
      runs.at(-1)!.push({ block, number: numbers.get(offset)! });
      last = path;
    }
    // The runs get shorter: the longest is copied once.
    return runs.reduceRight((all, run) => mergeRuns(run, all), []);
  }

  /** Returns the block of the directory at `path`, and its number; of a file it is valid until the next call. */
  find(path: Uint8Array): NumberedBlock | undefined {
    const { directories } = this;
    const hash = hashPath(path);
    const first = lowerBound(directories, (number) => this.hashOf(number) < hash);
    for (let number = first; number < directories; number++) {
      if (this.hashOf(number) !== hash) return undefined;
      const block = this.block(number);
      if (sameName(block.path, path)) return { block, number };
    }
    return undefined;
  }

  /** Returns the block of that number; of a file it is valid until the next call. */
  block(number: number): Block {
    return this.#bytes.block(this.offsetOf(number), this.lengthOf(number));
  }

  /** Returns the hash of a directory's path. */
  hashOf(number: number): number {
    return this.#table.getUint32(number * TABLE_ENTRY, true);
  }
  /** Returns the bytes of a directory's block. */
  lengthOf(number: number): number {
    return this.#table.getUint32(number * TABLE_ENTRY + 4, true);
  }
  /** Returns where a directory's block begins. */
  offsetOf(number: number): number {
    return this.#table.getFloat64(number * TABLE_ENTRY + 8, true);
  }
}

function mergeRuns(a: NumberedBlock[], b: NumberedBlock[]): NumberedBlock[] {
  if (b.length === 0) return a;
  const merged: NumberedBlock[] = [];
  let at = 0;
  for (const one of b) {
    const { path } = one.block;
    while (at < a.length && compareBytes(a[at]!.block.path, path) < 0) merged.push(a[at++]!);
    merged.push(one);
  }
  while (at < a.length) merged.push(a[at++]!);
  return merged;
}
