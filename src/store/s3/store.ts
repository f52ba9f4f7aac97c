/**
 * The S3 store: objects under their keys below a prefix of one bucket.
 *
 * It asks little of the server, because servers differ: PUT, GET with ranges, HEAD, DELETE, COPY,
 * ListObjectsV2 and multipart uploads. No conditional writes: some answer 501 to them. References
 * are single objects, which S3 replaces in one step, and carry their own digest. Blobs are freshened
 * by a copy onto themselves, where they are old enough for a collection to matter.
 */

import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
} from "@aws-sdk/client-s3";
import { join } from "@std/path";
import type { Clock } from "../../clock.ts";
import { type Digest, digestOf, hexOf } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import { logger } from "../../log.ts";
import type { HeldFile, SpooledBlob } from "../../spool.ts";
import type {
  DeleteBlobOptions,
  HasBlobOptions,
  ObjectInfo,
  ObjectStore,
  RefBytes,
  StoreOptions,
  SweepOptions,
  Tally,
} from "../api.ts";
import { fileError } from "../file/errors.ts";
import { removeIfThere } from "../file/durable.ts";
import { blobKey, checkArchiveName, checkKey, KEY_ROOTS, LEASE_KEY } from "../keys.ts";
import { spooledFile } from "../spooled.ts";
import { Connection, type S3Observer } from "./connection.ts";
import { download, type Source } from "./download.ts";
import { CorruptAnswerError, failureOf, s3Error } from "./errors.ts";
import { Freshener, type Head } from "./freshener.ts";
import { DEFAULT_TUNING, type S3Options, type S3Tuning } from "./options.ts";
import { sha256OfFile } from "./slice.ts";
import { sweepUploads } from "./sweep.ts";
import { putBytes, putBytesOnce, putFile, type Target } from "./upload.ts";

const log = logger("store");

/** A reference is a few kilobytes; this is what a lying server can make us read. */
const MAX_REF_BYTES = 16 << 20;
/**
 * A reference that reads the same this often is what is stored, whatever its metadata says: some
 * servers do not replace the two together. Its reader checks its form.
 */
const SAME_ANSWERS = 3;
/** How often a blob is downloaded that fails its digest. */
const DOWNLOADS = 3;

export interface S3StoreOptions {
  storage: S3Options;
  /** The spool's folder, absolute. */
  spoolDir: string;
  clock: Clock;
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
  readonly #freshener: Freshener;

  private constructor(connection: Connection, options: S3StoreOptions) {
    // What is younger than `freshenAfterMs` is not freshened: the rest must be half the grace.
    this.minimumGraceMs = 2 * connection.tuning.freshenAfterMs;
    this.#connection = connection;
    this.#storage = options.storage;
    this.#spool = options.spoolDir;
    this.#freshener = new Freshener(connection, {
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
      await this.#connection.request(
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
      if (options.freshen ?? true) return await this.#freshener.freshen(digest, size, options);
      return (await this.#head(blobKey(digest), options))?.size === size;
    });
  }

  async getBlobBytes(
    digest: Digest,
    maxBytes: number,
    options: StoreOptions = {},
  ): Promise<Uint8Array> {
    return await this.#guard(`Cannot read the blob ${digest}`, options, async () => {
      const { bytes } = await this.#get(blobKey(digest), maxBytes, options, (got) => {
        if (digestOf(got) !== digest) throw new CorruptAnswerError("its content fails its digest");
      });
      return bytes;
    });
  }

  async holdBlob(digest: Digest, size: number, options: StoreOptions = {}): Promise<HeldFile> {
    return await this.#guard(`Cannot read the blob ${digest}`, options, async () => {
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
    return await this.#guard(`Cannot read ${key}`, options, async () => {
      let last = "";
      let repeats = 0;
      const { bytes } = await this.#get(key, MAX_REF_BYTES, options, (got, { sha256 }) => {
        const actual = hexOf(digestOf(got));
        if (sha256 === undefined || sha256 === actual) return;
        repeats = actual === last ? repeats + 1 : 1;
        last = actual;
        if (repeats < SAME_ANSWERS) {
          throw new CorruptAnswerError("its content fails the digest it was stored with");
        }
        log.warn("The content of {key} is not what its metadata says; the content decides", {
          key,
        });
      });
      return bytes;
    });
  }

  async putRef(key: string, bytes: RefBytes, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot write ${key}`, options, async () => {
      await this.#connection.retrying(async () => {
        const now = typeof bytes === "function" ? await bytes() : bytes;
        await putBytesOnce(this.#connection, this.#refTarget(key, now), now, options);
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
  async claimRef(
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

  async holdArchive(
    object: string,
    bucket: string,
    options: StoreOptions = {},
  ): Promise<HeldFile> {
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
      const head = await this.#headOf(bucket, object, options);
      if (!head) throw new DaemonError("NOT_FOUND", `There is no archive ${name} in this store`);
      const { size, etag } = head;
      const source = { Bucket: bucket, Key: object, size, ...(etag ? { etag } : {}) };
      return await this.#downloadToSpool(source, options);
    });
  }

  async *list(prefix: string, options: StoreOptions = {}): AsyncGenerator<ObjectInfo> {
    const input = { Bucket: this.#storage.bucket, Prefix: this.#prefixed(prefix) };
    let token: string | undefined;
    try {
      do {
        const ContinuationToken = token;
        const page = await this.#connection.request(
          (client, sending) =>
            client.send(new ListObjectsV2Command({ ...input, ContinuationToken }), sending),
          options,
        );
        for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
          if (!Key.startsWith(input.Prefix)) continue;
          const key = Key.slice(this.#prefixed("").length);
          yield { key, size: Size, modified: LastModified?.getTime() ?? this.#connection.now() };
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined;
        if (page.IsTruncated && token === ContinuationToken) {
          throw new CorruptAnswerError("the store cut a listing without saying how it goes on");
        }
      } while (token !== undefined);
    } catch (error) {
      throw this.#failure(error, `Cannot list ${prefix}`, options);
    }
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

  /** A reference as it is, if it is there; its reader checks its form. */
  async #readRef(key: string, options: StoreOptions): Promise<Uint8Array | undefined> {
    return (await unlessMissing(this.#get(key, MAX_REF_BYTES, options, () => {})))?.bytes;
  }

  #refTarget(key: string, bytes: Uint8Array): Target {
    return { ...this.#target(key), Metadata: { sha256: hexOf(digestOf(bytes)) } };
  }

  #head(key: string, options: StoreOptions): Promise<Head | undefined> {
    return this.#headOf(this.#storage.bucket, this.#key(key), options);
  }

  async #headOf(Bucket: string, Key: string, options: StoreOptions): Promise<Head | undefined> {
    const head = await unlessMissing(this.#connection.request(
      (client, sending) => client.send(new HeadObjectCommand({ Bucket, Key }), sending),
      options,
    ));
    if (!head) return undefined;
    return {
      size: head.ContentLength ?? 0,
      modified: head.LastModified?.getTime() ?? 0,
      ...(head.ETag ? { etag: head.ETag } : {}),
    };
  }

  /** A small object; `check` throws CorruptAnswerError for what is worth asking again. */
  async #get(
    key: string,
    maxBytes: number,
    options: StoreOptions,
    check: (bytes: Uint8Array, metadata: Record<string, string>) => void,
  ): Promise<{ bytes: Uint8Array }> {
    const input = { Bucket: this.#storage.bucket, Key: this.#key(key) };
    return await this.#connection.request(async (client, sending) => {
      const { Body, Metadata = {} } = await client.send(new GetObjectCommand(input), sending);
      if (!Body) throw new CorruptAnswerError("the store answered without a body");
      const bytes = await collect(Body as AsyncIterable<Uint8Array>, key, maxBytes);
      check(bytes, Metadata);
      return { bytes };
    }, options);
  }

  async #downloadToSpool(source: Source, options: StoreOptions): Promise<HeldFile> {
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
    return { room: "spool", path: name, release };
  }

  #target(key: string): Target {
    const { bucket, serverSideEncryption, kmsKeyId, storageClass } = this.#storage;
    return {
      Bucket: bucket,
      Key: this.#key(key),
      ContentType: "application/octet-stream",
      ...(serverSideEncryption ? { ServerSideEncryption: serverSideEncryption } : {}),
      ...(kmsKeyId ? { SSEKMSKeyId: kmsKeyId } : {}),
      ...(storageClass ? { StorageClass: storageClass } : {}),
    };
  }

  /** The key in the bucket of a key in the store. */
  #key(key: string): string {
    checkKey(key, KEY_ROOTS);
    return this.#prefixed(key);
  }

  /** The same for the beginning of one. */
  #prefixed(start: string): string {
    const { prefix } = this.#storage;
    return prefix ? `${prefix}/${start}` : start;
  }

  async #guard<T>(doing: string, { signal }: StoreOptions, work: () => Promise<T>): Promise<T> {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      throw this.#failure(error, doing, { signal });
    }
  }

  #failure(error: unknown, doing: string, { signal }: { signal?: AbortSignal | undefined }) {
    return s3Error(error, { doing, endpoint: this.#storage.endpoint, signal });
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

/** A body whole in memory. @throws {DaemonError} DATA_LOSS once it exceeds `maxBytes`. */
async function collect(
  body: AsyncIterable<Uint8Array>,
  key: string,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new DaemonError(
        "DATA_LOSS",
        `${key} has more than the ${maxBytes} bytes that were expected`,
      );
    }
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
