/**
 * The SQLite database beneath the journal: one process has it for itself, and a full disk must stop
 * neither a start nor a disposal.
 *
 * So opening writes nothing; the database has free pages, and its rollback journal is a file that
 * stays, overwritten in place: on most file systems that needs no space. Where it does, a
 * {@link Reserve} gives some. Nothing is mapped into memory (the index of a write-ahead log is, unless
 * its database is locked for one process alone), since a mapped page that the disk has no block for
 * ends the process by SIGBUS.
 */

import { DatabaseSync } from "node:sqlite";
import { asDaemonError, DaemonError, errnoOf, machineError, OWN_FILE_MOVED } from "../errors.ts";
import { otherVersion } from "../state_schema.ts";
import { Reserve } from "./reserve.ts";

/** Bytes of free pages kept in the database, and as much in its rollback journal. */
const FREE_BYTES = 128 << 10;

/** The version of a database's schema, and the statements that create it. */
export interface Schema {
  version: number;
  sql: string;
}

/** A durable SQLite database that can be written on a full disk. Synchronous throughout. */
export class JournalDatabase implements Disposable {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #file: Deno.FileInfo;
  readonly #reserve: Reserve;

  /**
   * Opens or creates the database in a file, which this process then has for itself.
   * @throws {DaemonError} naming the file, its file system and the remedy, as every method does:
   *   RESOURCE_EXHAUSTED where there is no space, memory or descriptor; FAILED_PRECONDITION for a file
   *   that is damaged, read-only, moved, held by another program or of another version, and for a disk
   *   that fails
   */
  constructor(path: string, schema: Schema) {
    this.#path = path;
    this.#reserve = new Reserve(`${path}.reserve`);
    this.#db = this.#withSpace(() => open(path, schema), "Cannot open the daemon's state");
    this.#file = Deno.statSync(path);
    this.#reserve.hold();
    if (this.#reserve.held) this.#addFreePages();
  }

  /** Adds free pages to the database, where there is space for them beside the reserve. */
  #addFreePages(): void {
    try {
      if (freeBytes(this.#db) < FREE_BYTES) addFreePages(this.#db);
    } catch (error) {
      if (!mayBeFull(error)) throw error;
      // The space of the reserve suffices to undo what was begun; then it is set aside again.
      this.#reserve.release();
      ignoreFull(() => this.#db.exec("DROP TABLE IF EXISTS reserve"));
      this.#reserve.hold(true);
    }
  }

  /**
   * Makes what `write` does durable in one step.
   * @throws {DaemonError} as the constructor does; nothing is written then
   */
  update(write: (db: DatabaseSync) => void): void {
    const run = () => {
      this.#requireInPlace();
      this.#rollBack();
      this.#db.exec("BEGIN IMMEDIATE");
      write(this.#db);
      this.#db.exec("COMMIT");
    };
    try {
      this.#withSpace(run, "Cannot write the daemon's state");
    } catch (error) {
      // Where even this fails for want of space, it is done before the next write.
      ignoreFull(() => this.#rollBack());
      throw error;
    }
    this.#reserve.hold();
  }

  /** SQLite goes on to write to a file that has no name any more, and that no start would find. */
  #requireInPlace(): void {
    const { dev, ino } = this.#file;
    const found = statIfThere(this.#path);
    if (found?.dev === dev && found.ino === ino) return;
    const { code, reason, words, remedy } = OWN_FILE_MOVED;
    const problem = `Cannot write the daemon's state: ${this.#path}: ${words}; ${remedy?.({})}`;
    throw new DaemonError(code!, problem, { reason });
  }

  /**
   * Returns what `query` reads. Even that needs space where a failed write is to be rolled back first.
   * @throws {DaemonError} as {@link update}
   */
  read<T>(query: (db: DatabaseSync) => T): T {
    return this.#withSpace(() => query(this.#db), "Cannot read the daemon's state");
  }

  /** Sets the reserve aside again, because something has just been deleted from the file system. */
  reclaimSpace(): void {
    this.#reserve.hold(true);
  }

  /** Undoes what a failed write left; SQLite has done that by itself after some failures. */
  #rollBack(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }

  /** Runs what may need space, a second time with the reserve released where there was none. */
  #withSpace<T>(run: () => T, doing: string): T {
    try {
      try {
        return run();
      } catch (error) {
        if (!mayBeFull(error) || !this.#reserve.release()) throw error;
        return run();
      }
    } catch (error) {
      if (error instanceof DaemonError) throw error;
      throw machineError(this.#underlying(error) ?? error, { doing, path: this.#path }) ??
        asDaemonError(error, "INTERNAL", doing);
    }
  }

  /** Returns the system's error for the file, where SQLite has one result for several causes. */
  #underlying(error: unknown): unknown {
    if (!AMBIGUOUS.has(errnoOf(error) ?? "")) return undefined;
    try {
      Deno.openSync(this.#path, { read: true, write: true }).close();
      return undefined;
    } catch (cause) {
      return errnoOf(cause) === "ENOENT" ? undefined : cause;
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * Opens or creates the database, and locks it.
 * @throws {DaemonError} FAILED_PRECONDITION for another version
 * @throws {Error} SQLite's, for what it cannot open
 */
function open(path: string, schema: Schema): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    // The lock comes first: with it, not even a write-ahead log that is still there is mapped.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    const version = versionOf(db);
    // Before anything is changed.
    if (version !== 0 && version !== schema.version) throw otherSchema(path, version);
    leaveWriteAheadLog(db);
    if (version === 0) {
      db.exec(`BEGIN; ${schema.sql} PRAGMA user_version = ${schema.version}; COMMIT`);
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Makes changes go through a rollback journal that stays. Earlier versions used a write-ahead log. */
function leaveWriteAheadLog(db: DatabaseSync): void {
  // Where there is no space for that, the write-ahead log is read and written as it is.
  ignoreFull(() => db.exec("PRAGMA journal_mode = PERSIST"));
}

/** Returns the version of the database's schema; 0 for a new one. */
function versionOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.user_version ?? 0);
}

function otherSchema(path: string, version: number): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", otherVersion(path, version), {
    reason: "NODE_STATE_UNUSABLE",
  });
}

function freeBytes(db: DatabaseSync): number {
  const pages = Number(db.prepare("PRAGMA freelist_count").get()?.freelist_count);
  const size = Number(db.prepare("PRAGMA page_size").get()?.page_size);
  return pages * size;
}

/**
 * Adds pages to the database that stay with it, and makes the rollback journal grow as far. A crash may
 * leave the table: the next start finds it with the same column.
 */
function addFreePages(db: DatabaseSync): void {
  db.exec(
    `CREATE TABLE IF NOT EXISTS reserve (room BLOB) STRICT;
    INSERT INTO reserve VALUES (zeroblob(${2 * FREE_BYTES}));
    UPDATE reserve SET room = randomblob(${2 * FREE_BYTES});
    DROP TABLE reserve`,
  );
}

/** Runs `work`, and ignores that the disk is full. */
function ignoreFull(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!mayBeFull(error)) throw error;
  }
}

/** Results of SQLite that may mean a lack of descriptors or of rights, or a disk that fails. */
const AMBIGUOUS = new Set(["SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_READONLY"]);

/** Returns whether the disk may be full: some file systems notice that only when they write data back. */
function mayBeFull(error: unknown): boolean {
  return ["SQLITE_FULL", "SQLITE_IOERR"].includes(errnoOf(error) ?? "");
}
