/**
 * Keeps the embedded store in a folder.
 *
 * - `blobs/sha256/<hex>`, `refs/…`, `objects/…` hold the objects under their keys; a file's time of
 *   modification is when it was stored or last touched.
 * - `archives/<bucket>/<object>` is for operators: plain archives that others made.
 * - `tmp/` holds what is being written; only a crash leaves something there.
 * - `claim.lock` is locked while somebody claims a reference, and otherwise empty and without meaning.
 *
 * Nothing else is locked: every step is atomic in the file system itself, so several daemons may
 * share the folder. Their clocks must agree far better than the grace of collection is long.
 */

import { dirname, join } from "@std/path";
import type { Clock } from "../../clock.ts";
import { type Digest, digestOf } from "../../digest.ts";
import { DaemonError, type ErrorCode } from "../../errors.ts";
import { removeIfThere } from "../../remove_if_there.ts";
import type { LeasedFile, SpooledBlob } from "../../spool.ts";
import type {
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
import { awaitCollector } from "../lease.ts";
import { spooledFile } from "../spooled_file.ts";
import { FILE_MODE, pruneUpwards, removeDurably, syncDirectory } from "./durable.ts";
import { fileError, isMissing, throwIfAborted } from "./file_errors.ts";
import { ARCHIVES, ObjectFolder, TMP } from "./object_folder.ts";
import { statOf, walkKeys } from "./walk_keys.ts";

/** Options of a {@link FileStore}. */
export interface FileStoreOptions {
  /** The store's folder, absolute; made where it is missing. */
  folder: string;
  /** The spool's folder, absolute. */
  spoolDir: string;
  clock: Clock;
}

/** {@link ObjectStore} in a folder. */
export class FileStore implements ObjectStore {
  readonly kind = "fs";
  /** A stored blob is touched each time, so any grace will do that is twice a backup's duration. */
  readonly isRemote = false;
  readonly minimumGraceMs = 0;
  readonly #folder: ObjectFolder;
  readonly #spool: string;
  readonly #clock: Clock;

  private constructor(folder: ObjectFolder, options: FileStoreOptions) {
    this.#folder = folder;
    this.#spool = options.spoolDir;
    this.#clock = options.clock;
  }

  /** Opens a store, making its folders. @throws {DaemonError} where it cannot be used. */
  static async open(options: FileStoreOptions): Promise<FileStore> {
    try {
      return new FileStore(await ObjectFolder.open(options.folder, options.clock), options);
    } catch (error) {
      throw fileError(error, `Cannot open the store in ${options.folder}`, "FAILED_PRECONDITION");
    }
  }

  async probe(options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot write to the store in ${this.#folder.root}`, options, async () => {
      const path = this.#folder.temporaryPath();
      try {
        await Deno.writeFile(path, new Uint8Array(1), { createNew: true, mode: FILE_MODE });
      } finally {
        await removeIfThere(path);
      }
    });
  }

  async putBlob(blob: SpooledBlob, options: StoreOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot store the blob ${blob.digest}`, options, async () => {
      const source = await spooledFile(this.#spool, blob);
      const missing = !await this.#touchBlob(blob.digest, blob.size, options);
      if (missing) await this.#folder.adopt(source, blobKey(blob.digest), options);
      else await removeIfThere(source);
      return missing;
    });
  }

  async putBlobBytes(
    digest: Digest,
    bytes: Uint8Array,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#guard(`Cannot store the blob ${digest}`, options, async () => {
      if (await this.#touchBlob(digest, bytes.length, options)) return false;
      await this.#folder.write(blobKey(digest), bytes);
      return true;
    });
  }

  async hasBlob(digest: Digest, size: number, options: HasBlobOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot look for the blob ${digest}`, options, async () => {
      if (options.touch ?? true) return await this.#touchBlob(digest, size, options);
      const info = await statOf(this.#folder.path(blobKey(digest)));
      if (!info) await this.#folder.check();
      return isWhole(info, size);
    });
  }

  async getBlobBytes(
    digest: Digest,
    maxBytes: number,
    options: StoreOptions = {},
  ): Promise<Uint8Array> {
    return await this.#reading(`Cannot read the blob ${digest}`, options, async () => {
      const path = this.#folder.path(blobKey(digest));
      const { size } = await Deno.lstat(path);
      if (size > maxBytes) {
        throw new DaemonError(
          "DATA_LOSS",
          `The blob ${digest} has ${size} bytes where at most ${maxBytes} were expected`,
        );
      }
      const bytes = await Deno.readFile(path);
      if (digestOf(bytes) !== digest) {
        throw new DaemonError("DATA_LOSS", `The blob ${digest} fails its digest (in ${path})`);
      }
      return bytes;
    });
  }

  async acquireBlob(digest: Digest, size: number, options: StoreOptions = {}): Promise<LeasedFile> {
    return await this.#reading(`Cannot read the blob ${digest}`, options, async () => {
      const path = blobKey(digest);
      const info = await Deno.lstat(this.#folder.path(path));
      if (!isWhole(info, size)) throw wrongSize(digest, info, size);
      return leased(path);
    });
  }

  async getBlobRange(
    digest: Digest,
    size: number,
    { start, end }: BlobRange,
    options: StoreOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const doing = `Cannot read the blob ${digest}`;
    return await this.#reading(doing, options, async () => {
      using file = await Deno.open(this.#folder.path(blobKey(digest)));
      const info = await file.stat();
      if (!isWhole(info, size)) throw wrongSize(digest, info, size);
      await file.seek(start, Deno.SeekMode.Start);
      const bytes = new Uint8Array(end - start);
      for (let at = 0, count: number | null; at < bytes.length; at += count) {
        count = await file.read(bytes.subarray(at));
        if (count === null) throw wrongSize(digest, { size: start + at }, size);
      }
      return bytes;
    });
  }

  async getRef(key: string, options: StoreOptions = {}): Promise<Uint8Array> {
    return await this.#reading(
      `Cannot read ${key}`,
      options,
      () => Deno.readFile(this.#folder.path(key)),
    );
  }

  async putRef(key: string, bytes: Uint8Array, options: StoreOptions = {}): Promise<void> {
    await this.#guard(
      `Cannot write ${key}`,
      options,
      () => this.#folder.write(key, bytes),
    );
  }

  async replaceRef(
    key: string,
    expected: Uint8Array | undefined,
    bytes: Uint8Array,
    options: StoreOptions = {},
  ): Promise<boolean> {
    const replace = async () => {
      const current = await this.#folder.readIfThere(key);
      if (!isSame(current, expected)) return false;
      await this.#folder.write(key, bytes);
      return true;
    };
    return await this.#guard(
      `Cannot write ${key}`,
      options,
      () => this.#folder.whileLockedIfPossible(replace),
    );
  }

  async compareAndClaimRef(
    key: string,
    decide: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#guard(`Cannot claim ${key}`, options, async () => {
      return await this.#folder.whileLocked(async () => {
        const bytes = decide(await this.#folder.readIfThere(key));
        if (bytes) await this.#folder.write(key, bytes);
        return bytes !== undefined;
      });
    });
  }

  async deleteRef(key: string, options: DeleteRefOptions = {}): Promise<boolean> {
    const { expected } = options;
    const remove = async () => {
      if (!await removeDurably(this.#folder.path(key))) await this.#folder.check();
      await pruneUpwards(this.#folder.root, key);
      return true;
    };
    const removeExpected = async () => {
      const current = await this.#folder.readIfThere(key);
      return (!current || isSame(current, expected)) && await remove();
    };
    return await this.#guard(
      `Cannot delete ${key}`,
      options,
      () => expected ? this.#folder.whileLockedIfPossible(removeExpected) : remove(),
    );
  }

  async putObject(key: string, file: SpooledBlob, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot store ${key}`, options, async () => {
      const source = await spooledFile(this.#spool, file);
      await this.#folder.adopt(source, key, options);
    });
  }

  async acquireArchive(
    object: string,
    bucket: string,
    options: StoreOptions = {},
  ): Promise<LeasedFile> {
    checkArchiveName(object, bucket);
    const name = `${object}@${bucket}`;
    return await this.#reading(`Cannot read the archive ${name}`, options, async () => {
      const parts = [ARCHIVES, bucket, ...object.split("/")];
      for (let n = 2; n <= parts.length; n++) {
        const info = await statOf(join(this.#folder.root, ...parts.slice(0, n)));
        if (info?.isSymlink) {
          throw new DaemonError(
            "FAILED_PRECONDITION",
            `The archive ${name} lies behind a symbolic link (${parts.slice(0, n).join("/")} in ` +
              "the store); put a regular file there",
            { reason: "STORE_REFUSED" },
          );
        }
        if (!(n === parts.length ? info?.isFile : info?.isDirectory)) {
          await this.#folder.check();
          throw new DaemonError("NOT_FOUND", `There is no archive ${name} in this store`, {
            reason: "SNAPSHOT_NOT_FOUND",
            resource: { type: "snapshot", name },
          });
        }
      }
      return leased(parts.join("/"));
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    try {
      for (const root of KEY_ROOTS) {
        if (!`${root}/`.startsWith(prefix) && !prefix.startsWith(`${root}/`)) continue;
        const below = prefix.length > root.length ? prefix : `${root}/`;
        for await (const info of walkKeys(this.#folder.root, below, options.after)) {
          throwIfAborted(options.signal);
          yield info;
        }
      }
      await this.#folder.check();
    } catch (error) {
      throw fileError(error, `Cannot list ${prefix} in the store in ${this.#folder.root}`);
    }
  }

  async deleteBlob(digest: Digest, options: DeleteBlobOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot delete the blob ${digest}`, options, async () => {
      const path = this.#folder.path(blobKey(digest));
      const info = await statOf(path);
      if (!info) {
        await this.#folder.check();
        return false;
      }
      if (options.olderThan !== undefined && modifiedMs(info) >= options.olderThan) return false;
      if (options.mayDelete?.() === false) return false;
      return await removeDurably(path);
    });
  }

  async sweepLeftovers(olderThan: number, options: SweepOptions = {}): Promise<Tally> {
    return await this.#guard(`Cannot tidy the store in ${this.#folder.root}`, options, async () => {
      const tally: Tally = { count: 0, bytes: 0 };
      for await (const info of walkKeys(this.#folder.root, `${TMP}/`)) {
        throwIfAborted(options.signal);
        if (info.modified >= olderThan) continue;
        if (!options.dryRun) await removeIfThere(join(this.#folder.root, info.key));
        tally.count++;
        tally.bytes += info.size;
      }
      return tally;
    });
  }

  now(): Promise<number> {
    return Promise.resolve(this.#clock.now());
  }

  async close(): Promise<void> {}

  /**
   * Touches the blob. Resolves to whether it is stored, and safe from collection for another grace period;
   * see `lease.ts`. One of another size is touched, too, so that no deletion hits what replaces it.
   */
  async #touchBlob(digest: Digest, size: number, options: StoreOptions): Promise<boolean> {
    const path = this.#folder.path(blobKey(digest));
    for (;;) {
      const there = await this.#folder.touch(path);
      if (await this.#awaitCollector(digest, options)) continue;
      const info = await statOf(path);
      if (!info && there) continue;
      // The writer may not have made its name durable yet, and the caller now relies on that.
      if (isWhole(info, size)) await syncDirectory(dirname(path));
      if (!info) await this.#folder.check();
      return isWhole(info, size);
    }
  }

  #awaitCollector(digest: Digest, options: StoreOptions): Promise<boolean> {
    return awaitCollector(digest, {
      clock: this.#clock,
      now: () => this.#clock.now(),
      read: () => this.#folder.readIfThere(LEASE_KEY),
      signal: options.signal,
    });
  }

  /** Runs a read, in which a missing object is NOT_FOUND. */
  #reading<T>(doing: string, options: StoreOptions, work: () => Promise<T>): Promise<T> {
    return this.#guard(doing, options, work, "NOT_FOUND");
  }

  async #guard<T>(
    doing: string,
    options: StoreOptions,
    work: () => Promise<T>,
    missing?: ErrorCode,
  ): Promise<T> {
    throwIfAborted(options.signal);
    try {
      return await work();
    } catch (error) {
      throwIfAborted(options.signal);
      if (isMissing(error)) await this.#folder.check();
      throw fileError(error, doing, missing);
    }
  }
}

function leased(path: string): LeasedFile {
  return { area: "blobs", path, release: () => Promise.resolve() };
}

function isWhole(info: Deno.FileInfo | undefined, size: number): boolean {
  return info !== undefined && info.isFile && info.size === size;
}

function wrongSize(digest: Digest, info: { size: number }, size: number): DaemonError {
  return new DaemonError(
    "DATA_LOSS",
    `The blob ${digest} has ${info.size} bytes where ${size} were expected`,
  );
}

function modifiedMs(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (!one || !other) return one === other;
  return one.length === other.length && one.every((byte, n) => byte === other[n]);
}
