/** Lays out the folder of an embedded store, and writes, reads and touches objects by their keys. */

import { join } from "@std/path";
import type { Clock } from "../../clock.ts";
import { DaemonError, errnoOf } from "../../errors.ts";
import { removeIfThere } from "../../remove_if_there.ts";
import { BLOB_PREFIX, checkKey, KEY_ROOTS } from "../keys.ts";
import type { StoreOptions } from "../object_store.ts";
import {
  copySynced,
  DIR_MODE,
  FILE_MODE,
  makeDirectories,
  moveDurably,
  syncFile,
  writeSynced,
} from "./durable.ts";
import { isCrossDevice, isMissing } from "./file_errors.ts";
import { statOf } from "./walk_keys.ts";

/** The folder of files that are being written. */
export const TMP = "tmp";
/** The folder of the plain archives that operators put there. */
export const ARCHIVES = "archives";
/** The file that is locked while a reference is claimed. */
const CLAIM_LOCK = "claim.lock";

/** Errors of a file system that has no locks. */
const NO_LOCKS = new Set(["ENOLCK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS"]);

/** Folders that every store has from its beginning; none is removed when it is empty. */
const PERMANENT_FOLDERS = ["blobs", "refs", TMP];

/**
 * Returns whether an embedded store is in a folder, and changes nothing: opening one makes what is missing.
 * @throws what the file system throws where it cannot be looked into
 */
export async function holdsStore(folder: string): Promise<boolean> {
  try {
    return (await Deno.stat(join(folder, "blobs"))).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Writes, reads and touches the objects of one folder. Each write is durable when it resolves. */
export class ObjectFolder {
  /** The folder's absolute path. */
  readonly root: string;
  readonly #clock: Clock;

  private constructor(root: string, clock: Clock) {
    this.root = root;
    this.#clock = clock;
  }

  /**
   * Opens the folder, makes what is missing of its layout, and closes it to other users.
   * @throws {DaemonError} FAILED_PRECONDITION where a part of it is a link or of another type; what the
   * file system throws
   */
  static async open(root: string, clock: Clock): Promise<ObjectFolder> {
    await Deno.mkdir(root, { recursive: true, mode: DIR_MODE });
    await closeToOthers(root);
    for (const name of [BLOB_PREFIX, "gc", "objects", "refs", ARCHIVES, TMP]) {
      await requireOwnFolder(root, name);
      await makeDirectories(root, name);
    }
    await requireOwnLock(join(root, CLAIM_LOCK));
    return new ObjectFolder(root, clock);
  }

  /** Returns the absolute path of an object. @throws {DaemonError} INTERNAL for a malformed key */
  path(key: string): string {
    checkKey(key, KEY_ROOTS);
    return join(this.root, key);
  }

  /** Returns the absolute path for a new temporary file. */
  temporaryPath(): string {
    return join(this.root, TMP, crypto.randomUUID());
  }

  /**
   * Checks that the folder is there with its permanent folders: one that was unmounted must not pass for a
   * store without objects.
   * @throws {DaemonError} UNAVAILABLE
   */
  async check(): Promise<void> {
    for (const name of PERMANENT_FOLDERS) {
      if ((await statOf(join(this.root, name)))?.isDirectory) continue;
      throw new DaemonError(
        "UNAVAILABLE",
        `The store's folder ${this.root} is gone or has no folder ${name}: is its file system ` +
          "mounted?",
        { reason: "STORE_UNAVAILABLE" },
      );
    }
  }

  /** Reads an object; `undefined` where there is none. */
  async readIfThere(key: string): Promise<Uint8Array | undefined> {
    try {
      return await Deno.readFile(this.path(key));
    } catch (error) {
      if (!isMissing(error)) throw error;
      await this.check();
      return undefined;
    }
  }

  /** Stores bytes as the object `key`, replacing what is there in one step. */
  async write(key: string, bytes: Uint8Array): Promise<void> {
    checkKey(key, KEY_ROOTS);
    await this.check();
    const temporary = this.temporaryPath();
    try {
      await writeSynced(temporary, bytes);
      await this.#publish(temporary, key);
    } catch (error) {
      await removeIfThere(temporary);
      throw error;
    }
  }

  /**
   * Makes the file `source` the object `key`: by a rename, or by a copy where it is on another file
   * system. It is gone from its old place when this resolves.
   */
  async adopt(source: string, key: string, { signal }: StoreOptions): Promise<void> {
    checkKey(key, KEY_ROOTS);
    await this.check();
    await syncFile(source);
    try {
      await this.#publish(source, key);
      return;
    } catch (error) {
      if (!isCrossDevice(error)) throw error;
    }
    const temporary = this.temporaryPath();
    try {
      await copySynced(source, temporary, signal);
      await this.#publish(temporary, key);
    } catch (error) {
      await removeIfThere(temporary);
      throw error;
    }
    await removeIfThere(source);
  }

  /** Sets a file's time of modification to now. Resolves to false where there is no such file. */
  async touch(path: string): Promise<boolean> {
    const now = this.#clock.now() / 1000;
    try {
      await Deno.utime(path, now, now);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Runs `work` while no other process that shares the folder claims a reference. */
  async whileLocked<T>(work: () => Promise<T>): Promise<T> {
    await this.check();
    const lock = { read: true, write: true, create: true, mode: FILE_MODE };
    // The kernel releases the lock when the descriptor is closed, so that no crash leaves one.
    using file = await Deno.open(join(this.root, CLAIM_LOCK), lock);
    await file.lock(true);
    return await work();
  }

  /**
   * As {@link whileLocked}. Where the file system has no locks (NFS mounted with `nolock`), `work` runs all
   * the same: whoever writes in the same moment may be replaced then.
   */
  async whileLockedIfPossible<T>(work: () => Promise<T>): Promise<T> {
    let isLocked = false;
    try {
      return await this.whileLocked(() => {
        isLocked = true;
        return work();
      });
    } catch (error) {
      if (isLocked || !NO_LOCKS.has(errnoOf(error) ?? "")) throw error;
      return await work();
    }
  }

  /** Moves a synced file into place, touched before, so that it never shows there with an older time. */
  async #publish(path: string, key: string): Promise<void> {
    await Deno.chmod(path, FILE_MODE);
    await this.touch(path);
    await moveDurably(path, this.root, key);
  }
}

/** Withdraws other users' rights. @throws where the folder is open to others and not ours to close */
async function closeToOthers(folder: string): Promise<void> {
  const { mode } = await Deno.stat(folder);
  if (mode !== null && (mode & 0o077) !== 0) await Deno.chmod(folder, DIR_MODE);
}

/** Checks a path's folders. @throws {DaemonError} where one is no folder: what is below a link lies elsewhere */
async function requireOwnFolder(folder: string, relative: string): Promise<void> {
  let path = folder;
  for (const part of relative.split("/").filter((part) => part !== "")) {
    path = join(path, part);
    const info = await statOf(path);
    if (!info) return;
    if (!info.isDirectory) throw wrongType(path, info.isSymlink, "folder");
  }
}

/** Checks the lock file. @throws {DaemonError} where opening it would follow a link, or wait for a FIFO's other end */
async function requireOwnLock(path: string): Promise<void> {
  const info = await statOf(path);
  if (info && !info.isFile) throw wrongType(path, info.isSymlink, "file");
}

function wrongType(path: string, isLink: boolean, expected: string): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot use the store: ${path} is ${
      isLink ? "a link" : "something else"
    }, not a ${expected}; move it away`,
    { reason: "STORE_REFUSED" },
  );
}
