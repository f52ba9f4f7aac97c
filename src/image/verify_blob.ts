import { createHash } from "node:crypto";
import { type Digest, sha256Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { File } from "../linux/mod.ts";
import { buffers } from "./buffers.ts";

/** A blob by its digest and its size in bytes. */
export interface BlobId {
  readonly digest: Digest;
  readonly size: number;
}

/** Makes the failure of a blob that does not have its digest or is malformed: DATA_LOSS naming it. */
export function dataLoss(digest: Digest, problem: string, cause?: unknown): DaemonError {
  return new DaemonError("DATA_LOSS", `blob ${digest} is damaged: ${problem}`, { cause });
}

/**
 * Reads a whole blob, and checks its size and then its digest at the end.
 * @yields the bytes that were just read, at most {@link BUFFER_BYTES}: a blob can take minutes, and
 * between two buffers its reader can be cancelled, wait or report
 * @throws {DaemonError} DATA_LOSS naming the blob
 */
export function* verifyingBlob(file: File, blob: BlobId): Generator<number, void, undefined> {
  const { size } = file.stat();
  if (size !== blob.size) throw dataLoss(blob.digest, `it has ${size} bytes, not ${blob.size}`);
  const hash = createHash("sha256");
  const buffer = buffers.take();
  try {
    for (let at = 0, count: number; at < size; at += count) {
      count = file.readAt(buffer, at);
      if (count === 0) break;
      hash.update(count === buffer.length ? buffer : buffer.subarray(0, count));
      yield count;
    }
  } finally {
    buffers.giveBack(buffer);
  }
  const actual = sha256Digest(hash.digest("hex"));
  if (actual !== blob.digest) throw dataLoss(blob.digest, `its content has digest ${actual}`);
}

/**
 * Reads a whole blob without a pause, and checks its size and digest.
 * @param throwIfCancelled called after each buffer
 * @throws {DaemonError} DATA_LOSS naming the blob
 */
export function verifyBlob(file: File, blob: BlobId, throwIfCancelled?: () => void): void {
  for (const _ of verifyingBlob(file, blob)) throwIfCancelled?.();
}
