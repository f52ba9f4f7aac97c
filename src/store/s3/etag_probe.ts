/** Finds out whether a server's ETags are MD5s, by storing an object of a few bytes. */

import { DeleteObjectCommand, GetObjectCommand } from "@aws-sdk/client-s3";
import { digestOf } from "../../digest.ts";
import { messageOf } from "../../errors.ts";
import { logger } from "../../log/mod.ts";
import type { StoreOptions } from "../object_store.ts";
import { readBody } from "./body.ts";
import type { Connection } from "./connection.ts";
import { AlteredUploadError } from "./s3_errors.ts";
import { isMd5 } from "./etag_check.ts";
import { hashesOf } from "./slice.ts";
import type { Target } from "./target.ts";
import { sendWhole } from "./put_object.ts";

const log = logger("store");
/** Bytes of the probe. */
const PROBE_BYTES = 64;

/**
 * Stores a few bytes, reads them back, removes them, and resolves to whether the ETag was their MD5.
 * @throws {AlteredUploadError} where they come back changed; what requests throw
 */
export async function areEtagsMd5(
  connection: Connection,
  target: Target,
  options: StoreOptions,
): Promise<boolean> {
  const bytes = crypto.getRandomValues(new Uint8Array(PROBE_BYTES));
  const hashes = hashesOf(bytes);
  const body = { Body: bytes, ContentLength: PROBE_BYTES, ContentMD5: hashes.md5 };
  const where = { Bucket: target.Bucket, Key: target.Key };
  const etag = await sendWhole(connection, target, body, hashes, options);
  try {
    const stored = await connection.request(async (client, sending) => {
      const { Body } = await client.send(new GetObjectCommand(where), sending);
      return await readBody(Body as AsyncIterable<Uint8Array>, PROBE_BYTES);
    }, options);
    if (digestOf(stored) !== digestOf(bytes)) {
      throw new AlteredUploadError("it gives other bytes back than were sent");
    }
  } finally {
    await remove(connection, where, options);
  }
  return isMd5(etag, hashes.md5Hex);
}

async function remove(
  connection: Connection,
  where: { Bucket: string; Key: string },
  options: StoreOptions,
): Promise<void> {
  try {
    await connection.once(
      (client, sending) => client.send(new DeleteObjectCommand(where), sending),
      options,
    );
  } catch (error) {
    log.warn("{key} is left in the store, and may be deleted: {cause}", {
      key: where.Key,
      cause: messageOf(error),
    });
  }
}
