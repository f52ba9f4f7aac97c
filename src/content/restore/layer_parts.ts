/** Divides a layer that comes from elsewhere into parts, each of which can be restored once it is there. */

import { ArchiveError, FOOTER, parseSeekTable, seekTableSize } from "../../archive/mod.ts";
import { FLAG, type LayerInfo, readingBlob } from "../../image/mod.ts";
import type { OpenAreas } from "../areas.ts";
import { type FileUnit, type SharedPlan, WorkerPlan } from "./worker_plan.ts";

/** Compressed bytes of a part, about: what is received of it before the first of its files is made. */
const PART_BYTES = 4 << 20;

/** Consecutive frames of a layer, and what is in them. */
export interface LayerPart {
  /** Its bytes in the compressed layer: from `start` up to `end`. */
  readonly start: number;
  readonly end: number;
  /** Where its content begins in the uncompressed layer. */
  readonly rawStart: number;
  readonly rawEnd: number;
  /** Of each frame in turn, the compressed and the uncompressed size. */
  readonly frames: readonly number[];
  /** The files `[first, last)` of {@link SharedPlan.files} begin here. */
  readonly first: number;
  readonly last: number;
  /** Files that begin in an earlier part, and have content here. */
  readonly continued: readonly number[];
}

/** The parts of a layer, in their order. */
export interface LayerParts {
  /** `undefined` where the layer must be read as a whole: a sparse file is in several parts. */
  readonly parts: readonly LayerPart[] | undefined;
  /** Files that are in several parts. */
  readonly split: readonly number[];
}

/** What a layer's parts are found by. */
export interface PartsRequest {
  readonly plan: SharedPlan;
  readonly layer: LayerInfo;
  /** The layer's files. */
  readonly files: Pick<FileUnit, "start" | "end">;
  /** The last bytes of the layer, unchecked as yet: they have its seek table, or as much as they can. */
  readonly tail: Uint8Array;
}

/**
 * Returns how many of a layer's last bytes {@link restoreParts} needs, about: a table has two numbers for
 * each frame, which has a mebibyte unless what follows does not fit.
 */
export function tailBytes({ size, rawSize }: Pick<LayerInfo, "size" | "rawSize">): number {
  if (size <= PART_BYTES) return size;
  return Math.min(size, 4096 + 16 * Math.ceil(rawSize / 2 ** 20));
}

/**
 * Divides a layer into parts. Nothing of it is checked as yet: what the table says is made sure of by the
 * frames, which must come to the sizes that it has, and the layer's digest.
 * @returns how many bytes the tail must have, where it has too few
 * @throws {DaemonError} DATA_LOSS naming the layer
 */
export function restoreParts(_areas: OpenAreas, request: PartsRequest): LayerParts | number {
  const { layer, tail } = request;
  return readingBlob(layer.digest, () => {
    const length = seekTableSize(tail.subarray(-FOOTER));
    if (length === undefined) throw new ArchiveError("malformed", "it has no seek table");
    if (length > layer.size) {
      throw new ArchiveError("malformed", "its seek table is longer than itself");
    }
    if (length > tail.length) return length;
    const table = parseSeekTable(tail.slice(-length), layer.size);
    if (table.rawOffsets.at(-1) !== layer.rawSize) {
      throw new ArchiveError("malformed", `its seek table is not for ${layer.rawSize} bytes`);
    }
    return new PartPlanner(request).divide(table.offsets, table.rawOffsets);
  });
}

class PartPlanner {
  readonly #plan: WorkerPlan;
  readonly #request: PartsRequest;
  readonly #parts: LayerPart[] = [];
  readonly #split: number[] = [];
  #next: number;
  /** Files that go on beyond the part that was last added. */
  #open: number[] = [];
  #hasSplitSparse = false;

  constructor(request: PartsRequest) {
    this.#plan = new WorkerPlan(request.plan);
    this.#request = request;
    this.#next = request.files.start;
  }

  divide(offsets: Float64Array, rawOffsets: Float64Array): LayerParts {
    const frames = offsets.length - 1;
    for (let from = 0, to = 0; to < frames; from = to) {
      while (to < frames && (to === from || offsets[to + 1]! - offsets[from]! <= PART_BYTES)) to++;
      this.#add(offsets, rawOffsets, from, to);
    }
    const isWhole = this.#next === this.#request.files.end && this.#open.length === 0;
    if (!isWhole) throw new ArchiveError("truncated", "a file's content is beyond its end");
    return {
      parts: this.#hasSplitSparse ? undefined : this.#parts,
      split: this.#split,
    };
  }

  #add(offsets: Float64Array, rawOffsets: Float64Array, from: number, to: number): void {
    const isLast = to === offsets.length - 1;
    const rawEnd = rawOffsets[to]!;
    const continued = this.#open;
    const first = this.#next;
    this.#open = continued.filter((n) => this.#endOf(n) > rawEnd);
    // An empty file may be said to be where the content ends.
    while (this.#next < this.#request.files.end && (isLast || this.#startOf(this.#next) < rawEnd)) {
      const n = this.#next++;
      if (this.#endOf(n) <= rawEnd) continue;
      this.#open.push(n);
      this.#split.push(n);
      this.#hasSplitSparse ||= this.#isSparse(n);
    }
    const sizes: number[] = [];
    for (let frame = from; frame < to; frame++) {
      sizes.push(
        offsets[frame + 1]! - offsets[frame]!,
        rawOffsets[frame + 1]! - rawOffsets[frame]!,
      );
    }
    this.#parts.push({
      start: offsets[from]!,
      // The seek table goes with the last frames.
      end: isLast ? this.#request.layer.size : offsets[to]!,
      rawStart: rawOffsets[from]!,
      rawEnd,
      frames: sizes,
      first,
      last: this.#next,
      continued,
    });
  }

  #startOf(n: number): number {
    const { block, record } = this.#plan.file(n);
    return block.offset(record);
  }

  #endOf(n: number): number {
    const { block, record } = this.#plan.file(n);
    return block.offset(record) + block.stored(record);
  }

  #isSparse(n: number): boolean {
    const { block, record } = this.#plan.file(n);
    return (block.flags(record) & FLAG.sparse) !== 0;
  }
}
