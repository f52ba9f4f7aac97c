/** Reads uncompressed content that is stored in independent frames, decompressing only those it lies in. */

import { ArchiveError, decompressFrame, releaseFrame, type SeekTable } from "../archive/mod.ts";
import { lowerBound } from "../binary_search.ts";

/** Reads content by a seek table, and keeps the frame that was read last. */
export abstract class FrameReader implements Disposable {
  readonly #table: SeekTable;
  #frame = -1;
  #raw: Uint8Array = new Uint8Array(0);

  /** @param table of the frames that there are; they need not be all of the content */
  constructor(table: SeekTable) {
    this.#table = table;
  }

  /** Returns the compressed bytes from `start` to `end`, and calls {@link freeFrame} when they are used. */
  protected abstract readFrame(start: number, end: number): Uint8Array;
  /** Frees what {@link readFrame} has returned. */
  protected abstract freeFrame(compressed: Uint8Array): void;

  /**
   * Calls `take` with `length` bytes from `offset`, in pieces that are valid during the call.
   * @throws {ArchiveError} where the frames do not have them, or one is damaged
   */
  read(offset: number, length: number, take: (piece: Uint8Array) => void): void {
    const { rawOffsets } = this.#table;
    const end = offset + length;
    for (let at = offset; at < end;) {
      const frame = this.#find(at);
      const start = rawOffsets[frame]!;
      const stop = Math.min(end, rawOffsets[frame + 1]!);
      take(this.#load(frame).subarray(at - start, stop - start));
      at = stop;
    }
  }

  /** Releases its memory, and with it the last piece. */
  [Symbol.dispose](): void {
    releaseFrame(this.#raw);
  }

  #find(at: number): number {
    const { rawOffsets } = this.#table;
    if (this.#frame >= 0 && at >= rawOffsets[this.#frame]! && at < rawOffsets[this.#frame + 1]!) {
      return this.#frame;
    }
    // The last frame that begins at or before; frames may be empty.
    const frame = lowerBound(rawOffsets.length, (n) => rawOffsets[n]! <= at) - 1;
    if (frame < 0 || frame === rawOffsets.length - 1) {
      throw new ArchiveError("truncated", `it has no byte ${at}`);
    }
    return frame;
  }

  #load(frame: number): Uint8Array {
    if (frame === this.#frame) return this.#raw;
    const { offsets, rawOffsets } = this.#table;
    const compressed = this.readFrame(offsets[frame]!, offsets[frame + 1]!);
    const raw = decompressFrame(compressed, rawOffsets[frame + 1]! - rawOffsets[frame]!);
    this.freeFrame(compressed);
    releaseFrame(this.#raw);
    this.#raw = raw;
    this.#frame = frame;
    return raw;
  }
}
