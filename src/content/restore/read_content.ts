/** Reads the content of files from their layers. */

import { createHash } from "node:crypto";
import { ArchiveError } from "../../archive/mod.ts";
import { type BlockRecord, buffers, type FrameReader } from "../../image/mod.ts";
import { type File, sameName } from "../../linux/mod.ts";

/**
 * Calls `take` with the stored bytes of a file, in pieces that are valid during the call. Of displaced content
 * nothing in the layer says whose it is, so that its digest is checked.
 * @throws {ArchiveError} where the layer has other content, or less
 */
export function readContent(
  reader: FrameReader,
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
  requireDigest(hash.digest(), digest, offset);
}

/**
 * Checks the content of a file that was made of several pieces of a layer, as {@link readContent} does.
 * @param tick called after each buffer
 * @throws {ArchiveError} where the layer has other content
 */
export function checkContent(file: File, { block, record }: BlockRecord, tick: () => void): void {
  const digest = block.isDisplaced(record) ? block.digest(record) : undefined;
  if (!digest) return;
  const hash = createHash("sha256");
  const buffer = buffers.take();
  try {
    for (let at = 0, count: number; (count = file.readAt(buffer, at)) > 0; at += count) {
      hash.update(buffer.subarray(0, count));
      tick();
    }
  } finally {
    buffers.giveBack(buffer);
  }
  requireDigest(hash.digest(), digest, block.offset(record));
}

function requireDigest(actual: Uint8Array, expected: Uint8Array, offset: number): void {
  if (sameName(actual, expected)) return;
  throw new ArchiveError("malformed", `it has other content at byte ${offset} than its index says`);
}
