/** Lists the objects of a bucket, page by page. */

import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { ObjectInfo, StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import type { S3Options } from "./options.ts";
import { ForeignAnswerError, MissingResultError } from "./s3_errors.ts";
import { prefixed } from "./target.ts";

/**
 * Lists the objects of the store whose key begins with `prefix`.
 * @throws {MissingResultError} where the server cuts a listing off; what requests throw
 */
export async function* listObjects(
  connection: Connection,
  storage: S3Options,
  prefix: string,
  options: StoreOptions,
): AsyncGenerator<ObjectInfo> {
  const input = { Bucket: storage.bucket, Prefix: prefixed(storage, prefix) };
  let token: string | undefined;
  do {
    const ContinuationToken = token;
    const page = await connection.request(
      (client, sending) =>
        client.send(new ListObjectsV2Command({ ...input, ContinuationToken }), sending),
      options,
    );
    // A cache that ignores queries answers with another listing.
    if (page.Prefix !== undefined && page.Prefix !== input.Prefix) {
      const what = `ListObjectsV2 was answered for ${page.Prefix} instead of ${input.Prefix}`;
      throw new ForeignAnswerError(what, { status: 200 });
    }
    for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
      if (!Key.startsWith(input.Prefix)) continue;
      const key = Key.slice(prefixed(storage, "").length);
      yield { key, size: Size, modified: LastModified?.getTime() ?? connection.now() };
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (page.IsTruncated && token === ContinuationToken) {
      throw new MissingResultError("it cut a listing without saying how it goes on");
    }
  } while (token !== undefined);
}
