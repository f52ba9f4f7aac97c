/**
 * Keeps what the daemon must remember across a crash, in SQLite: one row a workspace, one a pending
 * snapshot, and what a disposal had saved before it began to delete.
 *
 * Every write is durable when the call returns (synchronous=FULL) and is made before the effect it
 * announces, so that a restart knows what was under way.
 */

import type { DatabaseSync } from "node:sqlite";
import { isDigest } from "../digest.ts";
import type { Lineage } from "../snapshot/mod.ts";
import { STATE_VERSION } from "../state_schema.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { JournalDatabase } from "./journal_database.ts";
import type { WorkspaceFolder, WorkspaceRecord } from "./workspace_record.ts";
import type { RecordedWorkspace, TreeRecords } from "./tree_records.ts";

export type { WorkspaceFolder, WorkspaceRecord } from "./workspace_record.ts";

const log = logger("workspace");

/** What is recorded with a change of a workspace's state. */
export interface StateDetails {
  /** What a disposal has saved. */
  saved?: readonly string[];
  /** The lineage of the content that is whole now. */
  lineage?: Lineage | undefined;
}

/** Returns what is to be remembered of a workspace's folder once the workspace is AVAILABLE. */
export function settledFolder(folder: WorkspaceFolder | undefined): WorkspaceFolder | undefined {
  return folder && FILLED.has(folder.use) ? { ...folder, use: "filled" } : undefined;
}

const FILLED: ReadonlySet<WorkspaceFolder["use"]> = new Set(["filling", "filled"]);

/** A snapshot whose url was answered before it is stored. */
export interface PendingSnapshot {
  url: string;
  workspaceId: string;
}

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
 * What a disposal saved before it began to delete, so that a repeated call can be answered. The table is
 * added to schema 1 when it is first needed; earlier versions ignore it.
 */
const FINAL_SAVES = `
  CREATE TABLE IF NOT EXISTS final_saves (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    what TEXT NOT NULL,
    PRIMARY KEY (workspace_id, what)
  ) STRICT;
`;

/** What operators are told of a workspace, added to schema 1 like {@link FINAL_SAVES}. */
const DETAILS = `
  CREATE TABLE IF NOT EXISTS workspace_details (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    initializer TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
`;

/** When each workspace is backed up next, added to schema 1 like {@link FINAL_SAVES}. */
const BACKUP_SCHEDULE = `
  CREATE TABLE IF NOT EXISTS backup_schedule (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    due_at INTEGER NOT NULL
  ) STRICT;
`;

/** Folders that may be others', added to schema 1 like {@link FINAL_SAVES}. */
const FOLDERS = `
  CREATE TABLE IF NOT EXISTS workspace_folders (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    folder_use TEXT NOT NULL,
    folder_id TEXT NOT NULL
  ) STRICT;
`;

/** What the node as a whole must remember, added to schema 1 like {@link FINAL_SAVES}. */
const NODE_STATE = `
  CREATE TABLE IF NOT EXISTS node_state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
`;

/** The lineages of workspaces, added to schema 1 like {@link FINAL_SAVES}. */
const LINEAGES = `
  CREATE TABLE IF NOT EXISTS workspace_lineages (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    lineage TEXT NOT NULL,
    base TEXT
  ) STRICT;
`;

/** The durable record of workspaces and pending snapshots. Methods are synchronous. */
export class Journal implements Disposable {
  readonly #database: JournalDatabase;
  readonly #records: TreeRecords | undefined;

  /**
   * Opens or creates the journal in a file, which this process then has for itself.
   * @param records where it notes beside each tree whose that is; nowhere if absent
   * @throws {DaemonError} FAILED_PRECONDITION for one that is damaged or of another version,
   *   RESOURCE_EXHAUSTED where there is no space to create one
   */
  constructor(path: string, records?: TreeRecords) {
    this.#records = records;
    this.#database = new JournalDatabase(path, { version: STATE_VERSION, sql: SCHEMA });
  }

  /** Returns all workspaces, sorted by id. */
  workspaces(): WorkspaceRecord[] {
    return this.#database.read((db) => selectWorkspaces(db));
  }

  /** Adds a workspace, in place of one with its id whose removal could not be written. */
  insert(record: WorkspaceRecord): void {
    // Of an earlier workspace with this id.
    this.#records?.remove(record.id);
    this.#add(record);
  }

  #add(record: WorkspaceRecord): void {
    const { id, initializer, createdAt, folder } = record;
    this.#database.update((db) => {
      db.prepare("INSERT OR REPLACE INTO workspaces VALUES (?, ?, ?, ?, ?, ?, ?)").run(
        id,
        record.owner,
        record.metaId,
        record.state,
        record.remoteStorageDisabled ? 1 : 0,
        record.quotaBytes,
        record.checkoutLocation,
      );
      if (folder) writeFolder(db, id, folder);
      if (initializer === undefined || createdAt === undefined) return;
      db.exec(DETAILS);
      db.prepare("INSERT OR REPLACE INTO workspace_details VALUES (?, ?, ?)")
        .run(id, initializer, createdAt);
    });
  }

  /** Sets a workspace's state, and records what belongs to it in the same step. */
  setState(
    id: string,
    state: WorkspaceRecord["state"],
    { saved = [], lineage }: StateDetails = {},
  ): void {
    if (state === "AVAILABLE") this.#noteTree(id);
    this.#database.update((db) => {
      db.prepare("UPDATE workspaces SET state = ? WHERE id = ?").run(state, id);
      if (state === "AVAILABLE") settleFolder(db, id);
      if (lineage) insertLineage(db, id, lineage);
      if (saved.length === 0) return;
      db.exec(FINAL_SAVES);
      const insert = db.prepare("INSERT OR REPLACE INTO final_saves VALUES (?, ?)");
      for (const what of saved) insert.run(id, what);
    });
    if (state === "DELETING") this.#records?.remove(id);
  }

  /** Writes the record beside the tree of a workspace that is becoming AVAILABLE. */
  #noteTree(id: string): void {
    if (!this.#records) return;
    const [record] = this.#database.read((db) => selectWorkspaces(db, id));
    if (record) this.#records.write(recordedOf(record));
  }

  /**
   * Writes the record beside the published tree of a workspace that is about to become AVAILABLE, so that
   * {@link setState}, which keeps the thread that answers calls, need not. Never rejects.
   */
  async noteTreeAhead(id: string): Promise<void> {
    if (!this.#records) return;
    const [record] = this.#database.read((db) => selectWorkspaces(db, id));
    if (record) await this.#records.writeAhead(recordedOf(record));
  }

  /**
   * Writes the records that trees of AVAILABLE workspaces lack, as those of earlier versions do, and
   * removes those of workspaces that are DELETING, and those that are of no workspace and no tree.
   * @param published the names of all published trees
   */
  completeRecords(published: ReadonlySet<string>): void {
    const records = this.#records;
    if (!records) return;
    const workspaces = this.workspaces();
    for (const workspace of workspaces) {
      const { id, state } = workspace;
      if (state === "AVAILABLE" && published.has(id)) records.write(recordedOf(workspace));
      // A kill may have come between the beginning of its deletion and the removal of its record.
      if (state === "DELETING") records.remove(id);
    }
    const known = new Set(workspaces.map(({ id }) => id));
    for (const id of records.ids()) {
      if (!known.has(id) && !published.has(id)) records.remove(id);
    }
  }

  /** Returns what SQLite finds damaged in the file; nothing where it is in order. */
  damages(): string[] {
    return this.#database.read((db) =>
      db.prepare("PRAGMA integrity_check").all().map((row) => String(row.integrity_check))
    ).filter((words) => words !== "ok");
  }

  /** Adds a workspace that is AVAILABLE, whose tree is there, and notes beside that whose it is. */
  adopt(workspace: RecordedWorkspace): void {
    // First, so that it is there if the row is.
    this.#records?.write(workspace);
    this.#add({ ...workspace, state: "AVAILABLE" });
  }

  /** Sets which folder is a workspace's. */
  setFolder(id: string, folder: WorkspaceFolder): void {
    this.#database.update((db) => writeFolder(db, id, folder));
  }

  /** Sets the lineage that a workspace's content is of. */
  setLineage(id: string, lineage: Lineage): void {
    this.#database.update((db) => insertLineage(db, id, lineage));
  }

  /** Returns what a disposal of the workspace had saved before it began to delete. */
  finalSaves(id: string): string[] {
    return this.#database.read((db) => {
      if (!hasTable(db, "final_saves")) return [];
      const rows = db.prepare("SELECT what FROM final_saves WHERE workspace_id = ?").all(id);
      return rows.map(({ what }) => String(what));
    });
  }

  /** Removes a workspace with its pending snapshots and final saves, once its content is deleted. */
  remove(id: string): void {
    this.#write("DELETE FROM workspaces WHERE id = ?", id);
    this.#records?.remove(id);
    this.#database.reclaimSpace();
  }

  /** Returns all pending snapshots. */
  pendingSnapshots(): PendingSnapshot[] {
    const query = "SELECT url, workspace_id FROM promised_snapshots";
    const rows = this.#database.read((db) => db.prepare(query).all());
    return rows.map((row) => ({ url: String(row.url), workspaceId: String(row.workspace_id) }));
  }

  /** Adds a pending snapshot, before its url is answered. */
  addPendingSnapshot(snapshot: PendingSnapshot): void {
    this.#write(
      "INSERT INTO promised_snapshots VALUES (?, ?)",
      snapshot.url,
      snapshot.workspaceId,
    );
  }

  /** Removes a pending snapshot, once it is stored. */
  removePendingSnapshot(url: string): void {
    this.#write("DELETE FROM promised_snapshots WHERE url = ?", url);
  }

  /** Returns when workspaces are to be backed up next, by id; milliseconds since the epoch. */
  scheduledBackups(): Map<string, number> {
    return this.#database.read((db) => {
      if (!hasTable(db, "backup_schedule")) return new Map();
      const rows = db.prepare("SELECT workspace_id, due_at FROM backup_schedule");
      rows.setReadBigInts(true);
      return new Map(rows.all().map((row) => [String(row.workspace_id), Number(row.due_at)]));
    });
  }

  /** Notes when a workspace is to be backed up next; milliseconds since the epoch. */
  scheduleBackup(workspaceId: string, dueAt: number): void {
    this.#database.update((db) => {
      db.exec(BACKUP_SCHEDULE);
      db.prepare("INSERT OR REPLACE INTO backup_schedule VALUES (?, ?)")
        .run(workspaceId, Math.round(dueAt));
    });
  }

  /**
   * Returns the id of this journal, which is chosen when it is first asked for. One that cannot be written
   * down, as on a full disk, is another one after a restart.
   */
  nodeId(): string {
    const known = this.#database.read((db) =>
      hasTable(db, "node_state")
        ? db.prepare("SELECT value FROM node_state WHERE name = 'id'").get()?.value
        : undefined
    );
    if (known !== undefined) return String(known);
    const id = crypto.randomUUID();
    try {
      this.#database.update((db) => {
        db.exec(NODE_STATE);
        db.prepare("INSERT INTO node_state VALUES ('id', ?)").run(id);
      });
    } catch (error) {
      log.warn("The id of this node could not be written down: {reason}", {
        reason: messageOf(error),
      });
    }
    return id;
  }

  /** Returns whether somebody has the node drained. */
  get isDrained(): boolean {
    return this.#database.read((db) =>
      hasTable(db, "node_state") &&
      db.prepare("SELECT 1 FROM node_state WHERE name = 'drained'").get() !== undefined
    );
  }

  /** Notes whether somebody has the node drained. @param at milliseconds since the epoch */
  setDrained(isDrained: boolean, at: number): void {
    this.#database.update((db) => {
      db.exec(NODE_STATE);
      db.exec("DELETE FROM node_state WHERE name = 'drained'");
      if (isDrained) db.prepare("INSERT INTO node_state VALUES ('drained', ?)").run(`${at}`);
    });
  }

  #write(statement: string, ...values: (string | number)[]): void {
    this.#database.update((db) => void db.prepare(statement).run(...values));
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]();
  }
}

/** Returns the record of a workspace's tree as it is once the workspace is AVAILABLE. */
function recordedOf(workspace: WorkspaceRecord): RecordedWorkspace {
  const { state: _state, lineage: _lineage, folder, ...rest } = workspace;
  const settled = settledFolder(folder);
  return { ...rest, ...(settled && { folder: settled }) };
}

function writeFolder(db: DatabaseSync, id: string, { use, id: folder }: WorkspaceFolder): void {
  db.exec(FOLDERS);
  db.prepare("INSERT OR REPLACE INTO workspace_folders VALUES (?, ?, ?)").run(id, use, folder);
}

/** Writes what {@link settledFolder} makes of a workspace's folder. */
function settleFolder(db: DatabaseSync, id: string): void {
  const [{ folder } = {}] = selectWorkspaces(db, id);
  if (!folder) return;
  const settled = settledFolder(folder);
  if (settled) writeFolder(db, id, settled);
  else db.prepare("DELETE FROM workspace_folders WHERE workspace_id = ?").run(id);
}

function insertLineage(db: DatabaseSync, workspace: string, { id, base }: Lineage): void {
  db.exec(LINEAGES);
  db.prepare("INSERT OR REPLACE INTO workspace_lineages VALUES (?, ?, ?)")
    .run(workspace, id, base ?? null);
}

function hasTable(db: DatabaseSync, name: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(name) !== undefined;
}

/** Returns all workspaces, or the one with that id. */
function selectWorkspaces(db: DatabaseSync, id?: string): WorkspaceRecord[] {
  const tables = ["workspace_details", "workspace_folders", "workspace_lineages"];
  const joins = tables.filter((name) => hasTable(db, name))
    .map((name) => `LEFT JOIN ${name} ON ${name}.workspace_id = workspaces.id`);
  const where = id === undefined ? "" : "WHERE workspaces.id = ?";
  const statement = db.prepare(`SELECT * FROM workspaces ${joins.join(" ")} ${where} ORDER BY id`);
  // A number that is too large for JavaScript must not make every row unreadable.
  statement.setReadBigInts(true);
  return statement.all(...id === undefined ? [] : [id]).map((row) => ({
    id: String(row.id),
    owner: String(row.owner),
    metaId: String(row.meta_id),
    state: String(row.state) as WorkspaceRecord["state"],
    remoteStorageDisabled: row.remote_storage_disabled === 1n,
    quotaBytes: Number(row.quota_bytes),
    checkoutLocation: String(row.checkout_location),
    ...(typeof row.initializer === "string" ? { initializer: row.initializer } : {}),
    ...(typeof row.created_at === "bigint" ? { createdAt: Number(row.created_at) } : {}),
    ...(typeof row.folder_id === "string"
      ? { folder: { use: row.folder_use as WorkspaceFolder["use"], id: row.folder_id } }
      : {}),
    ...(typeof row.lineage === "string" ? { lineage: lineageOf(row.lineage, row.base) } : {}),
  }));
}

function lineageOf(id: string, base: unknown): Lineage {
  return typeof base === "string" && isDigest(base) ? { id, base } : { id };
}
