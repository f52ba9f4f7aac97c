/**
 * Asks for an object's size and age. The answer to a HEAD has no body that could tell why it was refused,
 * or whether the store said "not there" or something on the way to it: a GET of one byte finds that out.
 */

import { GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import type { StoreOptions } from "../object_store.ts";
import { isSigned } from "./check_answers.ts";
import type { Connection } from "./connection.ts";
import { failureOf, ForeignAnswerError, isBeyondEnd, serviceError } from "./s3_errors.ts";

/** An object's size, age and version. */
export interface Head {
  /** Bytes. */
  size: number;
  /** When it was stored or touched. Milliseconds since the epoch by the store's clock. */
  modified: number;
  etag?: string;
}

/** The location of an object, in the SDK's terms. */
export interface ObjectLocation {
  Bucket: string;
  Key: string;
}

/** Options of {@link headOnce}. */
export interface HeadOptions extends StoreOptions {
  /**
   * Confirms "not there" by a GET even where the answer has the headers of an S3 server; for callers
   * that act on it for good.
   */
  confirm?: boolean;
  /** The size that the object should have; with `confirm`, another size is confirmed, too. Bytes. */
  size?: number;
}

/**
 * Asks once for an object's size and age.
 * @throws what a request throws; a refusal has the code that a GET is answered with
 */
export async function headOnce(
  connection: Connection,
  { Bucket, Key }: ObjectLocation,
  options: HeadOptions,
): Promise<Head> {
  try {
    const head = await connection.once(
      (client, sending) => client.send(new HeadObjectCommand({ Bucket, Key }), sending),
      options,
    );
    const { ContentLength: size = 0, LastModified, ETag: etag } = head;
    if (options.confirm && size !== (options.size ?? size)) {
      await confirmSize(connection, { Bucket, Key }, size, options);
    }
    return { size, modified: LastModified?.getTime() ?? 0, ...(etag ? { etag } : {}) };
  } catch (error) {
    if (!needsExplanation(error, options)) throw error;
    throw await explain(connection, { Bucket, Key }, options);
  }
}

function needsExplanation(error: unknown, { confirm = false, signal }: HeadOptions): boolean {
  const { retryable, kind } = failureOf(error, signal);
  const answer = serviceError(error);
  if (!answer || retryable || kind === "aborted") return false;
  if (kind !== "missing" || confirm) return true;
  const { $response } = error as { $response?: { headers: Record<string, string> } };
  return !$response || !isSigned($response);
}

/** Confirms an object's size by a GET. @throws {ForeignAnswerError} where it answers another size */
async function confirmSize(
  connection: Connection,
  where: ObjectLocation,
  size: number,
  options: StoreOptions,
): Promise<void> {
  const actual = await getFirst(connection, where, options);
  if (actual === undefined || actual === size) return;
  throw new ForeignAnswerError(
    `HeadObject was answered with ${size} bytes, and GetObject with ${actual}`,
    { status: 200 },
  );
}

/** Gets an object's first byte. Resolves to the size of the whole object, if the server tells it. */
async function getFirst(
  connection: Connection,
  where: ObjectLocation,
  options: StoreOptions,
): Promise<number | undefined> {
  try {
    return await connection.once(async (client, sending) => {
      const first = new GetObjectCommand({ ...where, Range: "bytes=0-0" });
      const { Body, ContentLength, ContentRange } = await client.send(first, sending);
      // Ends the request at its first bytes, also where the server knows no ranges.
      for await (const _ of Body as AsyncIterable<Uint8Array>) break;
      if (ContentRange === undefined) return ContentLength;
      const [, total] = /\/(\d+)$/.exec(ContentRange) ?? [];
      return total === undefined ? undefined : Number(total);
    }, options);
  } catch (error) {
    if (isBeyondEnd(error)) return 0;
    throw error;
  }
}

/** Returns the error that a GET is answered with, or one that says that it contradicts the HEAD. */
async function explain(
  connection: Connection,
  where: ObjectLocation,
  options: StoreOptions,
): Promise<unknown> {
  try {
    await getFirst(connection, where, options);
  } catch (error) {
    return error;
  }
  return new ForeignAnswerError("HeadObject was refused, though GetObject gives the object", {
    status: 0,
  });
}
