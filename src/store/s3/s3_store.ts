/**
 * Keeps objects in a bucket of an S3 server, under their keys below a prefix.
 *
 * It requires little of the server, because servers differ: PUT, GET with ranges, HEAD, DELETE, COPY,
 * ListObjectsV2 and multipart uploads. No conditional writes: some answer 501 to them. References
 * are single objects, which S3 replaces in one step, and carry their own digest. Blobs are touched
 * by a copy onto themselves, where they are old enough for a collection to matter.
 */

import { DeleteObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { Clock } from "../../clock.ts";
import { type Digest, digestOf, hexOf } from "../../digest.ts";
import { DaemonError, type ErrorCode } from "../../errors.ts";
import { removeIfThere } from "../../remove_if_there.ts";
import type { LeasedFile, SpooledBlob } from "../../spool.ts";
import type {
  ArchiveStoreOptions,
  BlobRange,
  DeleteBlobOptions,
  DeleteRefOptions,
  HasBlobOptions,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  StoreOptions,
  SweepOptions,
  Tally,
} from "../object_store.ts";
import { blobKey, checkArchiveName, KEY_ROOTS, LEASE_KEY } from "../keys.ts";
import { spooledFile } from "../spooled_file.ts";
import { Connection, type S3Observer } from "./connection.ts";
import { unlessMissing, unlessNoBucket } from "./s3_errors.ts";
import { BlobToucher } from "./blob_toucher.ts";
import { areEtagsMd5 } from "./etag_probe.ts";
import type { Head, HeadOptions } from "./head.ts";
import { listObjects } from "./listing.ts";
import { ListingOrder } from "./listing_order.ts";
import { s3Error } from "./messages.ts";
import { ObjectReader } from "./object_reader.ts";
import { DEFAULT_TUNING, type S3Options, type S3Tuning } from "./options.ts";
import { S3References } from "./s3_references.ts";
import { sweepUploads } from "./sweep_uploads.ts";
import { keyInBucket, prefixed, type Target, targetFor } from "./target.ts";
import { putBytes } from "./put_object.ts";
import { putFile } from "./upload.ts";

/** Options of an {@link S3Store}. */
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
  readonly isRemote = true;
  readonly minimumGraceMs: number;
  readonly #connection: Connection;
  readonly #storage: S3Options;
  readonly #spool: string;
  readonly #reader: ObjectReader;
  readonly #order: ListingOrder;
  readonly #refs: S3References;
  readonly #toucher: BlobToucher;

  private constructor(connection: Connection, options: S3StoreOptions) {
    // What is younger than `touchAfterMs` is not touched: the rest must be half the grace.
    this.minimumGraceMs = 2 * connection.tuning.touchAfterMs;
    this.#connection = connection;
    this.#storage = options.storage;
    this.#spool = options.spoolDir;
    this.#reader = new ObjectReader(connection, options);
    this.#order = new ListingOrder(connection, options.storage);
    this.#refs = new S3References(connection, options.storage, this.#order);
    this.#toucher = new BlobToucher(connection, {
      target: (key) => this.#target(key),
      head: (key, options) => this.#head(key, options),
      readLease: (options) => this.#refs.find(LEASE_KEY, options),
    });
  }

  /** Prepares a client; nothing is sent yet. @throws {DaemonError} for options that cannot work. */
  static async open(options: S3StoreOptions): Promise<S3Store> {
    const tuning = { ...DEFAULT_TUNING, ...options.tuning };
    return new S3Store(
      await Connection.open({
        ...options,
        tuning,
        probeEtags: (connection, probeOptions) => {
          const key = `objects/etag-probe/${crypto.randomUUID()}`;
          return areEtagsMd5(connection, targetFor(options.storage, key), probeOptions);
        },
      }),
      options,
    );
  }

  async probe(options: StoreOptions = {}): Promise<void> {
    const { bucket } = this.#storage;
    await this.#guard(`Cannot use the bucket ${bucket}`, options, async () => {
      // No key has this prefix, so the answer has no next page: a server may fail to name one.
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
      const sent = await this.#toucher.ensure(digest, size, send, options);
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
      return await this.#toucher.ensure(digest, bytes.length, send, options);
    });
  }

  async hasBlob(digest: Digest, size: number, options: HasBlobOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot look for the blob ${digest}`, options, async () => {
      if (options.touch ?? true) return await this.#toucher.touch(digest, size, options);
      const head = await this.#head(blobKey(digest), { ...options, confirm: true, size });
      return head?.size === size;
    });
  }

  async getBlobBytes(
    digest: Digest,
    maxBytes: number,
    options: StoreOptions = {},
  ): Promise<Uint8Array> {
    return await this.#reading(
      `Cannot read the blob ${digest}`,
      options,
      () => this.#reader.getBlobBytes(digest, maxBytes, options),
    );
  }

  async acquireBlob(digest: Digest, size: number, options: StoreOptions = {}): Promise<LeasedFile> {
    return await this.#reading(
      `Cannot read the blob ${digest}`,
      options,
      () => this.#reader.acquireBlob(digest, size, options),
    );
  }

  async getBlobRange(
    digest: Digest,
    size: number,
    range: BlobRange,
    options: StoreOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#reading(
      `Cannot read the blob ${digest}`,
      options,
      () => this.#reader.getBlobRange(digest, size, range, options),
    );
  }

  async getRef(key: string, options: StoreOptions = {}): Promise<Uint8Array> {
    return await this.#reading(`Cannot read ${key}`, options, () => this.#refs.get(key, options));
  }

  async putRef(key: string, bytes: Uint8Array, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot write ${key}`, options, () => this.#refs.put(key, bytes, options));
  }

  async replaceRef(
    key: string,
    expected: Uint8Array | undefined,
    bytes: Uint8Array,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#guard(
      `Cannot write ${key}`,
      options,
      () => this.#refs.replace(key, expected, bytes, options),
    );
  }

  async compareAndClaimRef(
    key: string,
    decide: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#guard(
      `Cannot claim ${key}`,
      options,
      () => this.#refs.compareAndClaim(key, decide, options),
    );
  }

  async deleteRef(key: string, options: DeleteRefOptions = {}): Promise<boolean> {
    const { expected } = options;
    return await this.#guard(`Cannot delete ${key}`, options, async () => {
      const current = expected && await this.#refs.find(key, options);
      if (current && digestOf(current) !== digestOf(expected)) return false;
      const input = { Bucket: this.#storage.bucket, Key: this.#key(key) };
      await unlessMissing(this.#connection.request(
        (client, sending) => client.send(new DeleteObjectCommand(input), sending),
        options,
      ));
      return true;
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
    { isConfigured = false, ...options }: ArchiveStoreOptions = {},
  ): Promise<LeasedFile> {
    checkArchiveName(object, bucket);
    const name = `${object}@${bucket}`;
    const { bucket: own, archiveBuckets = [] } = this.#storage;
    if (!isConfigured && bucket !== own && !archiveBuckets.includes(bucket)) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `The bucket ${bucket} of the archive ${name} is neither storage.bucket nor in ` +
          "storage.archiveBuckets",
        { reason: "STORE_REFUSED" },
      );
    }
    return await this.#guard(`Cannot read the archive ${name}`, options, async () => {
      const where = { Bucket: bucket, Key: object };
      const looked = this.#reader.head(where, { ...options, confirm: true });
      const head = await (isConfigured ? unlessNoBucket(looked) : looked);
      if (!head) {
        throw new DaemonError("NOT_FOUND", `There is no archive ${name} in this store`, {
          reason: "SNAPSHOT_NOT_FOUND",
          resource: { type: "snapshot", name },
        });
      }
      const { size, etag } = head;
      return await this.#reader.download({ ...where, size, etag }, options);
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    try {
      const parts = { connection: this.#connection, storage: this.#storage, order: this.#order };
      yield* listObjects(parts, prefix, options);
    } catch (error) {
      throw this.#failure(error, `Cannot list ${prefix}`, options);
    }
  }

  async deleteBlob(digest: Digest, options: DeleteBlobOptions = {}): Promise<boolean> {
    const { olderThan = Infinity } = options;
    const input = { Bucket: this.#storage.bucket, Key: this.#key(blobKey(digest)) };
    return await this.#guard(`Cannot delete the blob ${digest}`, options, async () => {
      let sent = false;
      // Reads the age again before each attempt: an answer that was lost may have taken a while.
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
      // Other objects of the bucket are another application's.
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

  #head(key: string, options: HeadOptions): Promise<Head | undefined> {
    return this.#reader.head({ Bucket: this.#storage.bucket, Key: this.#key(key) }, options);
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

  /** Runs a read, in which a missing object is NOT_FOUND. */
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
