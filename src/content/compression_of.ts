import type { Compression } from "../archive/mod.ts";
import type { File } from "../linux/mod.ts";

/** Returns how an archive or a layer is compressed, by its first bytes. */
export function compressionOf(file: File): Compression {
  const start = new Uint8Array(4);
  file.readAt(start, 0);
  const magic = new DataView(start.buffer).getUint32(0, true);
  if (magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50) return "zstd";
  return (magic & 0xffff) === 0x8b1f ? "gzip" : "none";
}
