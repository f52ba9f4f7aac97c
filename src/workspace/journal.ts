/**
 * What the daemon must remember, in SQLite: one row a workspace, one a promised snapshot.
 *
 * Every write is durable when the call returns (synchronous=FULL) and is made before the effect it
 * announces, so that a restart knows what was under way.
 *
 * A full disk must stop neither a start nor a disposal. So opening writes nothing; the database has
 * free pages, and its rollback journal is a file that stays, overwritten in place: on most file
 * systems that needs no room. Where it does, a {@link Reserve} gives some. Nothing is mapped into
 * memory (the index of a write-ahead log is, unless its database is locked for one process alone),
 * since a mapped page that the disk has no block for ends the process by SIGBUS.
 */

import { DatabaseSync } from "node:sqlite";
import { DaemonError, type ErrorCode, messageOf } from "../errors.ts";
import { Reserve } from "./reserve.ts";
import type { WorkspaceState } from "./state.ts";

/** A workspace as it is remembered. Nothing here is a secret. */
export interface WorkspaceRecord {
  id: string;
  owner: string;
  metaId: string;
  state: Exclude<WorkspaceState, "NONE">;
  remoteStorageDisabled: boolean;
  /** Bytes; 0 for no quota. */
  quotaBytes: number;
  /** Where Git's status is read. */
  checkoutLocation: string;
}

/** A snapshot whose url was given out before it was finished. */
export interface PendingSnapshot {
  url: string;
  workspaceId: string;
}

/** Of free pages in the database, and as much in its rollback journal. */
const FREE_BYTES = 128 << 10;

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    meta_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('SETTING_UP', 'AVAILABLE', 'WRAPPING_UP', 'DELETING')),
    remote_storage_disabled INTEGER NOT NULL,
    quota_bytes INTEGER NOT NULL,
    checkout_location TEXT NOT NULL
  ) STRICT;
  CREATE TABLE promised_snapshots (
    url TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE
  ) STRICT;
`;

/**
 * Added to schema 1 when it is first needed: earlier versions neither need nor mind it.
 * What a disposal saved before it began to delete, so that a repeated call can be answered.
 */
const FINAL_SAVES = `
  CREATE TABLE IF NOT EXISTS final_saves (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    what TEXT NOT NULL,
    PRIMARY KEY (workspace_id, what)
  ) STRICT;
`;

export class Journal implements Disposable {
  readonly #db: DatabaseSync;
  readonly #reserve: Reserve;

  /**
   * Opens or creates the journal in a file, which this process then has for itself.
   * @throws {DaemonError} FAILED_PRECONDITION for one that is damaged or of a newer version,
   *   RESOURCE_EXHAUSTED where there is no room to create one.
   */
  constructor(path: string) {
    this.#reserve = new Reserve(`${path}.reserve`);
    this.#db = this.#withRoom(() => open(path), `Cannot open the state in ${path}`);
    this.#reserve.hold();
    if (this.#reserve.held) this.#addFreePages();
  }

  /** Has free pages in the database, where there is room for them beside the reserve. */
  #addFreePages(): void {
    try {
      if (freeBytes(this.#db) < FREE_BYTES) addFreePages(this.#db);
    } catch (error) {
      if (!mayBeFull(error)) throw error;
      // What was begun can be undone with the room of the reserve, which then is set aside again.
      this.#reserve.release();
      ignoreFull(() => this.#db.exec("DROP TABLE IF EXISTS reserve"));
      this.#reserve.hold(true);
    }
  }

  /** All workspaces, by id. */
  workspaces(): WorkspaceRecord[] {
    const statement = this.#db.prepare("SELECT * FROM workspaces ORDER BY id");
    // A number that is too large for JavaScript must not make every row unreadable.
    statement.setReadBigInts(true);
    return this.#read(() => statement.all()).map((row) => ({
      id: String(row.id),
      owner: String(row.owner),
      metaId: String(row.meta_id),
      state: String(row.state) as WorkspaceRecord["state"],
      remoteStorageDisabled: row.remote_storage_disabled === 1n,
      quotaBytes: Number(row.quota_bytes),
      checkoutLocation: String(row.checkout_location),
    }));
  }

  /** Remembers a workspace in place of one of its id that could not be forgotten. */
  insert(record: WorkspaceRecord): void {
    this.#write(
      "INSERT OR REPLACE INTO workspaces VALUES (?, ?, ?, ?, ?, ?, ?)",
      record.id,
      record.owner,
      record.metaId,
      record.state,
      record.remoteStorageDisabled ? 1 : 0,
      record.quotaBytes,
      record.checkoutLocation,
    );
  }

  /** @param saves what a disposal has saved, remembered in the same step */
  setState(id: string, state: WorkspaceRecord["state"], saves: readonly string[] = []): void {
    this.#update(() => {
      this.#db.prepare("UPDATE workspaces SET state = ? WHERE id = ?").run(state, id);
      if (saves.length === 0) return;
      this.#db.exec(FINAL_SAVES);
      const insert = this.#db.prepare("INSERT OR REPLACE INTO final_saves VALUES (?, ?)");
      for (const what of saves) insert.run(id, what);
    });
  }

  /** What a disposal of the workspace saved before it began to delete. */
  finalSaves(id: string): string[] {
    const table = "SELECT 1 FROM sqlite_master WHERE name = 'final_saves'";
    if (!this.#read(() => this.#db.prepare(table).get())) return [];
    const saves = this.#db.prepare("SELECT what FROM final_saves WHERE workspace_id = ?");
    const rows = this.#read(() => saves.all(id));
    return rows.map(({ what }) => String(what));
  }

  /** Forgets a workspace and what was promised of it. */
  remove(id: string): void {
    this.#write("DELETE FROM workspaces WHERE id = ?", id);
    // Its content is gone by now.
    this.#reserve.hold(true);
  }

  pendingSnapshots(): PendingSnapshot[] {
    const snapshots = this.#db.prepare("SELECT url, workspace_id FROM promised_snapshots");
    const rows = this.#read(() => snapshots.all());
    return rows.map((row) => ({ url: String(row.url), workspaceId: String(row.workspace_id) }));
  }

  addPendingSnapshot(snapshot: PendingSnapshot): void {
    this.#write(
      "INSERT INTO promised_snapshots VALUES (?, ?)",
      snapshot.url,
      snapshot.workspaceId,
    );
  }

  /** The promise was kept. */
  removePendingSnapshot(url: string): void {
    this.#write("DELETE FROM promised_snapshots WHERE url = ?", url);
  }

  #write(statement: string, ...values: (string | number)[]): void {
    this.#update(() => void this.#db.prepare(statement).run(...values));
  }

  /** Makes several writes durable in one step. */
  #update(write: () => void): void {
    const run = () => {
      this.#rollBack();
      this.#db.exec("BEGIN IMMEDIATE");
      write();
      this.#db.exec("COMMIT");
    };
    try {
      this.#withRoom(run, "Cannot write the daemon's state", "INTERNAL");
    } catch (error) {
      // Where even this fails for want of room, it is done before the next write.
      ignoreFull(() => this.#rollBack());
      throw error;
    }
    this.#reserve.hold();
  }

  /** Undoes what a failed write left; SQLite has done that by itself after some failures. */
  #rollBack(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }

  /** Reads, which needs room where a failed write is to be rolled back first. */
  #read<T>(query: () => T): T {
    return this.#withRoom(query, "Cannot read the daemon's state", "INTERNAL");
  }

  /**
   * Does what may need room, a second time with the reserve released where there was none.
   * @param otherwise the code of what fails for other reasons
   */
  #withRoom<T>(run: () => T, doing: string, otherwise: ErrorCode = "FAILED_PRECONDITION"): T {
    try {
      try {
        return run();
      } catch (error) {
        if (!mayBeFull(error) || !this.#reserve.release()) throw error;
        return run();
      }
    } catch (error) {
      if (error instanceof DaemonError) throw error;
      throw new DaemonError(
        isFull(error) ? "RESOURCE_EXHAUSTED" : otherwise,
        `${doing}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** @throws {DaemonError} for a version that is not ours. @throws {Error} of SQLite's */
function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    // The lock comes first: with it, not even a write-ahead log that is still there is mapped.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    leaveWriteAheadLog(db);
    migrate(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Has changes go through a rollback journal that stays. Versions before used a write-ahead log. */
function leaveWriteAheadLog(db: DatabaseSync): void {
  // Where there is no room for that, it is read and written as it is.
  ignoreFull(() => db.exec("PRAGMA journal_mode = PERSIST"));
}

function migrate(db: DatabaseSync, path: string): void {
  const row = db.prepare("PRAGMA user_version").get();
  const version = Number(row?.user_version ?? 0);
  if (version === 0) {
    db.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  } else if (version !== SCHEMA_VERSION) {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `The state in ${path} has version ${version}, this wsdaemon reads ${SCHEMA_VERSION}: ` +
        "run the version that wrote it",
    );
  }
}

function freeBytes(db: DatabaseSync): number {
  const pages = Number(db.prepare("PRAGMA freelist_count").get()?.freelist_count);
  const size = Number(db.prepare("PRAGMA page_size").get()?.page_size);
  return pages * size;
}

/** Adds pages to the database that stay with it, and has the rollback journal grow as far. */
function addFreePages(db: DatabaseSync): void {
  db.exec(
    `CREATE TABLE IF NOT EXISTS reserve (room BLOB) STRICT;
    INSERT INTO reserve VALUES (zeroblob(${2 * FREE_BYTES}));
    UPDATE reserve SET room = randomblob(${2 * FREE_BYTES});
    DROP TABLE reserve`,
  );
}

function ignoreFull(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!mayBeFull(error)) throw error;
  }
}

/** By its words: only some of `node:sqlite`'s errors have the number of the result. */
function isFull(error: unknown): boolean {
  return /disk is full/.test(messageOf(error));
}

/** A file system may find that there is no room only when it writes out what it has taken. */
function mayBeFull(error: unknown): boolean {
  return isFull(error) || /disk I\/O error/.test(messageOf(error));
}
