/**
 * zstd frames that hold their content as it is, for what cannot be compressed: RFC 8878, 3.1.1
 * ("Zstandard Frames") with raw blocks only.
 */

import { constants, zstdCompressSync } from "node:zlib";

const MAGIC = 0xfd2fb528;
/** A single segment, with the content's size in four bytes; no checksum, no dictionary. */
const DESCRIPTOR = 0b1010_0000;
const HEADER = 9;
/** Maximum bytes of a block. */
const BLOCK = 128 << 10;

/** Calls `emit` with the parts of a frame that stores `raw`. */
export function storedFrame(raw: Uint8Array, emit: (part: Uint8Array) => void): void {
  const header = new Uint8Array(HEADER);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, DESCRIPTOR);
  view.setUint32(5, raw.length, true);
  emit(header);
  let at = 0;
  do {
    const size = Math.min(BLOCK, raw.length - at);
    const isLast = at + size === raw.length;
    const word = size << 3 | (isLast ? 1 : 0);
    emit(Uint8Array.of(word & 0xff, word >>> 8 & 0xff, word >>> 16));
    if (size > 0) emit(raw.subarray(at, at + size));
    at += size;
  } while (at < raw.length);
}

/** A frame that keeps more than this of its content's size might as well store it. */
export const INCOMPRESSIBLE = 0.98;
/** Bytes of a sample. */
const PROBE = 16 << 10;

/** Returns whether compressing seems to be of no use, by compressing samples from three places. */
export function seemsIncompressible(raw: Uint8Array): boolean {
  if (raw.length < 4 * PROBE) return false;
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  return [0, raw.length >> 1, raw.length - PROBE].every((at) => {
    const probe = raw.subarray(at, at + PROBE);
    return zstdCompressSync(probe, { params }).length > INCOMPRESSIBLE * PROBE;
  });
}
