/** Reads and compares objects that are held in memory: references, manifests, configs. */

import { GetObjectCommand } from "@aws-sdk/client-s3";
import { digestOf, hexOf } from "../../digest.ts";
import type { StoreOptions } from "../object_store.ts";
import { readBody } from "./body.ts";
import type { Connection } from "./connection.ts";
import { isMd5 } from "./etag_check.ts";
import type { S3Options } from "./options.ts";
import { CorruptAnswerError } from "./s3_errors.ts";
import { hashesOf } from "./slice.ts";
import { keyInBucket } from "./target.ts";

/** The answer to the read of a small object. */
export interface SmallObject {
  bytes: Uint8Array;
  etag: string | undefined;
  /** The SHA-256 in hexadecimal that its writer stored as metadata, if the answer has it. */
  sha256: string | undefined;
}

/** Returns whether an object that was read has these bytes. */
export function isSame(read: SmallObject | undefined, bytes: Uint8Array): boolean {
  return read !== undefined && digestOf(read.bytes) === digestOf(bytes);
}

/** Returns whether `after` is proven to be another object than `before`, or one where there was none. */
export function isReplaced(
  before: SmallObject | undefined,
  after: SmallObject | undefined,
): boolean {
  if (!after || !isProven(after) || before && !isProven(before)) return false;
  return !isSame(before, after.bytes);
}

/** Returns whether an answer's metadata or ETag has the digest of its content. */
export function isProven({ bytes, etag, sha256 }: SmallObject): boolean {
  return sha256 === hexOf(digestOf(bytes)) || isMd5(etag, hashesOf(bytes).md5Hex);
}

/** Reads a small object, once. @throws {CorruptAnswerError} once it exceeds `maxBytes` */
export async function getSmallObject(
  connection: Connection,
  { storage, key }: { storage: S3Options; key: string },
  maxBytes: number,
  options: StoreOptions,
): Promise<SmallObject> {
  const input = { Bucket: storage.bucket, Key: keyInBucket(storage, key) };
  return await connection.once(async (client, sending) => {
    const { Body, ETag, Metadata = {} } = await client.send(new GetObjectCommand(input), sending);
    const bytes = await readBody(Body as AsyncIterable<Uint8Array>, maxBytes);
    if (bytes.length > maxBytes) {
      const problem = `${key} has more than the ${maxBytes} bytes that were expected`;
      throw new CorruptAnswerError(problem, { etag: ETag });
    }
    return { bytes, etag: ETag, sha256: Metadata.sha256 };
  }, options);
}
