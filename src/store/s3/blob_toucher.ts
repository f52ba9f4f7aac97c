/**
 * Touches blobs, so that collection leaves them alone; see `lease.ts` for the protocol.
 *
 * An old blob is touched by a copy onto itself. Where the server does not support that, the blob is sent
 * again, and then looked for once more when no collection is about to delete it any more: a deletion that
 * read the old blob's age may have been under way.
 */

import { CopyObjectCommand } from "@aws-sdk/client-s3";
import type { Digest } from "../../digest.ts";
import { DaemonError, messageOf } from "../../errors.ts";
import { logger } from "../../log/mod.ts";
import type { StoreOptions } from "../object_store.ts";
import { blobKey } from "../keys.ts";
import { awaitCollector } from "../lease.ts";
import type { Connection } from "./connection.ts";
import { failureOf } from "./s3_errors.ts";
import type { Head, HeadOptions } from "./head.ts";
import type { Target } from "./target.ts";

const log = logger("store");

/** The largest object that S3 copies in one request. Bytes. */
const MAX_COPY_BYTES = 5 * 2 ** 30;
/** How often a blob is sent that is gone each time afterwards. */
const MAX_SENDS = 5;

/** What a {@link BlobToucher} uses of a {@link Connection}. */
export type TouchConnection = Pick<Connection, "clock" | "now" | "request" | "tuning">;

/** Access to the store's objects. */
export interface StoredObjects {
  target(key: string): Target;
  head(key: string, options: HeadOptions): Promise<Head | undefined>;
  readLease(options: StoreOptions): Promise<Uint8Array | undefined>;
}

/** A blob's state: `stale` if it is stored, but is old and cannot be touched, or has another size. */
type State = "fresh" | "missing" | "stale";

/** Touches the blobs of one store, or has them sent again. */
export class BlobToucher {
  readonly #connection: TouchConnection;
  readonly #objects: StoredObjects;

  constructor(connection: TouchConnection, objects: StoredObjects) {
    this.#connection = connection;
    this.#objects = objects;
  }

  /** Touches a blob if it is old. Resolves to whether it is stored and young afterwards. */
  async touch(digest: Digest, size: number, options: StoreOptions): Promise<boolean> {
    return await this.#stateOf(digest, size, { ...options, confirm: true, size }) === "fresh";
  }

  /**
   * Ensures that the blob is stored and young, by `send` where it is not. Resolves to whether it was sent.
   * @throws {DaemonError} UNAVAILABLE where it is gone each time after it was sent; what requests throw
   */
  async ensure(
    digest: Digest,
    size: number,
    send: () => Promise<void>,
    options: StoreOptions,
  ): Promise<boolean> {
    for (let sends = 0; sends < MAX_SENDS; sends++) {
      const state = await this.#stateOf(digest, size, options);
      if (state === "fresh") return sends > 0;
      await send();
      if (state === "missing" || await this.#isStillStored(digest, size, options)) return true;
    }
    throw new DaemonError(
      "UNAVAILABLE",
      `The blob ${digest} was gone, or not whole, each of ${MAX_SENDS} times after it was sent`,
      { reason: "STORE_UNAVAILABLE" },
    );
  }

  async #stateOf(digest: Digest, size: number, options: HeadOptions): Promise<State> {
    const key = blobKey(digest);
    for (;;) {
      const found = await this.#objects.head(key, options);
      const whole = found?.size === size;
      if (whole && this.#isFresh(found)) return "fresh";
      const copied = whole && await this.#copyOntoItself(key, size, options);
      if (await this.#awaitCollector(digest, options)) continue;
      if (!copied) return found ? "stale" : "missing";
      const after = await this.#objects.head(key, options);
      if (!after) return "missing";
      const moved = this.#isFresh(after) || after.modified > found.modified;
      return after.size === size && moved ? "fresh" : "stale";
    }
  }

  /** Returns whether a blob that replaced an old one is still stored after any deletion under way. */
  async #isStillStored(digest: Digest, size: number, options: StoreOptions): Promise<boolean> {
    await this.#awaitCollector(digest, options);
    return (await this.#objects.head(blobKey(digest), options))?.size === size;
  }

  #isFresh({ modified }: Head): boolean {
    return this.#connection.now() - modified < this.#connection.tuning.touchAfterMs;
  }

  /** Touches an object by a copy. Resolves to false where the server refuses, so that it is sent again. */
  async #copyOntoItself(key: string, size: number, options: StoreOptions): Promise<boolean> {
    if (size > MAX_COPY_BYTES) return false;
    const target = this.#objects.target(key);
    const source = `${target.Bucket}/${target.Key}`.split("/").map(encodeURIComponent).join("/");
    const input = { ...target, CopySource: source, MetadataDirective: "REPLACE" };
    try {
      await this.#connection.request(
        (client, sending) =>
          client.send(
            new CopyObjectCommand(input as ConstructorParameters<typeof CopyObjectCommand>[0]),
            sending,
          ),
        options,
      );
      return true;
    } catch (error) {
      const { kind } = failureOf(error, options.signal);
      if (!["changed", "missing", "refused", "unsupported"].includes(kind)) throw error;
      log.warn(
        "The store does not touch {key} ({cause}); it is stored again where it is needed",
        { key, cause: messageOf(error) },
      );
      return false;
    }
  }

  #awaitCollector(digest: Digest, options: StoreOptions): Promise<boolean> {
    return awaitCollector(digest, {
      clock: this.#connection.clock,
      now: () => this.#connection.now(),
      read: () => this.#objects.readLease(options),
      signal: options.signal,
    });
  }
}
