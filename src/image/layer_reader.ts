/** Reads ranges of a layer's uncompressed content. */

import { ArchiveError } from "../archive/mod.ts";
import type { File } from "../linux/mod.ts";
import { release } from "../memory.ts";
import { FrameReader } from "./frame_reader.ts";
import { readFully, readSeekTable } from "./index_reader.ts";

/** Reads a layer in a file, whose digest must have been checked; the file stays the caller's. */
export class LayerReader extends FrameReader {
  readonly #file: File;

  /** @throws {ArchiveError} where the layer has no sound seek table, or another content's */
  constructor(file: File, size: number, rawSize: number) {
    const table = readSeekTable(file, size);
    if (!table) throw new ArchiveError("malformed", "it has no seek table");
    if (table.rawOffsets.at(-1) !== rawSize) {
      throw new ArchiveError("malformed", `its seek table is not for ${rawSize} bytes`);
    }
    super(table);
    this.#file = file;
  }

  protected override readFrame(start: number, end: number): Uint8Array {
    return readFully(this.#file, start, end - start);
  }

  protected override freeFrame(compressed: Uint8Array): void {
    release(compressed);
  }
}
