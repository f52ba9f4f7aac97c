/** Writes independent zstd frames, closed by a seek table; see `seek_table.ts`. */

import { createHash, type Hash } from "node:crypto";
import { type Digest, sha256Digest } from "../digest.ts";
import { compressFrame } from "./frame_compressor.ts";
import { encodeSeekTable } from "./seek_table.ts";

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
  readonly #sizes: number[] = [];
  #hash = createHash("sha256");
  #size = 0;
  #rawSize = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Compressed bytes so far. */
  get size(): number {
    return this.#size;
  }
  /** Uncompressed bytes so far. */
  get rawSize(): number {
    return this.#rawSize;
  }

  /** Compresses `raw` into a frame of its own. */
  write(raw: Uint8Array): void {
    const frame = compressFrame(raw);
    this.#emit(frame);
    this.#sizes.push(frame.length, raw.length);
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
