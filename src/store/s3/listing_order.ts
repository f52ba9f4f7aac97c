/**
 * Finds out whether a server lists keys in ascending order. Some list folders as a file system does, and go
 * on after the last key of a page all the same: what comes before that key and was not told yet is never
 * told. A reference that is missing from a listing costs content, as a collection takes it for gone.
 */

import { Buffer } from "node:buffer";
import { DeleteObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { messageOf } from "../../errors.ts";
import { logger } from "../../log/mod.ts";
import type { ObjectInfo, StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import type { S3Options } from "./options.ts";
import { putBytes } from "./put_object.ts";
import { failureOf, UnorderedListingError } from "./s3_errors.ts";
import { prefixed, targetFor } from "./target.ts";

const log = logger("store");
const encoder = new TextEncoder();

/** Returns whether keys are in S3's order, which is that of their bytes. */
export function isAscending(page: readonly ObjectInfo[]): boolean {
  const keys = page.map(({ key }) => encoder.encode(key));
  return keys.every((key, n) => n === 0 || Buffer.compare(keys[n - 1]!, key) < 0);
}

/** The order of one server's listings, which is found out once, where it matters. */
export class ListingOrder {
  readonly #connection: Connection;
  readonly #storage: S3Options;
  #isAscending: boolean | undefined;

  constructor(connection: Connection, storage: S3Options) {
    this.#connection = connection;
    this.#storage = storage;
  }

  /**
   * Checks that a listing of several pages is complete, given the first one. Where nothing can be stored to
   * find that out, the server is taken at its word.
   * @throws {UnorderedListingError} where keys may be missing from it; what requests throw
   */
  async requireAscending(page: readonly ObjectInfo[], options: StoreOptions): Promise<void> {
    if (!isAscending(page)) this.#isAscending = false;
    this.#isAscending ??= await this.#find(options);
    if (!this.#isAscending) throw new UnorderedListingError();
  }

  async #find(options: StoreOptions): Promise<boolean> {
    const folder = `objects/order-probe/${crypto.randomUUID()}/`;
    // A file system has the folder first, whose name is the shorter one.
    const ascending = [`${folder}a.x`, `${folder}a/x`];
    try {
      for (const key of ascending) {
        const target = targetFor(this.#storage, key);
        await putBytes(this.#connection, target, new Uint8Array(1), options);
      }
      const [first] = await this.#keys(folder, options);
      return first === undefined || first.endsWith("a.x");
    } catch (error) {
      if (failureOf(error, options.signal).kind !== "refused") throw error;
      return true;
    } finally {
      for (const key of ascending) await this.#remove(key, options);
    }
  }

  async #keys(folder: string, options: StoreOptions): Promise<string[]> {
    const input = { Bucket: this.#storage.bucket, Prefix: prefixed(this.#storage, folder) };
    const { Contents = [] } = await this.#connection.request(
      (client, sending) => client.send(new ListObjectsV2Command(input), sending),
      options,
    );
    return Contents.map(({ Key = "" }) => Key);
  }

  async #remove(key: string, options: StoreOptions): Promise<void> {
    const { Bucket, Key } = targetFor(this.#storage, key);
    try {
      await this.#connection.once(
        (client, sending) => client.send(new DeleteObjectCommand({ Bucket, Key }), sending),
        options,
      );
    } catch (error) {
      log.warn("{key} is left in the store, and may be deleted: {cause}", {
        key,
        cause: messageOf(error),
      });
    }
  }
}
