/**
 * Keeping blobs from collection; see `lease.ts` for the pact.
 *
 * A blob that is old is touched by a copy onto itself. Where the server does not do that, it is
 * sent again, and then looked for once more when no collection is about to delete it any more: a
 * deletion may have been on its way that looked at the old one's age.
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

/** S3 copies no larger object in one request. */
const MAX_COPY_BYTES = 5 * 2 ** 30;
/** How often a blob is sent whose predecessor is deleted meanwhile. */
const MAX_SENDS = 5;

/** How the store's objects are reached. */
export interface StoredObjects {
  target(key: string): Target;
  head(key: string, options: HeadOptions): Promise<Head | undefined>;
  readLease(options: StoreOptions): Promise<Uint8Array | undefined>;
}

/** `stale` is there, but not safe: old where it cannot be touched, or not whole. */
type State = "fresh" | "missing" | "stale";

export class BlobToucher {
  readonly #connection: Connection;
  readonly #objects: StoredObjects;

  constructor(connection: Connection, objects: StoredObjects) {
    this.#connection = connection;
    this.#objects = objects;
  }

  /** Whether the blob is there and safe from collection for long enough. */
  async touch(digest: Digest, size: number, options: StoreOptions): Promise<boolean> {
    return await this.#stateOf(digest, size, { ...options, confirm: true, size }) === "fresh";
  }

  /** Sees to it that the blob is there and safe. Resolves to whether it had to be sent. */
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
      if (state === "missing" || await this.#outlived(digest, size, options)) return true;
    }
    throw new DaemonError(
      "UNAVAILABLE",
      `The blob ${digest} was gone, or not whole, each of ${MAX_SENDS} times after it was sent`,
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

  /** Whether what was sent in place of something old is still there after any deletion under way. */
  async #outlived(digest: Digest, size: number, options: StoreOptions): Promise<boolean> {
    await this.#awaitCollector(digest, options);
    return (await this.#objects.head(blobKey(digest), options))?.size === size;
  }

  #isFresh({ modified }: Head): boolean {
    return this.#connection.now() - modified < this.#connection.tuning.touchAfterMs;
  }

  /** Resolves to whether the server did it; a refusal merely means that the blob is sent again. */
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
      ...(options.signal ? { signal: options.signal } : {}),
    });
  }
}
