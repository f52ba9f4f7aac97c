/**
 * Cuts large files into chunks by their content, so that a change moves no cut but those beside it.
 *
 * FastCDC: W. Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
 * Deduplication", USENIX ATC 2016. A Gear hash (its section 3.1) and no look at the first
 * {@link MIN_CHUNK} bytes (3.3). Its "normalized chunking" (3.4) is left out: chunks of more even sizes
 * have cuts that meet again late. With chunks of 1 MiB on average an insertion stored 2.8 MiB besides itself
 * on average, and 1.3 without it; with these of 512 KiB it stores 0.6, and lists of chunks are twice as long. What is ours: a hash of 32 bits, which plain JavaScript computes at 1.7 GB/s of
 * CPU time, the mask on its upper bits, and a hash that has seen a whole window wherever it is compared.
 *
 * Where the cuts are is part of the format: with another table, mask or size nothing that is stored
 * would be found again. `tests/image/chunk_cutter_test.ts` has golden vectors.
 */

import { createHash } from "node:crypto";

/** The fewest bytes of a chunk; only the last one of a stream may have fewer. */
export const MIN_CHUNK: number = 256 << 10;
/** The most bytes of a chunk. */
export const MAX_CHUNK: number = 4 << 20;
/** A cut is where no bit of it is set, so that chunks have 512 KiB on average. */
const MASK = 0xffff_c000 | 0;
/** Bytes that the hash depends on: each is shifted out by the 32nd that follows it. */
const WINDOW = 32;

/** The fewest bytes of a segment; only the last one of a stream may have fewer. */
export const MIN_SEGMENT: number = 16 << 20;
/** The most bytes of a segment. */
export const MAX_SEGMENT: number = 64 << 20;
/** Of the cuts after {@link MIN_SEGMENT} bytes, one of as many as these bits count ends a segment. */
const SEGMENT_BITS = 5;
/** 2^32 divided by the golden ratio: Fibonacci hashing (Knuth, TAOCP volume 3, 6.4). */
const MULTIPLIER = 0x9e37_79b1;

/** For each byte the first four bytes, little-endian, of the SHA-256 digest of that one byte. */
const GEAR = Int32Array.from(
  { length: 256 },
  (_, byte) => createHash("sha256").update(Uint8Array.of(byte)).digest().readInt32LE(),
);

/** A chunk that a {@link ChunkCutter} has cut. */
export interface Cut {
  /** Bytes. */
  readonly length: number;
  /**
   * Whether a segment ends with it: a run of chunks that is divided from the next one by content,
   * too, and becomes a pack where all of it is new.
   */
  readonly endsSegment: boolean;
}

/** Cuts one stream, chunk after chunk. */
export class ChunkCutter {
  #segment = 0;

  /**
   * Returns the chunk that begins at `start`.
   * @param end of what was read: {@link MAX_CHUNK} bytes after `start` or more, or the stream's end
   * @param isLast whether the stream ends at `end`
   */
  cut(bytes: Uint8Array, start: number, end: number, isLast: boolean): Cut {
    const limit = Math.min(end, start + MAX_CHUNK);
    const first = start + MIN_CHUNK;
    let at = limit;
    let hash = 0;
    if (first < limit) {
      for (let n = first - WINDOW; n < first; n++) hash = (hash << 1) + GEAR[bytes[n]!]! | 0;
      [at, hash] = search(bytes, first, limit, hash);
    }
    return this.#take(at - start, hash, isLast && at === end);
  }

  /**
   * Takes the chunk at `start`, of which it is known that it has so many bytes: a chunk with the same bytes
   * was cut before, and its stream went on.
   * @returns what {@link cut} would return
   */
  take(bytes: Uint8Array, start: number, length: number): Cut {
    const end = start + length;
    let hash = 0;
    for (let n = end - WINDOW; n < end; n++) hash = (hash << 1) + GEAR[bytes[n]!]! | 0;
    return this.#take(length, hash, false);
  }

  #take(length: number, hash: number, endsStream: boolean): Cut {
    this.#segment += length;
    const mark = Math.imul(hash, MULTIPLIER) >>> (32 - SEGMENT_BITS);
    const endsSegment = endsStream ||
      this.#segment > MAX_SEGMENT - MAX_CHUNK ||
      this.#segment >= MIN_SEGMENT && mark === 0;
    if (endsSegment) this.#segment = 0;
    return { length, endsSegment };
  }
}

/** Returns where the chunk ends, `end` unless the hash says so before, and the hash there. */
function search(
  bytes: Uint8Array,
  start: number,
  end: number,
  before: number,
): [number, number] {
  let hash = before;
  for (let at = start; at < end; at++) {
    hash = (hash << 1) + GEAR[bytes[at]!]! | 0;
    if ((hash & MASK) === 0) return [at + 1, hash];
  }
  return [end, hash];
}
