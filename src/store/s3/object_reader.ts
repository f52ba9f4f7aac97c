/** Reads the objects of an S3 store: their heads, blobs into memory, blobs and archives into the spool. */

import { join } from "@std/path";
import { type Digest, digestOf, hexOf } from "../../digest.ts";
import { logger } from "../../log/mod.ts";
import { removeIfThere } from "../../remove_if_there.ts";
import type { LeasedFile } from "../../spool.ts";
import { fileError } from "../file/file_errors.ts";
import { blobKey } from "../keys.ts";
import type { BlobRange, StoreOptions } from "../object_store.ts";
import type { Connection } from "./connection.ts";
import { download, downloadRange, type Source } from "./download.ts";
import { refuseForeignContent } from "./foreign_content.ts";
import { type Head, headOnce, type HeadOptions, type ObjectLocation } from "./head.ts";
import type { S3Options } from "./options.ts";
import { CorruptAnswerError, unlessMissing } from "./s3_errors.ts";
import { sha256OfFile } from "./slice.ts";
import { getSmallObject } from "./small_object.ts";
import { keyInBucket } from "./target.ts";

const log = logger("store");

/** How often a blob that fails its digest is downloaded. */
const MAX_DOWNLOADS = 3;

/** Options of an {@link ObjectReader}. */
export interface ObjectReaderOptions {
  storage: S3Options;
  /** The spool's folder, absolute. */
  spoolDir: string;
}

/** Reads objects. Throws what requests throw, see `s3_errors.ts`; a missing object is among it. */
export class ObjectReader {
  readonly #connection: Connection;
  readonly #storage: S3Options;
  readonly #spool: string;

  constructor(connection: Connection, { storage, spoolDir }: ObjectReaderOptions) {
    this.#connection = connection;
    this.#storage = storage;
    this.#spool = spoolDir;
  }

  /** Asks for an object's size and age; resolves to `undefined` where there is none. */
  async head(where: ObjectLocation, options: HeadOptions): Promise<Head | undefined> {
    return await unlessMissing(
      this.#connection.retrying(() => headOnce(this.#connection, where, options), options),
    );
  }

  /** Reads a blob into memory and checks its digest. */
  async getBlobBytes(digest: Digest, maxBytes: number, options: StoreOptions): Promise<Uint8Array> {
    return await this.#refusingForeign(digest, options, async () => {
      return await this.#connection.retrying(async () => {
        const where = { storage: this.#storage, key: blobKey(digest) };
        const { bytes, etag } = await getSmallObject(this.#connection, where, maxBytes, options);
        if (digestOf(bytes) === digest) return bytes;
        throw new CorruptAnswerError("its content fails its digest", { etag });
      }, options);
    });
  }

  /** Downloads a blob into the spool and checks its digest. The caller releases the file. */
  async acquireBlob(digest: Digest, size: number, options: StoreOptions): Promise<LeasedFile> {
    return await this.#refusingForeign(digest, options, async () => {
      const source = { ...this.#locationOf(digest), size };
      for (let downloads = 1;; downloads++) {
        const file = await this.download(source, options);
        if (await sha256OfFile(join(this.#spool, file.path), size) === hexOf(digest)) return file;
        await file.release();
        if (downloads === MAX_DOWNLOADS) {
          throw new CorruptAnswerError(
            `it fails its digest each of ${downloads} times it was read`,
            { etag: file.etag },
          );
        }
        log.warn("The blob {digest} came with a wrong digest and is read again", { digest });
      }
    });
  }

  /** Reads a part of a blob into memory, unchecked but for its size. */
  async getBlobRange(
    digest: Digest,
    size: number,
    range: BlobRange,
    options: StoreOptions,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#refusingForeign(digest, options, async () => {
      const source = { ...this.#locationOf(digest), size };
      return await downloadRange(this.#connection, source, range, options);
    });
  }

  /** Downloads an object into the spool, unchecked. The caller releases the file. */
  async download(
    source: Source,
    options: StoreOptions,
  ): Promise<LeasedFile & { etag: string | undefined }> {
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
      const etag = await download(this.#connection, source, path, options);
      return { area: "spool", path: name, release, etag };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /**
   * Runs the read of a blob.
   * @throws {ForeignAnswerError} in place of a {@link CorruptAnswerError} for damaged content that the
   * store's listing does not know
   */
  async #refusingForeign<T>(
    digest: Digest,
    options: StoreOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof CorruptAnswerError && error.etag !== undefined) {
        const where = this.#locationOf(digest);
        await refuseForeignContent(this.#connection, where, error.etag, options);
      }
      throw error;
    }
  }

  #locationOf(digest: Digest): ObjectLocation {
    return { Bucket: this.#storage.bucket, Key: keyInBucket(this.#storage, blobKey(digest)) };
  }
}
