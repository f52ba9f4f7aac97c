/**
 * Whether content that fails its digest is the store's. Some middleboxes answer with 200, an ETag and
 * content of their own, which only the store's own listing tells from a damaged object: it is XML of a
 * form that nothing else answers, and has each object's ETag.
 */

import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import type { ObjectLocation } from "./head.ts";
import { ForeignAnswerError } from "./s3_errors.ts";

/**
 * Checks that an object which was answered with damaged content has the ETag that the answer had.
 * @throws {ForeignAnswerError} where the store knows no such object, or another
 * @throws what the listing throws: without one nothing is known
 */
export async function refuseForeignContent(
  connection: Connection,
  { Bucket, Key }: ObjectLocation,
  etag: string,
  options: StoreOptions,
): Promise<void> {
  const page = await connection.request(
    (client, sending) =>
      client.send(new ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1 }), sending),
    options,
  );
  const listed = page.Contents?.find((entry) => entry.Key === Key)?.ETag;
  if (listed !== undefined && bare(listed) === bare(etag)) return;
  const what =
    `GetObject was answered with content that fails its digest and the ETag ${etag}, where ` +
    `the store lists ${listed ?? "no such object"}`;
  throw new ForeignAnswerError(what, { status: 200 });
}

function bare(etag: string): string {
  return etag.replace(/^"|"$/g, "");
}
