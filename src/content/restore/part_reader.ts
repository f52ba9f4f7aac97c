import type { SeekTable } from "../../archive/mod.ts";
import { FrameReader } from "../../image/mod.ts";
import type { LayerPart } from "./layer_parts.ts";

/** Reads a part of a layer that is in memory. */
export class PartReader extends FrameReader {
  readonly #bytes: Uint8Array;

  /** @param bytes of the part, compressed; they stay the caller's */
  constructor(part: LayerPart, bytes: Uint8Array) {
    super(tableOf(part));
    this.#bytes = bytes;
  }

  protected override readFrame(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  protected override freeFrame(): void {}
}

/** Compressed offsets are those in the part, uncompressed ones those in the layer. */
function tableOf({ rawStart, frames }: LayerPart): SeekTable {
  const count = frames.length / 2;
  const offsets = new Float64Array(count + 1);
  const rawOffsets = new Float64Array(count + 1);
  rawOffsets[0] = rawStart;
  for (let n = 0; n < count; n++) {
    offsets[n + 1] = offsets[n]! + frames[2 * n]!;
    rawOffsets[n + 1] = rawOffsets[n]! + frames[2 * n + 1]!;
  }
  return { offsets, rawOffsets };
}
