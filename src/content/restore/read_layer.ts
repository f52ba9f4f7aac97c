/** Reads a layer of any compression from its start to its end. */

import { createHash } from "node:crypto";
import {
  decompress,
  MAX_EXTENSION_BYTES,
  MAX_OWN_EXTENSION_BYTES,
  showName,
  type TarEntry,
  TarReader,
} from "../../archive/mod.ts";
import { type Digest, sha256Digest } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import type { File } from "../../linux/mod.ts";
import { compressionOf } from "../compression_of.ts";
import { contentError } from "../content_errors.ts";

/** Options of {@link readLayer}. */
export interface ReadLayerOptions {
  /** Whether this product made the layer: others may have less in an entry's PAX records. */
  readonly trusted: boolean;
  /** Called often; throws to end the reading. */
  throwIfCancelled(): void;
}

/**
 * Reads a layer to its end and calls `action` for each entry, whose content `reader` has.
 * @returns the digest of its uncompressed bytes
 * @throws {ArchiveError} where it is malformed
 * @throws {unknown} what `action` throws; a `DaemonError` with the entry's name
 */
export async function readLayer(
  file: File,
  { trusted, throwIfCancelled }: ReadLayerOptions,
  action: (entry: TarEntry, reader: TarReader) => void,
): Promise<Digest> {
  file.seek(0);
  const hash = createHash("sha256");
  const bytes = await decompress(file, compressionOf(file));
  const reader = new TarReader({
    read: (into) => {
      throwIfCancelled();
      const count = bytes.read(into);
      hash.update(into.subarray(0, count));
      return count;
    },
  }, { maxExtensionBytes: trusted ? MAX_OWN_EXTENSION_BYTES : MAX_EXTENSION_BYTES });
  for (let entry = reader.next(); entry; entry = reader.next()) {
    try {
      action(entry, reader);
    } catch (error) {
      throw inEntry(error, entry);
    }
  }
  reader.drain(Infinity);
  return sha256Digest(hash.digest("hex"));
}

/** Adds an entry's name to an error that a caller is told of. */
function inEntry(error: unknown, entry: TarEntry): unknown {
  const where = `entry ${showName(entry.path)} at offset ${entry.offset}`;
  const mapped = contentError(error);
  return mapped instanceof DaemonError && mapped.code !== "ABORTED"
    ? mapped.withContext(where)
    : error;
}
