/**
 * Uploads in parts, several at a time, which the server joins, and checks the size of the object that it
 * made.
 */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { forEachIndex } from "../../async/mod.ts";
import { messageOf } from "../../errors.ts";
import { logger } from "../../log/mod.ts";
import type { StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { headOnce } from "./head.ts";
import { bodyOf, type PutInput, withHash } from "./put_object.ts";
import { failureOf, MissingResultError } from "./s3_errors.ts";
import { hashSlice, type Slice } from "./slice.ts";
import type { Target } from "./target.ts";

const log = logger("store");

/** S3's limit on the parts of one upload. */
const MAX_PARTS = 10_000;
const MIB = 1 << 20;
/** How often a multipart upload is begun again after the server lost it. */
const MAX_RESTARTS = 3;
/** Bounds the clean-up after a failed upload. Milliseconds. */
const ABORT_LIMIT_MS = 30_000;

/** Stores a file in parts, anew where the server lost the upload. @throws what a request throws */
export async function putParts(
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
  const expected = { size: file.size, since: Math.floor(connection.now() / 1000 - 1) * 1000 };
  try {
    const etags = await sendParts(connection, upload, file, options);
    await complete(connection, upload, etags, expected, options);
  } catch (error) {
    await abort(connection, upload);
    throw error;
  }
}

/** An upload that the server has begun. */
interface Upload {
  Bucket: string;
  Key: string;
  UploadId: string;
}

/** Returns the bytes of a part: as configured, or more where there would be too many parts. */
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
  expected: ExpectedObject,
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
      if (options.signal?.aborted || !await isThere(connection, upload, expected)) throw error;
    }
  }, options);
  // Retried, because an answer may lag behind, or another writer may store the same object.
  await connection.retrying(async () => {
    const size = await joinedSize(connection, upload, options);
    if (size === expected.size) return;
    throw new MissingResultError(`the store says it joined ${expected.size} bytes and has ${size}`);
  }, options);
}

/** Returns the size of what the server made. @throws {MissingResultError} where it does not have it */
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

/** The object that an upload makes. */
interface ExpectedObject {
  /** Bytes. */
  size: number;
  /** When the upload began, by the server's clock, which counts in seconds; milliseconds. */
  since: number;
}

/** Returns whether the upload's object exists although the server answered otherwise, or not at all. */
async function isThere(
  connection: Connection,
  upload: Upload,
  { size, since }: ExpectedObject,
): Promise<boolean> {
  try {
    const head = await headOnce(connection, upload, {});
    return head.size === size && head.modified >= since;
  } catch {
    return false;
  }
}

/** Aborts an upload, whatever ended the caller; a failure is a warning, so that it does not hide the first. */
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

function createInput(
  target: Target,
): ConstructorParameters<typeof CreateMultipartUploadCommand>[0] {
  return target as PutInput;
}
