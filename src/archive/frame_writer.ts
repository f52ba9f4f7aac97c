/** Writes independent zstd frames, closed by a seek table; see `seek_table.ts`. */

import { createHash, type Hash } from "node:crypto";
import { constants, zstdCompressSync, type ZstdOptions } from "node:zlib";
import { type Digest, sha256Digest } from "../digest.ts";
import { encodeSeekTable } from "./seek_table.ts";
import { INCOMPRESSIBLE, seemsIncompressible, storedFrame } from "./stored_frame.ts";

/** Receives compressed bytes, which are valid during the call only. */
export type FrameSink = (bytes: Uint8Array) => void;

/** What a {@link FrameWriter} has written, seek table included. */
export interface SealedFrames {
  /** Digest of the compressed bytes. */
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

/** Compresses content chunk by chunk, and computes the digest of the compressed bytes. */
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

  /** Compresses `raw` into a frame of its own, or stores it where compressing is of no use. */
  write(raw: Uint8Array): void {
    const before = this.#size;
    // To probe before each frame would cost more than it saves: content is mostly like that before it.
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

  /** Returns the present point, to which {@link rewind} goes back. */
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
 * Bytes of an output buffer. Compressing was measured to take a fifth less time with this size than
 * with a whole frame's, whose pages are new to the process each time.
 */
const OUTPUT_CHUNK = 256 << 10;
/** More bytes than a frame adds to content that cannot be compressed. */
const SMALL_FRAME = 1 << 10;
/** The window of a whole frame; level 1 would look back half as far. */
const WINDOW_LOG = 20;
