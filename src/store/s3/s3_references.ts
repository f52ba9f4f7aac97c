/** References on S3: single objects, replaced in one step, with their digest as metadata. */

import { digestOf, hexOf } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import type { StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { listObjects } from "./listing.ts";
import type { ListingOrder } from "./listing_order.ts";
import type { S3Options } from "./options.ts";
import { failureOf, ForeignAnswerError, MissingResultError, unlessMissing } from "./s3_errors.ts";
import { getSmallObject, isReplaced, isSame, type SmallObject } from "./small_object.ts";
import { type Target, targetFor } from "./target.ts";
import { putBytes, putBytesOnce } from "./put_object.ts";
import { StoredContentCheck } from "./stored_content_check.ts";

/** Bounds what a faulty server can make the daemon read; a reference has a few kilobytes. */
const MAX_REF_BYTES = 16 << 20;

/**
 * Milliseconds after which a server that said that it has no conditional writes is asked for one again: a proxy
 * may have said it, or the server was upgraded.
 */
const UNCONDITIONAL_MS = 3600_000;

/** The references of one store. */
export class S3References {
  readonly #connection: Connection;
  readonly #storage: S3Options;
  readonly #order: ListingOrder;
  /** Until when the server is taken to have no conditional writes, by the monotonic clock. */
  #unconditionalUntil = -Infinity;

  constructor(connection: Connection, storage: S3Options, order: ListingOrder) {
    this.#connection = connection;
    this.#storage = storage;
    this.#order = order;
  }

  /** Reads a reference. @throws what a request throws where there is none */
  async get(key: string, options: StoreOptions): Promise<Uint8Array> {
    const check = new StoredContentCheck(key);
    return await this.#connection.retrying(async () => {
      const answer = await this.#getOnce(key, options);
      if (!check.isStored(answer)) await this.#assertListed(key, answer.bytes.length, options);
      return answer.bytes;
    }, options);
  }

  /** Reads a reference, or resolves to `undefined` where there is none. */
  async find(key: string, options: StoreOptions): Promise<Uint8Array | undefined> {
    return await unlessMissing(this.get(key, options));
  }

  /**
   * Creates or replaces a reference. What was written is read back before it counts. Another writer
   * may have replaced it meanwhile: that is so where the answer to this upload proves that its bytes
   * arrived, and what is read is neither those nor what was there before.
   */
  async put(key: string, bytes: Uint8Array, options: StoreOptions): Promise<void> {
    await this.#connection.retrying(async () => {
      const before = await unlessMissing(this.#getOnce(key, options));
      const target = this.#target(key, bytes);
      const isProven = await putBytesOnce(this.#connection, target, bytes, options);
      const after = await unlessMissing(this.#getOnce(key, options));
      if (isSame(after, bytes) || isProven && isReplaced(before, after)) return;
      throw new MissingResultError(`it says that it stored ${key} and gives something else back`);
    }, options);
  }

  /**
   * Replaces a reference if it still is what was read of it. The server checks that once more when it
   * writes (`If-Match`, `If-None-Match`); one that does not know how is asked to write in any case.
   * Resolves to false where another writer has written before or since.
   */
  async replace(
    key: string,
    expected: Uint8Array | undefined,
    bytes: Uint8Array,
    options: StoreOptions,
  ): Promise<boolean> {
    return await this.#connection.retrying(async () => {
      const before = await unlessMissing(this.#getOnce(key, options));
      // An attempt whose answer was lost has arrived.
      if (isSame(before, bytes)) return true;
      if (expected ? !isSame(before, expected) : before !== undefined) return false;
      const isProven = await this.#putIfUnchanged(key, before, bytes, options);
      if (isProven === undefined) return false;
      const after = await unlessMissing(this.#getOnce(key, options));
      if (isSame(after, bytes)) return true;
      if (isProven && isReplaced(before, after)) return false;
      throw new MissingResultError(`it says that it stored ${key} and gives something else back`);
    }, options);
  }

  /** Returns whether the answer proves what was stored; `undefined` where the reference has changed. */
  async #putIfUnchanged(
    key: string,
    before: SmallObject | undefined,
    bytes: Uint8Array,
    options: StoreOptions,
  ): Promise<boolean | undefined> {
    const target = this.#target(key, bytes);
    const condition = conditionOf(before);
    const { clock } = this.#connection;
    if (!condition || clock.monotonic() < this.#unconditionalUntil) {
      return await putBytesOnce(this.#connection, target, bytes, options);
    }
    try {
      return await putBytesOnce(this.#connection, { ...target, ...condition }, bytes, options);
    } catch (error) {
      const { kind } = failureOf(error, options.signal);
      if (kind === "changed" || kind === "missing") {
        const now = await unlessMissing(this.#getOnce(key, options));
        if (before ? !isSame(now, before.bytes) : now !== undefined) return undefined;
        throw new MissingResultError(`it says that ${key} has changed and gives the same back`);
      }
      if (kind !== "unsupported") throw error;
      this.#unconditionalUntil = clock.monotonic() + UNCONDITIONAL_MS;
      return await putBytesOnce(this.#connection, target, bytes, options);
    }
  }

  /**
   * Claims a reference without conditional writes, by Fischer's mutual exclusion algorithm:
   *
   * 1. Read the reference. If `decide` has nothing to put in its place, the claim fails.
   * 2. Write the new bytes, within `claimMs` of the read.
   * 3. Wait `settleMs`.
   * 4. Read again. The claim succeeds if the bytes are those of step 2.
   *
   * Another claimer that read before this write took effect has written, or given up, by the end of
   * step 3, so no such write comes after step 4; one that read later was told of these bytes. Of several
   * claimers, therefore, only the last to write finds its own bytes.
   *
   * This rests on reads of single objects being consistent, and on a request whose connection was closed
   * taking effect within `settleMs - claimMs`, if at all.
   */
  async compareAndClaim(
    key: string,
    decide: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options: StoreOptions,
  ): Promise<boolean> {
    const { claimMs, settleMs } = this.#connection.tuning;
    const end = AbortSignal.timeout(claimMs);
    const signal = options.signal ? AbortSignal.any([options.signal, end]) : end;
    let bytes: Uint8Array | undefined;
    try {
      bytes = decide(await this.find(key, { signal }));
      if (!bytes) return false;
      await putBytes(this.#connection, this.#target(key, bytes), bytes, { signal });
    } catch (error) {
      if (!end.aborted || options.signal?.aborted) throw error;
      const limit = `the store took longer than ${claimMs / 1000} s`;
      throw new DaemonError("UNAVAILABLE", `Cannot claim ${key}: ${limit}`, {
        cause: error,
        reason: "STORE_UNAVAILABLE",
      });
    }
    await this.#connection.clock.sleep(settleMs, options.signal);
    const after = await this.find(key, options);
    return after !== undefined && digestOf(after) === digestOf(bytes);
  }

  /** Checks content that no metadata proves by the size in a listing. @throws {ForeignAnswerError} */
  async #assertListed(key: string, size: number, options: StoreOptions): Promise<void> {
    const parts = { connection: this.#connection, storage: this.#storage, order: this.#order };
    for await (const info of listObjects(parts, key, options)) {
      if (info.key === key && info.size === size) return;
    }
    const what = `GetObject was answered with ${size} bytes, and the listing has no such ${key}`;
    throw new ForeignAnswerError(what, { status: 200 });
  }

  #getOnce(key: string, options: StoreOptions): Promise<SmallObject> {
    const where = { storage: this.#storage, key };
    return getSmallObject(this.#connection, where, MAX_REF_BYTES, options);
  }

  #target(key: string, bytes: Uint8Array): Target {
    return { ...targetFor(this.#storage, key), Metadata: { sha256: hexOf(digestOf(bytes)) } };
  }
}

/** Returns the condition that an object still is what was read; `undefined` where nothing tells. */
function conditionOf(
  before: SmallObject | undefined,
): { IfMatch: string } | { IfNoneMatch: string } | undefined {
  if (!before) return { IfNoneMatch: "*" };
  // A proxy that compresses answers makes ETags weak, and a weak one never matches (RFC 9110, 13.1.1).
  const isStrong = before.etag !== undefined && !before.etag.startsWith("W/");
  return isStrong ? { IfMatch: before.etag! } : undefined;
}
