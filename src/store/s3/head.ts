/**
 * Asking for an object's size and age. The answer to a HEAD has no body that could say why it was
 * refused, or whether it was the store at all that said "not there": a GET of its first byte tells.
 */

import { GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import type { StoreOptions } from "../object_store.ts";
import { isSigned } from "./check_answers.ts";
import type { Connection } from "./connection.ts";
import { failureOf, ForeignAnswerError, isBeyondEnd, serviceError } from "./s3_errors.ts";

/** What the server says of an object. */
export interface Head {
  /** Bytes. */
  size: number;
  /** Milliseconds since the epoch. */
  modified: number;
  etag?: string;
}

/** Where an object is, in the SDK's terms. */
export interface ObjectLocation {
  Bucket: string;
  Key: string;
}

export interface HeadOptions extends StoreOptions {
  /**
   * Has "not there" confirmed by another kind of request even where the answer has the marks of an
   * S3 server: for what is final.
   */
  confirm?: boolean;
  /** How many bytes the object should have; where that is final, another size is confirmed, too. */
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
  const { retryable: passes, kind } = failureOf(error, signal);
  const answer = serviceError(error);
  if (!answer || passes || kind === "aborted") return false;
  if (kind !== "missing" || confirm) return true;
  const { $response } = error as { $response?: { headers: Record<string, string> } };
  return !$response || !isSigned($response);
}

/** @throws {ForeignAnswerError} where a GET is answered with another size */
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

/** Gets an object's first byte. Resolves to the size of the whole, where the server tells it. */
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
