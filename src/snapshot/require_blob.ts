import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";

/**
 * Waits for a blob that something live refers to, and which must therefore be there.
 * @throws {DaemonError} DATA_LOSS where the store does not have it; else what `result` rejects with
 */
export async function requireBlob<T>(digest: Digest, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof DaemonError) || error.code !== "NOT_FOUND") throw error;
    throw new DaemonError(
      "DATA_LOSS",
      `The store has lost blob ${digest}, which an image refers to`,
      { cause: error },
    );
  }
}
