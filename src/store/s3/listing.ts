/** Lists the objects of a bucket, page by page. */

import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { ListOptions, ObjectInfo, StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import type { S3Options } from "./options.ts";
import { isAscending, type ListingOrder } from "./listing_order.ts";
import { ForeignAnswerError, MissingResultError, UnorderedListingError } from "./s3_errors.ts";
import { prefixed } from "./target.ts";

/** What is listed of a bucket. */
interface Listing {
  connection: Connection;
  storage: S3Options;
  order: ListingOrder;
  prefix: string;
  options: StoreOptions;
}

/**
 * Lists the objects of the store whose key begins with `prefix`.
 * @throws {MissingResultError} where the server cuts a listing off; {UnorderedListingError} where it may have
 * left keys out, because it does not list them in order; what requests throw
 */
export async function* listObjects(
  parts: Pick<Listing, "connection" | "storage" | "order">,
  prefix: string,
  { after, ...options }: ListOptions,
): AsyncGenerator<ObjectInfo> {
  const listing = { ...parts, prefix, options };
  if (after === undefined) {
    for await (const page of pagesOf(listing)) yield* page;
  } else yield* listAfter(listing, after);
}

/**
 * Lists in ascending order what comes after a key. Some servers list folders as a file system does, so
 * that "a/x" comes before "a.x": the first page tells them, and of those everything is listed and
 * sorted.
 */
async function* listAfter(listing: Listing, after: string): AsyncGenerator<ObjectInfo> {
  // A server that does not know StartAfter begins with the first key.
  const wanted = (page: readonly ObjectInfo[]) => page.filter(({ key }) => key > after);
  let last: string | undefined;
  for await (const page of pagesOf(listing, after)) {
    if (!isAscending(page)) {
      if (last !== undefined) throw new UnorderedListingError();
      return yield* (await everything(listing, wanted)).sort((a, b) => a.key < b.key ? -1 : 1);
    }
    const [first] = page;
    if (last !== undefined && first !== undefined && first.key < last) {
      throw new UnorderedListingError();
    }
    yield* wanted(page);
    last = page.at(-1)?.key ?? last;
  }
}

async function everything(
  listing: Listing,
  wanted: (page: readonly ObjectInfo[]) => ObjectInfo[],
): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const page of pagesOf(listing)) found.push(...wanted(page));
  return found;
}

async function* pagesOf(
  { connection, storage, order, prefix, options }: Listing,
  after?: string,
): AsyncGenerator<ObjectInfo[]> {
  const input = {
    Bucket: storage.bucket,
    Prefix: prefixed(storage, prefix),
    MaxKeys: connection.tuning.keysPerPage,
    ...(after ? { StartAfter: prefixed(storage, after) } : {}),
  };
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
    const found = (page.Contents ?? []).flatMap(({ Key = "", Size = 0, LastModified }) => {
      if (!Key.startsWith(input.Prefix)) return [];
      const key = Key.slice(prefixed(storage, "").length);
      return [{ key, size: Size, modified: LastModified?.getTime() ?? connection.now() }];
    });
    if (page.IsTruncated && token === undefined) await order.requireAscending(found, options);
    yield found;
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (page.IsTruncated && token === ContinuationToken) {
      throw new MissingResultError("it cut a listing without saying how it goes on");
    }
  } while (token !== undefined);
}
