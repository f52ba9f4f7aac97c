/**
 * Asking for an object's size and age. The answer to a HEAD has no body that could say why it was
 * refused, or whether it was the store at all that said "not there": a GET of its first byte tells.
 */

import { GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import type { StoreOptions } from "../object_store.ts";
import { isSigned } from "./answers.ts";
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
export interface Place {
  Bucket: string;
  Key: string;
}

export interface HeadOptions extends StoreOptions {
  /**
   * Has "not there" confirmed by another kind of request even where the answer has the marks of an
   * S3 server: for what is final.
   */
  confirm?: boolean;
}

/**
 * Asks once for an object's size and age.
 * @throws what a request throws; a refusal has the code that a GET is answered with
 */
export async function headOnce(
  connection: Connection,
  { Bucket, Key }: Place,
  options: HeadOptions,
): Promise<Head> {
  try {
    const head = await connection.once(
      (client, sending) => client.send(new HeadObjectCommand({ Bucket, Key }), sending),
      options,
    );
    return {
      size: head.ContentLength ?? 0,
      modified: head.LastModified?.getTime() ?? 0,
      ...(head.ETag ? { etag: head.ETag } : {}),
    };
  } catch (error) {
    if (!needsExplanation(error, options)) throw error;
    throw await explain(connection, { Bucket, Key }, options);
  }
}

function needsExplanation(error: unknown, { confirm = false, signal }: HeadOptions): boolean {
  const { passes, kind } = failureOf(error, signal);
  const answer = serviceError(error);
  if (!answer || passes || kind === "aborted") return false;
  if (kind !== "missing" || confirm) return true;
  const { $response } = error as { $response?: { headers: Record<string, string> } };
  return !$response || !isSigned($response);
}

/** Returns the error that a GET is answered with, or one that says that it contradicts the HEAD. */
async function explain(
  connection: Connection,
  where: Place,
  options: StoreOptions,
): Promise<unknown> {
  try {
    await connection.once(async (client, sending) => {
      const first = new GetObjectCommand({ ...where, Range: "bytes=0-0" });
      const { Body } = await client.send(first, sending);
      // Ends the request at its first bytes, also where the server knows no ranges.
      for await (const _ of Body as AsyncIterable<Uint8Array>) break;
    }, options);
  } catch (error) {
    if (!isBeyondEnd(error)) return error;
  }
  return new ForeignAnswerError("HeadObject was refused, though GetObject gives the object", {
    status: 0,
  });
}
