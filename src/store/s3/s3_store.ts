/**
 * The S3 store: objects under their keys below a prefix of one bucket.
 *
 * It asks little of the server, because servers differ: PUT, GET with ranges, HEAD, DELETE, COPY,
 * ListObjectsV2 and multipart uploads. No conditional writes: some answer 501 to them. References
 * are single objects, which S3 replaces in one step, and carry their own digest. Blobs are freshened
 * by a copy onto themselves, where they are old enough for a collection to matter.
 */

import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { join } from "@std/path";
import type { Clock } from "../../clock.ts";
import { type Digest, digestOf, hexOf } from "../../digest.ts";
import { DaemonError, type ErrorCode } from "../../errors.ts";
import { logger } from "../../log.ts";
import type { LeasedFile, SpooledBlob } from "../../spool.ts";
import type {
  DeleteBlobOptions,
  HasBlobOptions,
  ObjectInfo,
  ObjectStore,
  RefBytes,
  StoreOptions,
  SweepOptions,
  Tally,
} from "../object_store.ts";
import { fileError } from "../file/file_errors.ts";
import { removeIfThere } from "../file/durable.ts";
import { blobKey, checkArchiveName, KEY_ROOTS, LEASE_KEY } from "../keys.ts";
import { spooledFile } from "../spooled.ts";
import { readBody } from "./body.ts";
import { Connection, type S3Observer } from "./connection.ts";
import { download, type Source } from "./download.ts";
import {
  CorruptAnswerError,
  failureOf,
  ForeignAnswerError,
  MissingResultError,
} from "./s3_errors.ts";
import { BlobToucher } from "./blob_toucher.ts";
import { type Head, headOnce, type HeadOptions } from "./head.ts";
import { s3Error } from "./messages.ts";
import { DEFAULT_TUNING, type S3Options, type S3Tuning } from "./options.ts";
import { sha256OfFile } from "./slice.ts";
import { sweepUploads } from "./sweep.ts";
import { keyInBucket, prefixed, type Target, targetFor } from "./target.ts";
import { putBytes, putBytesOnce, putFile } from "./upload.ts";
import { isReplaced, isSame, type SmallObject, Vouching } from "./vouching.ts";

const log = logger("store");

/** A reference is a few kilobytes; this is what a lying server can make us read. */
const MAX_REF_BYTES = 16 << 20;
/** How often a blob is downloaded that fails its digest. */
const DOWNLOADS = 3;

export interface S3StoreOptions {
  storage: S3Options;
  /** The spool's folder, absolute. */
  spoolDir: string;
  clock: Clock;
  /** Times silence on the wire; the machine's clock unless given. */
  wireClock?: Clock;
  observer: S3Observer;
  tuning?: Partial<S3Tuning>;
}

/** {@link ObjectStore} on S3. */
export class S3Store implements ObjectStore {
  readonly kind = "s3";
  readonly minimumGraceMs: number;
  readonly #connection: Connection;
  readonly #storage: S3Options;
  readonly #spool: string;
  readonly #freshener: BlobToucher;

  private constructor(connection: Connection, options: S3StoreOptions) {
    // What is younger than `freshenAfterMs` is not freshened: the rest must be half the grace.
    this.minimumGraceMs = 2 * connection.tuning.freshenAfterMs;
    this.#connection = connection;
    this.#storage = options.storage;
    this.#spool = options.spoolDir;
    this.#freshener = new BlobToucher(connection, {
      target: (key) => this.#target(key),
      head: (key, options) => this.#head(key, options),
      readLease: (options) => this.#readRef(LEASE_KEY, options),
    });
  }

  /** Prepares a client; nothing is sent yet. @throws {DaemonError} for options that cannot work. */
  static async open(options: S3StoreOptions): Promise<S3Store> {
    const tuning = { ...DEFAULT_TUNING, ...options.tuning };
    return new S3Store(await Connection.open({ ...options, tuning }), options);
  }

  async probe(options: StoreOptions = {}): Promise<void> {
    const { bucket } = this.#storage;
    await this.#guard(`Cannot use the bucket ${bucket}`, options, async () => {
      // Nothing is there, so that the answer has no next page: a server may fail to point to one.
      const input = { Bucket: bucket, Prefix: this.#prefixed("probe/"), MaxKeys: 1 };
      await this.#connection.probe(
        (client, sending) => client.send(new ListObjectsV2Command(input), sending),
        options,
      );
    });
  }

  async putBlob(blob: SpooledBlob, options: StoreOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot store the blob ${blob.digest}`, options, async () => {
      const path = await spooledFile(this.#spool, blob);
      const { digest, size } = blob;
      const file = { path, size, sha256: hexOf(digest) };
      const send = () => putFile(this.#connection, this.#target(blobKey(digest)), file, options);
      const sent = await this.#freshener.ensure(digest, size, send, options);
      await removeIfThere(path);
      return sent;
    });
  }

  async putBlobBytes(
    digest: Digest,
    bytes: Uint8Array,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#guard(`Cannot store the blob ${digest}`, options, async () => {
      const send = () => putBytes(this.#connection, this.#target(blobKey(digest)), bytes, options);
      return await this.#freshener.ensure(digest, bytes.length, send, options);
    });
  }

  async hasBlob(digest: Digest, size: number, options: HasBlobOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot look for the blob ${digest}`, options, async () => {
      if (options.touch ?? true) return await this.#freshener.freshen(digest, size, options);
      const head = await this.#head(blobKey(digest), { ...options, confirm: true, size });
      return head?.size === size;
    });
  }

  async getBlobBytes(
    digest: Digest,
    maxBytes: number,
    options: StoreOptions = {},
  ): Promise<Uint8Array> {
    return await this.#reading(`Cannot read the blob ${digest}`, options, async () => {
      return await this.#connection.retrying(async () => {
        const { bytes } = await this.#getOnce(blobKey(digest), maxBytes, options);
        if (digestOf(bytes) === digest) return bytes;
        throw new CorruptAnswerError("its content fails its digest");
      }, options);
    });
  }

  async acquireBlob(digest: Digest, size: number, options: StoreOptions = {}): Promise<LeasedFile> {
    return await this.#reading(`Cannot read the blob ${digest}`, options, async () => {
      const source = { Bucket: this.#storage.bucket, Key: this.#key(blobKey(digest)), size };
      for (let downloads = 1;; downloads++) {
        const file = await this.#downloadToSpool(source, options);
        if (await sha256OfFile(join(this.#spool, file.path), size) === hexOf(digest)) return file;
        await file.release();
        if (downloads === DOWNLOADS) {
          throw new DaemonError(
            "DATA_LOSS",
            `The blob ${digest} fails its digest each of ${downloads} times it was read`,
          );
        }
        log.warn("The blob {digest} came with a wrong digest and is read again", { digest });
      }
    });
  }

  async getRef(key: string, options: StoreOptions = {}): Promise<Uint8Array> {
    return await this.#reading(`Cannot read ${key}`, options, () => this.#getRef(key, options));
  }

  /**
   * What was written is read back before it counts. Another writer may have replaced it meanwhile:
   * that is so where the answer to our upload proves that our bytes arrived, and what is there now is
   * neither ours nor what was there before.
   */
  async putRef(key: string, bytes: RefBytes, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot write ${key}`, options, async () => {
      await this.#connection.retrying(async () => {
        const now = typeof bytes === "function" ? await bytes() : bytes;
        const before = await this.#peek(key, options);
        const target = this.#refTarget(key, now);
        const isProven = await putBytesOnce(this.#connection, target, now, options);
        const after = await this.#peek(key, options);
        if (isSame(after, now) || isProven && isReplaced(before, after)) return;
        throw new MissingResultError(`it says that it stored ${key} and gives something else back`);
      }, options);
    });
  }

  /**
   * Without conditional writes, by Fischer's algorithm: read, write, wait, read again. Whoever judged
   * before our write took effect has had its own write take effect, or broken off, once we have
   * waited; so what we then read as ours stays so, everybody later having judged it. This rests on
   * reads of single objects being up to date, and on a request whose connection was broken taking
   * effect within `settleMs - claimMs`, if at all.
   */
  async compareAndClaimRef(
    key: string,
    judge: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#guard(`Cannot claim ${key}`, options, async () => {
      const { claimMs, settleMs } = this.#connection.tuning;
      const end = AbortSignal.timeout(claimMs);
      const signal = options.signal ? AbortSignal.any([options.signal, end]) : end;
      let bytes: Uint8Array | undefined;
      try {
        bytes = judge(await this.#readRef(key, { signal }));
        if (!bytes) return false;
        await putBytes(this.#connection, this.#refTarget(key, bytes), bytes, { signal });
      } catch (error) {
        if (!end.aborted || options.signal?.aborted) throw error;
        const limit = `the store took longer than ${claimMs / 1000} s`;
        throw new DaemonError("UNAVAILABLE", `Cannot claim ${key}: ${limit}`, { cause: error });
      }
      await this.#connection.clock.sleep(settleMs, options.signal);
      const after = await this.#readRef(key, options);
      return after !== undefined && digestOf(after) === digestOf(bytes);
    });
  }

  async deleteRef(key: string, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot delete ${key}`, options, async () => {
      const input = { Bucket: this.#storage.bucket, Key: this.#key(key) };
      await unlessMissing(this.#connection.request(
        (client, sending) => client.send(new DeleteObjectCommand(input), sending),
        options,
      ));
    });
  }

  async putObject(key: string, file: SpooledBlob, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot store ${key}`, options, async () => {
      const path = await spooledFile(this.#spool, file);
      const source = { path, size: file.size, sha256: hexOf(file.digest) };
      await putFile(this.#connection, this.#target(key), source, options);
      await removeIfThere(path);
    });
  }

  async acquireArchive(
    object: string,
    bucket: string,
    options: StoreOptions = {},
  ): Promise<LeasedFile> {
    checkArchiveName(object, bucket);
    const name = `${object}@${bucket}`;
    const { bucket: own, archiveBuckets = [] } = this.#storage;
    if (bucket !== own && !archiveBuckets.includes(bucket)) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `The bucket ${bucket} of the archive ${name} is neither storage.bucket nor in ` +
          "storage.archiveBuckets",
      );
    }
    return await this.#guard(`Cannot read the archive ${name}`, options, async () => {
      const head = await this.#headOf(bucket, object, { ...options, confirm: true });
      if (!head) throw new DaemonError("NOT_FOUND", `There is no archive ${name} in this store`);
      const { size, etag } = head;
      const source = { Bucket: bucket, Key: object, size, ...(etag ? { etag } : {}) };
      return await this.#downloadToSpool(source, options);
    });
  }

  async *list(prefix: string, options: StoreOptions = {}): AsyncGenerator<ObjectInfo> {
    try {
      yield* this.#list(prefix, options);
    } catch (error) {
      throw this.#failure(error, `Cannot list ${prefix}`, options);
    }
  }

  async *#list(prefix: string, options: StoreOptions): AsyncGenerator<ObjectInfo> {
    const input = { Bucket: this.#storage.bucket, Prefix: this.#prefixed(prefix) };
    let token: string | undefined;
    do {
      const ContinuationToken = token;
      const page = await this.#connection.request(
        (client, sending) =>
          client.send(new ListObjectsV2Command({ ...input, ContinuationToken }), sending),
        options,
      );
      // A cache that does not look at queries answers with another listing.
      if (page.Prefix !== undefined && page.Prefix !== input.Prefix) {
        const what = `ListObjectsV2 was answered for ${page.Prefix} instead of ${input.Prefix}`;
        throw new ForeignAnswerError(what, { status: 200 });
      }
      for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
        if (!Key.startsWith(input.Prefix)) continue;
        const key = Key.slice(this.#prefixed("").length);
        yield { key, size: Size, modified: LastModified?.getTime() ?? this.#connection.now() };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
      if (page.IsTruncated && token === ContinuationToken) {
        throw new MissingResultError("it cut a listing without saying how it goes on");
      }
    } while (token !== undefined);
  }

  async deleteBlob(digest: Digest, options: DeleteBlobOptions = {}): Promise<boolean> {
    const { olderThan = Infinity } = options;
    const input = { Bucket: this.#storage.bucket, Key: this.#key(blobKey(digest)) };
    return await this.#guard(`Cannot delete the blob ${digest}`, options, async () => {
      let sent = false;
      // Its age is asked anew before each attempt: an answer that was lost may have taken a while.
      return await this.#connection.retrying(async () => {
        const head = await this.#head(blobKey(digest), options);
        if (!head) return sent;
        if (head.modified >= olderThan || options.mayDelete?.() === false) return false;
        sent = true;
        await unlessMissing(this.#connection.once(
          (client, sending) => client.send(new DeleteObjectCommand(input), sending),
          options,
        ));
        return true;
      }, options);
    });
  }

  async sweepLeftovers(olderThan: number, options: SweepOptions = {}): Promise<Tally> {
    const { bucket } = this.#storage;
    return await this.#guard(`Cannot tidy the bucket ${bucket}`, options, async () => {
      const all: Tally = { count: 0, bytes: 0 };
      // What lies elsewhere in the bucket is another application's.
      for (const root of KEY_ROOTS) {
        const where = { Bucket: bucket, Prefix: this.#prefixed(`${root}/`) };
        const { count, bytes } = await sweepUploads(this.#connection, where, olderThan, options);
        all.count += count;
        all.bytes += bytes;
      }
      return all;
    });
  }

  async now(options: StoreOptions = {}): Promise<number> {
    await this.probe(options);
    return this.#connection.now();
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  /** A reference, if it is there. */
  async #readRef(key: string, options: StoreOptions): Promise<Uint8Array | undefined> {
    return await unlessMissing(this.#getRef(key, options));
  }

  async #getRef(key: string, options: StoreOptions): Promise<Uint8Array> {
    const vouching = new Vouching(key);
    return await this.#connection.retrying(async () => {
      const answer = await this.#getOnce(key, MAX_REF_BYTES, options);
      if (!vouching.isVouched(answer)) await this.#assertListed(key, answer.bytes.length, options);
      return answer.bytes;
    }, options);
  }

  /** Nothing in an answer says that it is what was stored: then its size has to. */
  async #assertListed(key: string, size: number, options: StoreOptions): Promise<void> {
    for await (const info of this.#list(key, options)) {
      if (info.key === key && info.size === size) return;
    }
    const what = `GetObject was answered with ${size} bytes, and the listing has no such ${key}`;
    throw new ForeignAnswerError(what, { status: 200 });
  }

  /** What stands under a key at this moment, by one request. */
  async #peek(key: string, options: StoreOptions): Promise<SmallObject | undefined> {
    return await unlessMissing(this.#getOnce(key, MAX_REF_BYTES, options));
  }

  #refTarget(key: string, bytes: Uint8Array): Target {
    return { ...this.#target(key), Metadata: { sha256: hexOf(digestOf(bytes)) } };
  }

  #head(key: string, options: HeadOptions): Promise<Head | undefined> {
    return this.#headOf(this.#storage.bucket, this.#key(key), options);
  }

  async #headOf(Bucket: string, Key: string, options: HeadOptions): Promise<Head | undefined> {
    return await unlessMissing(
      this.#connection.retrying(
        () => headOnce(this.#connection, { Bucket, Key }, options),
        options,
      ),
    );
  }

  /** Reads a small object, once. @throws {DaemonError} DATA_LOSS once it exceeds `maxBytes` */
  async #getOnce(key: string, maxBytes: number, options: StoreOptions): Promise<SmallObject> {
    const input = { Bucket: this.#storage.bucket, Key: this.#key(key) };
    return await this.#connection.once(async (client, sending) => {
      const { Body, ETag, Metadata = {} } = await client.send(new GetObjectCommand(input), sending);
      const bytes = await readBody(Body as AsyncIterable<Uint8Array>, maxBytes);
      if (bytes.length > maxBytes) {
        throw new DaemonError(
          "DATA_LOSS",
          `${key} has more than the ${maxBytes} bytes that were expected`,
        );
      }
      return { bytes, etag: ETag, sha256: Metadata.sha256 };
    }, options);
  }

  async #downloadToSpool(source: Source, options: StoreOptions): Promise<LeasedFile> {
    const name = `download-${crypto.randomUUID()}`;
    const path = join(this.#spool, name);
    const release = async () => {
      try {
        await removeIfThere(path);
      } catch (error) {
        throw fileError(error, `Cannot remove the spool file ${path}`);
      }
    };
    try {
      await download(this.#connection, source, path, options);
    } catch (error) {
      await release();
      throw error;
    }
    return { area: "spool", path: name, release };
  }

  #target(key: string): Target {
    return targetFor(this.#storage, key);
  }

  #key(key: string): string {
    return keyInBucket(this.#storage, key);
  }

  #prefixed(start: string): string {
    return prefixed(this.#storage, start);
  }

  /** Reading an object: what is not there is NOT_FOUND. */
  #reading<T>(doing: string, options: StoreOptions, work: () => Promise<T>): Promise<T> {
    return this.#guard(doing, options, work, "NOT_FOUND");
  }

  async #guard<T>(
    doing: string,
    { signal }: StoreOptions,
    work: () => Promise<T>,
    missing?: ErrorCode,
  ): Promise<T> {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      throw this.#failure(error, doing, { signal, missing });
    }
  }

  #failure(
    error: unknown,
    doing: string,
    options: { signal?: AbortSignal | undefined; missing?: ErrorCode | undefined },
  ): DaemonError {
    return s3Error(error, { doing, endpoint: this.#storage.endpoint, ...options });
  }
}

async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (failureOf(error).kind === "missing") return undefined;
    throw error;
  }
}
