/** Reads the content of files from their layers. */

import { createHash } from "node:crypto";
import { ArchiveError } from "../../archive/mod.ts";
import type { BlockRecord, LayerReader } from "../../image/mod.ts";
import { sameName } from "../../linux/mod.ts";

/**
 * Calls `take` with the stored bytes of a file, in pieces that are valid during the call. Of displaced content
 * nothing in the layer says whose it is, so that its digest is checked.
 * @throws {ArchiveError} where the layer has other content, or less
 */
export function readContent(
  reader: LayerReader,
  { block, record }: BlockRecord,
  take: (piece: Uint8Array) => void,
): void {
  const [offset, stored] = [block.offset(record), block.stored(record)];
  const digest = block.isDisplaced(record) ? block.digest(record) : undefined;
  if (!digest) return reader.read(offset, stored, take);
  const hash = createHash("sha256");
  reader.read(offset, stored, (piece) => {
    hash.update(piece);
    take(piece);
  });
  if (!sameName(hash.digest(), digest)) {
    throw new ArchiveError(
      "malformed",
      `it has other content at byte ${offset} than its index says`,
    );
  }
}
