/** Plans in which order the chunks of large files are written: pack by pack, so that each is read once. */

import type { Block } from "../../image/mod.ts";
import type { Range } from "./worker_plan.ts";

/** The chunks of one pack that files need, which one request writes. */
export interface ChunkUnit {
  /** The pack's number in the layer table. */
  readonly pack: number;
  /** The chunks `[start, end)` of {@link SharedChunks}. */
  readonly start: number;
  readonly end: number;
}

/** Which chunks go where, in memory that all Workers share; ordered by pack and offset in it. */
export interface SharedChunks {
  /** Uint32 pairs: a file's number in `SharedPlan.files`, a chunk's number in its list. */
  readonly chunks: ArrayBufferLike;
  /** Float64: where each chunk begins in its file's stream. */
  readonly positions: ArrayBufferLike;
}

/** The chunks of an image. */
export interface ChunkPlan extends SharedChunks {
  /** The files in `SharedPlan.files` that are lists of chunks. */
  readonly chunkedFiles: Range;
  readonly chunkUnits: readonly ChunkUnit[];
}

/** A file, as `SharedPlan.files` has it. */
interface PlannedFile {
  readonly block: Block;
  readonly record: number;
}

/**
 * Plans the chunks of files.
 * @param file returns file `n` of those in `chunkedFiles`
 * @param layers how many there are in the layer table
 */
export function planChunks(
  chunkedFiles: Range,
  file: (n: number) => PlannedFile,
  layers: number,
): ChunkPlan {
  const counts = new Float64Array(layers + 1);
  const each = (visit: (n: number, chunk: number, pack: number) => void) => {
    for (let n = chunkedFiles.start; n < chunkedFiles.end; n++) {
      const { block, record } = file(n);
      const list = block.chunks(record);
      for (let chunk = 0; chunk < list.count; chunk++) visit(n, chunk, list.pack(chunk));
    }
  };
  each((_n, _chunk, pack) => counts[pack + 1]!++);
  const starts = counts;
  for (let pack = 1; pack <= layers; pack++) starts[pack]! += starts[pack - 1]!;
  const total = starts[layers]!;
  const chunks = new Uint32Array(new SharedArrayBuffer(8 * total));
  const ends = starts.slice();
  each((n, chunk, pack) => {
    const at = ends[pack]!++;
    chunks[2 * at] = n;
    chunks[2 * at + 1] = chunk;
  });
  const chunkUnits: ChunkUnit[] = [];
  for (let pack = 0; pack < layers; pack++) {
    const [start, end] = [starts[pack]!, starts[pack + 1]!];
    if (start === end) continue;
    sortByOffset(chunks.subarray(2 * start, 2 * end), file);
    chunkUnits.push({ pack, start, end });
  }
  const positions = positionsOf(chunks, chunkedFiles, file);
  return { chunks: chunks.buffer, positions: positions.buffer, chunkedFiles, chunkUnits };
}

function sortByOffset(pairs: Uint32Array, file: (n: number) => PlannedFile): void {
  const count = pairs.length / 2;
  const offsets = new Float64Array(count);
  for (let at = 0; at < count; at++) {
    const { block, record } = file(pairs[2 * at]!);
    offsets[at] = block.chunks(record).offset(pairs[2 * at + 1]!);
  }
  const order = new Uint32Array(count).map((_, at) => at);
  order.sort((a, b) => offsets[a]! - offsets[b]! || a - b);
  const unsorted = pairs.slice();
  order.forEach((from, to) => {
    pairs[2 * to] = unsorted[2 * from]!;
    pairs[2 * to + 1] = unsorted[2 * from + 1]!;
  });
}

/** Returns where each chunk begins in its file's stream. */
function positionsOf(
  chunks: Uint32Array,
  { start, end }: Range,
  file: (n: number) => PlannedFile,
): Float64Array {
  /** Where the chunks of each file begin in `inOrder`, which has them by file and number. */
  const firsts = new Float64Array(end - start);
  const inOrder = new Float64Array(chunks.length / 2);
  let at = 0;
  for (let n = start; n < end; n++) {
    const { block, record } = file(n);
    const list = block.chunks(record);
    firsts[n - start] = at;
    let position = 0;
    for (let chunk = 0; chunk < list.count; chunk++) {
      inOrder[at++] = position;
      position += list.length(chunk);
    }
  }
  const positions = new Float64Array(new SharedArrayBuffer(8 * inOrder.length));
  for (let n = 0; n < positions.length; n++) {
    positions[n] = inOrder[firsts[chunks[2 * n]! - start]! + chunks[2 * n + 1]!]!;
  }
  return positions;
}
