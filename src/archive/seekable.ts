/**
 * zstd in independent frames, closed by a seek table: facebook/zstd,
 * `contrib/seekable_format/zstd_seekable_compression_format.md`. To every other reader it is plain
 * zstd: the table is a skippable frame.
 */

import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync, type ZstdOptions } from "node:zlib";
import { type Digest, sha256Digest } from "../digest.ts";
import { ArchiveError } from "./error.ts";
import { INCOMPRESSIBLE, seemsIncompressible, storedFrame } from "./stored_frame.ts";

const SKIPPABLE_MAGIC = 0x184d2a5e;
const FOOTER_MAGIC = 0x8f92eab1;
const SKIPPABLE_HEADER = 8;
const ENTRY = 8;
const CHECKSUM = 4;
/** Bytes of the footer that ends a seekable file. */
export const FOOTER = 9;
/** Set in the footer's descriptor where entries carry a checksum. */
const HAS_CHECKSUMS = 0x80;

/** Where compressed bytes go; it must not keep `bytes`. */
export type FrameSink = (bytes: Uint8Array) => void;

export interface SealedFrames {
  /** Of the compressed bytes. */
  readonly digest: Digest;
  /** Compressed bytes. */
  readonly size: number;
  /** Uncompressed bytes. */
  readonly rawSize: number;
}

/** A point that a {@link FrameWriter} can go back to. */
export interface FrameMark {
  readonly frames: number;
  readonly size: number;
  readonly rawSize: number;
  readonly hash: Hash;
}

/** Compresses chunk by chunk, and digests what comes of it. */
export class FrameWriter {
  readonly #sink: FrameSink;
  readonly #params: NonNullable<ZstdOptions["params"]>;
  readonly #sizes: number[] = [];
  #hash = createHash("sha256");
  #size = 0;
  #rawSize = 0;
  #wasIncompressible = false;

  /** @param level of zstd; 1 is the fastest of the plain ones */
  constructor(sink: FrameSink, level = 1) {
    this.#sink = sink;
    this.#params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: WINDOW_LOG,
    };
  }

  /** Compressed bytes so far. */
  get size(): number {
    return this.#size;
  }
  /** Uncompressed bytes so far. */
  get rawSize(): number {
    return this.#rawSize;
  }

  /** Makes `raw` a frame of its own. */
  write(raw: Uint8Array): void {
    const before = this.#size;
    // Looking before each frame would cost more than it spares: what comes is mostly like what came.
    if (this.#wasIncompressible && seemsIncompressible(raw)) {
      storedFrame(raw, (part) => this.#emit(part));
    } else {
      const chunkSize = Math.min(OUTPUT_CHUNK, raw.length + SMALL_FRAME);
      this.#emit(zstdCompressSync(raw, { chunkSize, params: this.#params }));
    }
    const size = this.#size - before;
    this.#wasIncompressible = size > INCOMPRESSIBLE * raw.length;
    this.#sizes.push(size, raw.length);
    this.#rawSize += raw.length;
  }

  /** The present point. */
  mark(): FrameMark {
    return {
      frames: this.#sizes.length,
      size: this.#size,
      rawSize: this.#rawSize,
      hash: this.#hash.copy(),
    };
  }

  /** Goes back to a point; the caller takes the sink back to {@link FrameMark.size} bytes. */
  rewind(mark: FrameMark): void {
    this.#sizes.length = mark.frames;
    this.#size = mark.size;
    this.#rawSize = mark.rawSize;
    this.#hash = mark.hash.copy();
  }

  /** Writes the seek table; nothing can follow. */
  seal(): SealedFrames {
    this.#emit(encodeSeekTable(this.#sizes));
    return {
      digest: sha256Digest(this.#hash.digest("hex")),
      size: this.#size,
      rawSize: this.#rawSize,
    };
  }

  #emit(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
    this.#sink(bytes);
  }
}

/**
 * Measured: with buffers of this size compressing takes a fifth less than with ones of a whole frame,
 * whose pages are new to the process each time.
 */
const OUTPUT_CHUNK = 256 << 10;
/** What a frame takes beside content that cannot be compressed, and more. */
const SMALL_FRAME = 1 << 10;
/** As much as a frame has; level 1 would look back half as far. */
const WINDOW_LOG = 20;

function encodeSeekTable(sizes: readonly number[]): Uint8Array {
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

/** Where frame `n` lies: from `[n]` to `[n + 1]`. Both have one element more than there are frames. */
export interface SeekTable {
  /** Offsets in the compressed file. */
  readonly offsets: Float64Array;
  /** Offsets in the uncompressed content. */
  readonly rawOffsets: Float64Array;
}

/**
 * How many of a file's last bytes hold its seek table, by its last {@link FOOTER} bytes; `undefined`
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
 * The seek table that a file of `fileSize` bytes ends with.
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

/**
 * Decompresses one frame that must come to `rawSize` bytes.
 * @throws {ArchiveError} where it does not
 */
export function decompressFrame(frame: Uint8Array, rawSize: number): Uint8Array {
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(Buffer.from(frame.buffer, frame.byteOffset, frame.length), {
      chunkSize: Math.max(rawSize, 64) + 64,
      maxOutputLength: Math.max(rawSize, 1),
    });
  } catch (error) {
    throw new ArchiveError("malformed", `a zstd frame cannot be decompressed`, { cause: error });
  }
  if (raw.length !== rawSize) {
    throw new ArchiveError("malformed", `a zstd frame has ${raw.length} bytes, not ${rawSize}`);
  }
  // Not a Buffer, whose `slice` is no copy.
  return new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
}

/** Results up to here may share their memory with others: Node's pool of small buffers. */
const POOLED = 64 << 10;

/** What `release` does for bytes of one's own, for a result of {@link decompressFrame}. */
export function releaseFrame(raw: Uint8Array): void {
  if (raw.length > POOLED) (raw.buffer as ArrayBuffer).transfer(0);
}
