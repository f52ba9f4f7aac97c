/** Copies a blob that is open as a file, and checks on the way that it has its digest. */

import { createHash } from "node:crypto";
import { type Digest, sha256Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { File } from "../linux/mod.ts";

const BUFFER = 1 << 20;

/**
 * Writes an open blob to a new file. After a failure the caller removes what is at the path.
 * @param onBytes called with the number of further bytes that were copied; throws to end the copy
 * @throws {DaemonError} DATA_LOSS where what was copied does not have the digest; Deno's own errors
 */
export async function copyBlob(
  from: File,
  digest: Digest,
  path: string,
  onBytes: (count: number) => void,
): Promise<void> {
  using to = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  const hash = createHash("sha256");
  const buffer = new Uint8Array(BUFFER);
  from.seek(0);
  for (let count = from.read(buffer); count > 0; count = from.read(buffer)) {
    const part = buffer.subarray(0, count);
    hash.update(part);
    for (let rest = part; rest.length > 0;) rest = rest.subarray(await to.write(rest));
    onBytes(count);
  }
  if (sha256Digest(hash.digest("hex")) !== digest) {
    throw new DaemonError("DATA_LOSS", `The blob ${digest} does not have its digest`);
  }
}
