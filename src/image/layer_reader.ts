/** Reads ranges of a layer's uncompressed content, decompressing only the frames they lie in. */

import { release } from "../memory.ts";
import { ArchiveError, decompressFrame, releaseFrame, type SeekTable } from "../archive/mod.ts";
import { lowerBound } from "../binary_search.ts";
import type { File } from "../linux/mod.ts";
import { readFully, readSeekTable } from "./index_reader.ts";

/**
 * Reads a layer by its seek table, and keeps the frame that was read last. The layer's digest must
 * have been checked; the file stays the caller's.
 */
export class LayerReader implements Disposable {
  readonly #file: File;
  readonly #table: SeekTable;
  #frame = -1;
  #raw: Uint8Array = new Uint8Array(0);

  /** @throws {ArchiveError} where the layer has no sound seek table, or another content's */
  constructor(file: File, size: number, rawSize: number) {
    const table = readSeekTable(file, size);
    if (!table) throw new ArchiveError("malformed", "it has no seek table");
    if (table.rawOffsets.at(-1) !== rawSize) {
      throw new ArchiveError("malformed", `its seek table is not for ${rawSize} bytes`);
    }
    this.#file = file;
    this.#table = table;
  }

  /**
   * Calls `take` with `length` bytes from `offset`, in pieces that are valid during the call.
   * @throws {ArchiveError} where the layer has fewer bytes, or a frame is damaged
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
    if (frame === rawOffsets.length - 1) {
      throw new ArchiveError("truncated", `it has no byte ${at}`);
    }
    return frame;
  }

  #load(frame: number): Uint8Array {
    if (frame === this.#frame) return this.#raw;
    const { offsets, rawOffsets } = this.#table;
    const start = offsets[frame]!;
    const compressed = readFully(this.#file, start, offsets[frame + 1]! - start);
    const raw = decompressFrame(compressed, rawOffsets[frame + 1]! - rawOffsets[frame]!);
    release(compressed);
    releaseFrame(this.#raw);
    this.#raw = raw;
    this.#frame = frame;
    return raw;
  }
}
