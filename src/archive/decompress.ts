/** Compressed archives as sources of their uncompressed bytes. */

import { CompressedInput } from "./compressed_input.ts";
import { GzipSource } from "./gzip_source.ts";
import type { ByteSource } from "./byte_source.ts";
import { ZstdSource } from "./zstd_source.ts";

/** How an archive is compressed. */
export type Compression = "none" | "gzip" | "zstd";

/**
 * Decompresses `source` as it is read, in bounded memory: a window of at most 32 KiB for gzip and
 * 128 MiB for zstd, and a few buffers. Members and frames that follow each other are one stream.
 * Read it to its end: each is checked against its own checksum and length, and nothing but zeros may
 * follow the last.
 *
 * Its `read` throws an `ArchiveError` for a stream that is damaged or ends early.
 */
export async function decompress(
  source: ByteSource,
  compression: Compression,
): Promise<ByteSource> {
  switch (compression) {
    case "none":
      return source;
    case "gzip":
      return new GzipSource(new CompressedInput(source, "gzip"));
    case "zstd":
      return await ZstdSource.open(new CompressedInput(source, "zstd"));
  }
}
