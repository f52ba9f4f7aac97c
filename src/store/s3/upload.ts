/**
 * Uploads files: small ones by one PUT, others in parts, several at a time; always streamed from the
 * spool file, which is read again for every attempt.
 */

import { DaemonError } from "../../errors.ts";
import type { StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { putParts } from "./multipart_upload.ts";
import { bodyOf, putWholeOnce } from "./put_object.ts";
import { hashSlice } from "./slice.ts";
import type { Target } from "./target.ts";

/**
 * Stores a file of `size` bytes. `sha256` is what its content must hash to, in hexadecimal.
 * @throws {DaemonError} DATA_LOSS where a file small enough to be hashed whole is not that.
 */
export async function putFile(
  connection: Connection,
  target: Target,
  file: { path: string; size: number; sha256: string },
  options: StoreOptions,
): Promise<void> {
  if (file.size > connection.tuning.multipartThreshold) {
    await putParts(connection, target, file, options);
    return;
  }
  const slice = { path: file.path, offset: 0, length: file.size };
  const hashes = await hashSlice(slice);
  if (hashes.sha256 !== file.sha256) {
    throw new DaemonError("DATA_LOSS", `The spool file ${file.path} fails its digest`);
  }
  await connection.retrying(
    () => putWholeOnce(connection, target, bodyOf(slice, hashes), hashes, options),
    options,
  );
}
