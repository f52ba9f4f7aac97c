/**
 * Uploads: one PUT for what is small, parts side by side for the rest, always streamed from the
 * spool file and re-read from it for every attempt. The server checks each request's Content-MD5
 * and signed SHA-256; a finished multipart upload is checked by asking for its size.
 */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { DaemonError, messageOf } from "../../errors.ts";
import { logger } from "../../log/mod.ts";
import type { StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { failureOf, MissingResultError } from "./s3_errors.ts";
import { forEachIndex } from "../../async/mod.ts";
import { headOnce } from "./head.ts";
import { hashesOf, hashSlice, type Slice, type SliceHashes, streamSlice } from "./slice.ts";
import type { Target } from "./target.ts";

const log = logger("store");

/** S3's limit on the parts of one upload. */
const MAX_PARTS = 10_000;
const MIB = 1 << 20;
/** How often a multipart upload is begun again after the server lost it. */
const MAX_RESTARTS = 3;
/** How long the clean-up after a failed upload may take; milliseconds. */
const ABORT_LIMIT_MS = 30_000;

/** Stores bytes in memory. */
export async function putBytes(
  connection: Connection,
  target: Target,
  bytes: Uint8Array,
  options: StoreOptions,
): Promise<void> {
  await connection.retrying(() => putBytesOnce(connection, target, bytes, options), options);
}

/** Attempts that once. Returns whether the answer proves that these very bytes were stored. */
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

async function putWholeOnce(
  connection: Connection,
  target: Target,
  body: Body,
  hashes: SliceHashes,
  options: StoreOptions,
): Promise<boolean> {
  const etag = await sendWhole(connection, target, body, hashes, options);
  return await connection.etags.verify(etag, hashes.md5Hex, options);
}

/** Sends an object in one request, once. Returns the ETag that it was answered with. */
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

async function putParts(
  connection: Connection,
  target: Target,
  file: { path: string; size: number },
  options: StoreOptions,
): Promise<void> {
  for (let restarts = 0;; restarts++) {
    try {
      await putPartsOnce(connection, target, file, options);
      return;
    } catch (error) {
      const lost = failureOf(error, options.signal).kind === "upload_gone";
      if (!lost || restarts === MAX_RESTARTS) throw error;
      log.warn("The store lost an upload of {key} ({cause}); it is begun again", {
        key: target.Key,
        cause: messageOf(error),
      });
    }
  }
}

async function putPartsOnce(
  connection: Connection,
  target: Target,
  file: { path: string; size: number },
  options: StoreOptions,
): Promise<void> {
  const { UploadId } = await connection.request(
    (client, sending) =>
      client.send(new CreateMultipartUploadCommand(createInput(target)), sending),
    options,
  );
  if (!UploadId) throw new MissingResultError("the store began an upload without naming it");
  const upload = { Bucket: target.Bucket, Key: target.Key, UploadId };
  const wanted = { size: file.size, since: Math.floor(connection.now() / 1000 - 1) * 1000 };
  try {
    const etags = await sendParts(connection, upload, file, options);
    await complete(connection, upload, etags, wanted, options);
  } catch (error) {
    await abort(connection, upload);
    throw error;
  }
}

interface Upload {
  Bucket: string;
  Key: string;
  UploadId: string;
}

/** Bytes of a part: as configured, or more where there would be too many parts. */
export function partSizeFor(size: number, configured: number): number {
  if (size <= configured * MAX_PARTS) return configured;
  return Math.ceil(size / MAX_PARTS / MIB) * MIB;
}

async function sendParts(
  connection: Connection,
  upload: Upload,
  { path, size }: { path: string; size: number },
  { signal }: StoreOptions,
): Promise<string[]> {
  const { partSize, partsPerObject } = connection.tuning;
  const length = partSizeFor(size, partSize);
  const count = Math.ceil(size / length);
  const etags = new Array<string>(count);
  await forEachIndex(count, partsPerObject, signal, async (index, either) => {
    const offset = index * length;
    const slice: Slice = { path, offset, length: Math.min(length, size - offset) };
    const hashes = await hashSlice(slice);
    etags[index] = await connection.retrying(async () => {
      const { ETag = "" } = await connection.once(async (client, sending) => {
        const part = { ...upload, PartNumber: index + 1, ...bodyOf(slice, hashes) };
        return await client.send(withHash(new UploadPartCommand(part), hashes.sha256), sending);
      }, { signal: either });
      await connection.etags.verify(ETag, hashes.md5Hex, { signal: either });
      return ETag;
    }, { signal: either });
  });
  return etags;
}

/**
 * Joins the parts. An answer may be lost, or say 200 and carry an error, which the SDK does not always
 * see: the object decides.
 */
async function complete(
  connection: Connection,
  upload: Upload,
  etags: readonly string[],
  wanted: Wanted,
  options: StoreOptions,
): Promise<void> {
  const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
  const command = () =>
    new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } });
  await connection.retrying(async () => {
    try {
      const { ETag, Key } = await connection.once(
        (client, sending) => client.send(command(), sending),
        options,
      );
      if (!ETag && !Key) throw new MissingResultError("the store did not say what it joined");
    } catch (error) {
      if (options.signal?.aborted || !await isThere(connection, upload, wanted)) throw error;
    }
  }, options);
  // Asked again for a while: an answer may lag behind, or another writer be at the same object.
  await connection.retrying(async () => {
    const size = await joinedSize(connection, upload, options);
    if (size === wanted.size) return;
    throw new MissingResultError(`the store says it joined ${wanted.size} bytes and has ${size}`);
  }, options);
}

/** @throws {MissingResultError} where the store does not know the object that it has made. */
async function joinedSize(
  connection: Connection,
  upload: Upload,
  options: StoreOptions,
): Promise<number> {
  try {
    return (await headOnce(connection, upload, options)).size;
  } catch (error) {
    if (failureOf(error, options.signal).kind !== "missing") throw error;
    throw new MissingResultError(`the store says it joined ${upload.Key} and does not have it`, {
      cause: error,
    });
  }
}

/** What an upload makes. */
interface Wanted {
  /** Bytes. */
  size: number;
  /** When the upload began, by the server's clock, which counts in seconds; milliseconds. */
  since: number;
}

/** Whether the upload's object has appeared although the server said otherwise, or nothing. */
async function isThere(
  connection: Connection,
  upload: Upload,
  { size, since }: Wanted,
): Promise<boolean> {
  try {
    const head = await headOnce(connection, upload, {});
    return head.size === size && head.modified >= since;
  } catch {
    return false;
  }
}

/** Gives the parts back; whatever became of the caller, and without hiding why the upload failed. */
async function abort(connection: Connection, upload: Upload): Promise<void> {
  const signal = AbortSignal.timeout(ABORT_LIMIT_MS);
  try {
    await connection.request(
      (client, sending) => client.send(new AbortMultipartUploadCommand(upload), sending),
      { signal },
    );
  } catch (error) {
    if (["missing", "upload_gone"].includes(failureOf(error).kind)) return;
    log.warn("Parts of {key} stay in the store until the next collection: {cause}", {
      key: upload.Key,
      cause: messageOf(error),
    });
  }
}

interface Body {
  Body: Uint8Array | ReadableStream<Uint8Array>;
  ContentLength: number;
  ContentMD5: string;
}

function bodyOf(slice: Slice, hashes: SliceHashes): Body {
  return { Body: streamSlice(slice), ContentLength: slice.length, ContentMD5: hashes.md5 };
}

/** The SDK types storage classes as a closed list; other servers have their own. */
type PutInput = ConstructorParameters<typeof PutObjectCommand>[0];

function putInput(target: Target, body: Body): PutInput {
  return { ...target, ...body } as PutInput;
}

function createInput(
  target: Target,
): ConstructorParameters<typeof CreateMultipartUploadCommand>[0] {
  return target as PutInput;
}

/** Has the signature cover the body's hash, which the SDK cannot know of a stream. */
function withHash<C extends PutObjectCommand | UploadPartCommand>(command: C, sha256: string): C {
  const stack = command.middlewareStack as PutObjectCommand["middlewareStack"];
  stack.add((next) => (args) => {
    const request = args.request as { headers: Record<string, string> };
    request.headers["x-amz-content-sha256"] = sha256;
    return next(args);
  }, { step: "build", name: "signedPayloadHash" });
  return command;
}
