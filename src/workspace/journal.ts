/**
 * What the daemon must remember, in SQLite: one row a workspace, one a promised snapshot.
 *
 * Every write is durable when the call returns (write-ahead log, synchronous=FULL) and is made
 * before the effect it announces, so that a restart knows what was under way.
 */

import { DatabaseSync } from "node:sqlite";
import { DaemonError, messageOf } from "../errors.ts";
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
export interface PromisedSnapshot {
  url: string;
  workspaceId: string;
}

/** Of the database and of its log: room to go on in where the disk is full. */
const RESERVED_BYTES = 128 << 10;

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

export class Journal implements Disposable {
  readonly #db: DatabaseSync;

  /**
   * Opens or creates the journal in a file.
   * @throws {DaemonError} FAILED_PRECONDITION for one that is damaged or of a newer version.
   */
  constructor(path: string) {
    try {
      this.#db = new DatabaseSync(path);
      this.#db.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
      );
      this.#migrate(path);
      this.#reserve();
    } catch (error) {
      if (error instanceof DaemonError) throw error;
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `Cannot open the state in ${path}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  #migrate(path: string): void {
    const row = this.#db.prepare("PRAGMA user_version").get();
    const version = Number(row?.user_version ?? 0);
    if (version === SCHEMA_VERSION) return;
    if (version !== 0) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `The state in ${path} has version ${version}, this wsdaemon reads ${SCHEMA_VERSION}: ` +
          "run the version that wrote it",
      );
    }
    this.#db.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  }

  /** Allocates pages that stay with the database, and as much of the log: see {@link #makeRoom}. */
  #reserve(): void {
    try {
      this.#db.exec(
        `CREATE TABLE IF NOT EXISTS reserve (room BLOB) STRICT;
        INSERT INTO reserve VALUES (zeroblob(${RESERVED_BYTES}));
        DROP TABLE reserve`,
      );
      this.#makeRoom();
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  /** All workspaces, by id. */
  workspaces(): WorkspaceRecord[] {
    const rows = this.#db.prepare("SELECT * FROM workspaces ORDER BY id").all();
    return rows.map((row) => ({
      id: String(row.id),
      owner: String(row.owner),
      metaId: String(row.meta_id),
      state: String(row.state) as WorkspaceRecord["state"],
      remoteStorageDisabled: row.remote_storage_disabled === 1,
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

  setState(id: string, state: WorkspaceRecord["state"]): void {
    this.#write("UPDATE workspaces SET state = ? WHERE id = ?", state, id);
  }

  /** Forgets a workspace and what was promised of it. */
  remove(id: string): void {
    this.#write("DELETE FROM workspaces WHERE id = ?", id);
  }

  promises(): PromisedSnapshot[] {
    const rows = this.#db.prepare("SELECT url, workspace_id FROM promised_snapshots").all();
    return rows.map((row) => ({ url: String(row.url), workspaceId: String(row.workspace_id) }));
  }

  promise(snapshot: PromisedSnapshot): void {
    this.#write(
      "INSERT INTO promised_snapshots VALUES (?, ?)",
      snapshot.url,
      snapshot.workspaceId,
    );
  }

  /** The promise was kept. */
  keep(url: string): void {
    this.#write("DELETE FROM promised_snapshots WHERE url = ?", url);
  }

  #write(statement: string, ...values: (string | number)[]): void {
    const run = () => void this.#db.prepare(statement).run(...values);
    try {
      try {
        run();
      } catch (error) {
        if (!isFull(error)) throw error;
        this.#makeRoom();
        run();
      }
    } catch (error) {
      throw new DaemonError(
        isFull(error) ? "RESOURCE_EXHAUSTED" : "INTERNAL",
        `Cannot write the daemon's state: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /**
   * Has the log begin anew in the room that it has, so that where a disk is full, workspaces that
   * fill it can still be disposed of.
   */
  #makeRoom(): void {
    this.#db.exec("PRAGMA wal_checkpoint(RESTART)");
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function isFull(error: unknown): boolean {
  return /disk is full/.test(messageOf(error));
}
