/**
 * A segment of a large file: a run of chunks that one Worker has cut and any of them can store. Items of
 * the shared queue have it as bytes.
 */

import type { Stat } from "../../../linux/mod.ts";

/** f64 id, first chunk, position, seconds and size; u32 nanoseconds of ctime and bytes of the path. */
const HEAD = 48;

/** A segment, and what its file was like when it was cut. */
export interface FileSegment {
  /** Identifies the attempt to read the file that it belongs to. */
  readonly id: number;
  /** The number of its first chunk in the file's list. */
  readonly first: number;
  /** Where it begins in the file. */
  readonly position: number;
  /** Bytes of each chunk. */
  readonly lengths: Uint32Array;
  readonly path: Uint8Array;
  /** What shows that the file is still the same. */
  readonly file: Pick<Stat, "size" | "ctime">;
}

/** The chunks of a segment that was stored. */
export interface StoredSegment {
  readonly id: number;
  readonly first: number;
  /** Its part of the file's list; absent where the file was another by then, or gone. */
  readonly chunks?: Uint8Array;
}

/** Encodes a segment. */
export function encodeSegment(segment: FileSegment): Uint8Array {
  const { id, first, position, lengths, path, file: { size, ctime } } = segment;
  const bytes = new Uint8Array(HEAD + 4 * lengths.length + path.length);
  const view = new DataView(bytes.buffer);
  [id, first, position, ctime.sec, size].forEach((value, n) => view.setFloat64(8 * n, value, true));
  view.setUint32(40, ctime.nsec, true);
  view.setUint32(44, path.length, true);
  lengths.forEach((length, n) => view.setUint32(HEAD + 4 * n, length, true));
  bytes.set(path, HEAD + 4 * lengths.length);
  return bytes;
}

/** Decodes what {@link encodeSegment} made. */
export function decodeSegment(bytes: Uint8Array): FileSegment {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [id, first, position, sec, size] = [0, 1, 2, 3, 4].map((n) => view.getFloat64(8 * n, true));
  const pathAt = bytes.length - view.getUint32(44, true);
  const lengths = new Uint32Array((pathAt - HEAD) / 4);
  for (let n = 0; n < lengths.length; n++) lengths[n] = view.getUint32(HEAD + 4 * n, true);
  return {
    ...{ id: id!, first: first!, position: position!, lengths },
    path: bytes.slice(pathAt),
    file: { size: size!, ctime: { sec: sec!, nsec: view.getUint32(40, true) } },
  };
}

/** Whether a file is the one that a segment was cut of. */
export function isSegmentOf({ file }: FileSegment, { size, ctime }: Stat): boolean {
  return file.size === size && file.ctime.sec === ctime.sec && file.ctime.nsec === ctime.nsec;
}
