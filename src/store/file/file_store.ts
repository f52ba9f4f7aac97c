/**
 * The embedded store: a folder.
 *
 * - `blobs/sha256/<hex>`, `refs/…`, `objects/…` hold the objects under their keys; a file's time of
 *   modification is when it was stored or last touched.
 * - `archives/<bucket>/<object>` is for operators: plain archives that others made.
 * - `tmp/` holds what is being written; only a crash leaves something there.
 *
 * - `claim.lock` is locked while somebody claims a reference, and otherwise empty and without meaning.
 *
 * Nothing else is locked: every step is atomic in the file system itself, so several daemons may
 * share the folder. Their clocks must agree far better than the grace of collection is long.
 */

import { dirname, join } from "@std/path";
import type { Clock } from "../../clock.ts";
import { type Digest, digestOf } from "../../digest.ts";
import { DaemonError, type ErrorCode } from "../../errors.ts";
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
import { BLOB_PREFIX, blobKey, checkArchiveName, checkKey, KEY_ROOTS, LEASE_KEY } from "../keys.ts";
import { awaitCollector } from "../lease.ts";
import { spooledFile } from "../spooled_file.ts";
import {
  copySynced,
  DIR_MODE,
  FILE_MODE,
  makeDirectories,
  moveDurably,
  pruneUpwards,
  removeDurably,
  removeIfThere,
  syncDirectory,
  syncFile,
  writeSynced,
} from "./durable.ts";
import { fileError, isCrossDevice, isMissing, throwIfAborted } from "./file_errors.ts";
import { statOf, walkKeys } from "./walk_keys.ts";

const TMP = "tmp";
const ARCHIVES = "archives";
const CLAIM_LOCK = "claim.lock";

/** What a {@link FileStore} uses. */
export interface FileStoreOptions {
  /** The store's folder, absolute; made where it is missing. */
  folder: string;
  /** The spool's folder, absolute. */
  spoolDir: string;
  clock: Clock;
}

/** Folders that every store has from its beginning; none is removed when it is empty. */
const PARTS = ["blobs", "refs", TMP];

/** {@link ObjectStore} in a folder. */
export class FileStore implements ObjectStore {
  readonly kind = "fs";
  /** A stored blob is touched each time, so any grace will do that is twice a backup's duration. */
  readonly minimumGraceMs = 0;
  readonly #folder: string;
  readonly #spool: string;
  readonly #clock: Clock;

  private constructor(options: FileStoreOptions) {
    this.#folder = options.folder;
    this.#spool = options.spoolDir;
    this.#clock = options.clock;
  }

  /** Opens a store, making its folders. @throws {DaemonError} where it cannot be used. */
  static async open(options: FileStoreOptions): Promise<FileStore> {
    try {
      await Deno.mkdir(options.folder, { recursive: true, mode: DIR_MODE });
      await closeToOthers(options.folder);
      for (const name of [BLOB_PREFIX, "gc", "objects", "refs", ARCHIVES, TMP]) {
        await requireOwnFolder(options.folder, name);
        await makeDirectories(options.folder, name);
      }
      await requireOwnLock(join(options.folder, CLAIM_LOCK));
    } catch (error) {
      throw fileError(error, `Cannot open the store in ${options.folder}`, "FAILED_PRECONDITION");
    }
    return new FileStore(options);
  }

  async probe(options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot write to the store in ${this.#folder}`, options, async () => {
      const path = this.#temporary();
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
      if (missing) await this.#adopt(source, blobKey(blob.digest), options);
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
      await this.#write(blobKey(digest), bytes);
      return true;
    });
  }

  async hasBlob(digest: Digest, size: number, options: HasBlobOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot look for the blob ${digest}`, options, async () => {
      if (options.touch ?? true) return await this.#touchBlob(digest, size, options);
      const info = await statOf(this.#path(blobKey(digest)));
      if (!info) await this.#checkFolder();
      return isWhole(info, size);
    });
  }

  async getBlobBytes(
    digest: Digest,
    maxBytes: number,
    options: StoreOptions = {},
  ): Promise<Uint8Array> {
    return await this.#reading(`Cannot read the blob ${digest}`, options, async () => {
      const path = this.#path(blobKey(digest));
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
      const info = await Deno.lstat(this.#path(path));
      if (!isWhole(info, size)) {
        throw new DaemonError(
          "DATA_LOSS",
          `The blob ${digest} has ${info.size} bytes where ${size} were expected`,
        );
      }
      return leased(path);
    });
  }

  async getRef(key: string, options: StoreOptions = {}): Promise<Uint8Array> {
    return await this.#reading(
      `Cannot read ${key}`,
      options,
      () => Deno.readFile(this.#path(key)),
    );
  }

  async putRef(key: string, bytes: RefBytes, options: StoreOptions = {}): Promise<void> {
    await this.#guard(
      `Cannot write ${key}`,
      options,
      async () => this.#write(key, typeof bytes === "function" ? await bytes() : bytes),
    );
  }

  async compareAndClaimRef(
    key: string,
    decide: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#guard(`Cannot claim ${key}`, options, async () => {
      await this.#checkFolder();
      const lock = { read: true, write: true, create: true, mode: FILE_MODE };
      // The lock goes with the descriptor: no crash leaves one.
      using file = await Deno.open(join(this.#folder, CLAIM_LOCK), lock);
      await file.lock(true);
      const bytes = decide(await this.#readIfThere(key));
      if (bytes) await this.#write(key, bytes);
      return bytes !== undefined;
    });
  }

  async deleteRef(key: string, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot delete ${key}`, options, async () => {
      if (!await removeDurably(this.#path(key))) await this.#checkFolder();
      await pruneUpwards(this.#folder, key);
    });
  }

  async putObject(key: string, file: SpooledBlob, options: StoreOptions = {}): Promise<void> {
    await this.#guard(`Cannot store ${key}`, options, async () => {
      const source = await spooledFile(this.#spool, file);
      await this.#adopt(source, key, options);
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
        const info = await statOf(join(this.#folder, ...parts.slice(0, n)));
        if (info?.isSymlink) {
          throw new DaemonError(
            "FAILED_PRECONDITION",
            `The archive ${name} lies behind a symbolic link (${parts.slice(0, n).join("/")} in ` +
              "the store); put a regular file there",
          );
        }
        if (!(n === parts.length ? info?.isFile : info?.isDirectory)) {
          await this.#checkFolder();
          throw new DaemonError("NOT_FOUND", `There is no archive ${name} in this store`);
        }
      }
      return leased(parts.join("/"));
    });
  }

  async *list(prefix: string, options: StoreOptions = {}): AsyncGenerator<ObjectInfo> {
    try {
      for (const root of KEY_ROOTS) {
        if (!`${root}/`.startsWith(prefix) && !prefix.startsWith(`${root}/`)) continue;
        const below = prefix.length > root.length ? prefix : `${root}/`;
        for await (const info of walkKeys(this.#folder, below)) {
          throwIfAborted(options.signal);
          yield info;
        }
      }
      await this.#checkFolder();
    } catch (error) {
      throw fileError(error, `Cannot list ${prefix} in the store in ${this.#folder}`);
    }
  }

  async deleteBlob(digest: Digest, options: DeleteBlobOptions = {}): Promise<boolean> {
    return await this.#guard(`Cannot delete the blob ${digest}`, options, async () => {
      const path = this.#path(blobKey(digest));
      const info = await statOf(path);
      if (!info) {
        await this.#checkFolder();
        return false;
      }
      if (options.olderThan !== undefined && modifiedMs(info) >= options.olderThan) return false;
      if (options.mayDelete?.() === false) return false;
      return await removeDurably(path);
    });
  }

  async sweepLeftovers(olderThan: number, options: SweepOptions = {}): Promise<Tally> {
    return await this.#guard(`Cannot tidy the store in ${this.#folder}`, options, async () => {
      const tally: Tally = { count: 0, bytes: 0 };
      for await (const info of walkKeys(this.#folder, `${TMP}/`)) {
        throwIfAborted(options.signal);
        if (info.modified >= olderThan) continue;
        if (!options.dryRun) await removeIfThere(join(this.#folder, info.key));
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
    const path = this.#path(blobKey(digest));
    for (;;) {
      const there = await this.#touch(path);
      if (await this.#awaitCollector(digest, options)) continue;
      const info = await statOf(path);
      if (!info && there) continue;
      // Whoever put it there may not have made its name durable yet, and now we vouch for it.
      if (isWhole(info, size)) await syncDirectory(dirname(path));
      if (!info) await this.#checkFolder();
      return isWhole(info, size);
    }
  }

  async #touch(path: string): Promise<boolean> {
    const now = this.#clock.now() / 1000;
    try {
      await Deno.utime(path, now, now);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  #awaitCollector(digest: Digest, options: StoreOptions): Promise<boolean> {
    return awaitCollector(digest, {
      clock: this.#clock,
      now: () => this.#clock.now(),
      read: () => this.#readIfThere(LEASE_KEY),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  }

  async #readIfThere(key: string): Promise<Uint8Array | undefined> {
    try {
      return await Deno.readFile(this.#path(key));
    } catch (error) {
      if (!isMissing(error)) throw error;
      await this.#checkFolder();
      return undefined;
    }
  }

  async #write(key: string, bytes: Uint8Array): Promise<void> {
    checkKey(key, KEY_ROOTS);
    await this.#checkFolder();
    const temporary = this.#temporary();
    try {
      await writeSynced(temporary, bytes);
      await this.#publish(temporary, key);
    } catch (error) {
      await removeIfThere(temporary);
      throw error;
    }
  }

  /** Takes a spool file over as the object `key`: by name where it can be, else by copy. */
  async #adopt(source: string, key: string, options: StoreOptions): Promise<void> {
    checkKey(key, KEY_ROOTS);
    await this.#checkFolder();
    await syncFile(source);
    try {
      await this.#publish(source, key);
      return;
    } catch (error) {
      if (!isCrossDevice(error)) throw error;
    }
    const temporary = this.#temporary();
    try {
      await copySynced(source, temporary, options.signal);
      await this.#publish(temporary, key);
    } catch (error) {
      await removeIfThere(temporary);
      throw error;
    }
    await removeIfThere(source);
  }

  /** Moves a synced file into place; it is never there with an older time than now. */
  async #publish(path: string, key: string): Promise<void> {
    await Deno.chmod(path, FILE_MODE);
    await this.#touch(path);
    await moveDurably(path, this.#folder, key);
  }

  #path(key: string): string {
    checkKey(key, KEY_ROOTS);
    return join(this.#folder, key);
  }

  #temporary(): string {
    return join(this.#folder, TMP, crypto.randomUUID());
  }

  /** Reading an object: what is not there is NOT_FOUND. */
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
      if (isMissing(error)) await this.#checkFolder();
      throw fileError(error, doing, missing);
    }
  }

  /** A folder that was unmounted, or lost a part, must not pass for a store without objects. */
  async #checkFolder(): Promise<void> {
    for (const part of PARTS) {
      if ((await statOf(join(this.#folder, part)))?.isDirectory) continue;
      throw new DaemonError(
        "UNAVAILABLE",
        `The store's folder ${this.#folder} is gone or has no folder ${part}: is its file system ` +
          "mounted?",
      );
    }
  }
}

function leased(path: string): LeasedFile {
  return { area: "blobs", path, release: () => Promise.resolve() };
}

function isWhole(info: Deno.FileInfo | undefined, size: number): boolean {
  return info !== undefined && info.isFile && info.size === size;
}

function modifiedMs(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

/** @throws where the folder is open to others and not ours to close. */
async function closeToOthers(folder: string): Promise<void> {
  const { mode } = await Deno.stat(folder);
  if (mode !== null && (mode & 0o077) !== 0) await Deno.chmod(folder, DIR_MODE);
}

/** @throws {DaemonError} where a part of the path is no folder: what is below a link lies elsewhere */
async function requireOwnFolder(folder: string, relative: string): Promise<void> {
  let path = folder;
  for (const part of relative.split("/").filter((part) => part !== "")) {
    path = join(path, part);
    const info = await statOf(path);
    if (!info) return;
    if (!info.isDirectory) throw foreign(path, info.isSymlink, "folder");
  }
}

/** @throws {DaemonError} where opening the lock would follow a link, or wait for a FIFO's other end */
async function requireOwnLock(path: string): Promise<void> {
  const info = await statOf(path);
  if (info && !info.isFile) throw foreign(path, info.isSymlink, "file");
}

function foreign(path: string, isLink: boolean, wanted: string): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot use the store: ${path} is ${
      isLink ? "a link" : "something else"
    }, not a ${wanted}; move it away`,
  );
}
