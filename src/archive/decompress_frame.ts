import { Buffer } from "node:buffer";
import { zstdDecompressSync } from "node:zlib";
import { ArchiveError } from "./archive_error.ts";

/**
 * Decompresses one frame that must come to `rawSize` bytes.
 * @throws {ArchiveError} where it does not
 */
export function decompressFrame(frame: Uint8Array, rawSize: number): Uint8Array {
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(Buffer.from(frame.buffer, frame.byteOffset, frame.length), {
      chunkSize: Math.max(rawSize, 64) + 64,
      maxOutputLength: Math.max(rawSize, 1),
    });
  } catch (error) {
    throw new ArchiveError("malformed", `a zstd frame cannot be decompressed`, { cause: error });
  }
  if (raw.length !== rawSize) {
    throw new ArchiveError("malformed", `a zstd frame has ${raw.length} bytes, not ${rawSize}`);
  }
  // Not a Buffer, whose `slice` is no copy.
  return new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
}

/** Results up to here may share their memory with others: Node's pool of small buffers. */
const POOLED = 64 << 10;

/** Frees the memory of a result of {@link decompressFrame}, unless it may share that with others. */
export function releaseFrame(raw: Uint8Array): void {
  if (raw.length > POOLED) (raw.buffer as ArrayBuffer).transfer(0);
}
