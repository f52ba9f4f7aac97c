/**
 * Uploads in one PUT request. The server checks its Content-MD5 and signed SHA-256, and where its ETags
 * are MD5s they prove what was stored.
 */

import { PutObjectCommand, type UploadPartCommand } from "@aws-sdk/client-s3";
import type { StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { hashesOf, type Slice, type SliceHashes, streamSlice } from "./slice.ts";
import type { Target } from "./target.ts";

/** Stores bytes in memory, with retries. @throws what a request throws */
export async function putBytes(
  connection: Connection,
  target: Target,
  bytes: Uint8Array,
  options: StoreOptions,
): Promise<void> {
  await connection.retrying(() => putBytesOnce(connection, target, bytes, options), options);
}

/** Stores bytes in memory by one attempt. Returns whether the answer proves that these very bytes were stored. */
export async function putBytesOnce(
  connection: Connection,
  target: Target,
  bytes: Uint8Array,
  options: StoreOptions,
): Promise<boolean> {
  const hashes = hashesOf(bytes);
  const body = { Body: bytes, ContentLength: bytes.length, ContentMD5: hashes.md5 };
  return await putWholeOnce(connection, target, body, hashes, options);
}

/** Stores a body by one attempt. Returns whether the answer proves that these very bytes were stored. */
export async function putWholeOnce(
  connection: Connection,
  target: Target,
  body: Body,
  hashes: SliceHashes,
  options: StoreOptions,
): Promise<boolean> {
  const etag = await sendWhole(connection, target, body, hashes, options);
  return await connection.etags.verify(etag, hashes.md5Hex, options);
}

/** Sends a body by one attempt. Returns the ETag of the answer. */
export async function sendWhole(
  connection: Connection,
  target: Target,
  body: Body,
  hashes: SliceHashes,
  options: StoreOptions,
): Promise<string | undefined> {
  const { ETag } = await connection.once(async (client, sending) => {
    const command = withHash(new PutObjectCommand(putInput(target, body)), hashes.sha256);
    return await client.send(command, sending);
  }, options);
  return ETag;
}

/** The body of an upload, with what the server checks it by. */
export interface Body {
  Body: Uint8Array | ReadableStream<Uint8Array>;
  ContentLength: number;
  ContentMD5: string;
}

/** Returns a body that streams a slice of a file. */
export function bodyOf(slice: Slice, hashes: SliceHashes): Body {
  return { Body: streamSlice(slice), ContentLength: slice.length, ContentMD5: hashes.md5 };
}

/** The SDK types storage classes as a closed list; other servers have their own. */
export type PutInput = ConstructorParameters<typeof PutObjectCommand>[0];

function putInput(target: Target, body: Body): PutInput {
  return { ...target, ...body } as PutInput;
}

/** Makes the signature cover the body's hash, which the SDK cannot compute of a stream. */
export function withHash<C extends PutObjectCommand | UploadPartCommand>(
  command: C,
  sha256: string,
): C {
  const stack = command.middlewareStack as PutObjectCommand["middlewareStack"];
  stack.add((next) => (args) => {
    const request = args.request as { headers: Record<string, string> };
    request.headers["x-amz-content-sha256"] = sha256;
    return next(args);
  }, { step: "build", name: "signedPayloadHash" });
  return command;
}
