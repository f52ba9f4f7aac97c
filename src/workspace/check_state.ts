/** Compares the journal of a root whose daemon is stopped with the trees that are there. */

import { existsSync } from "@std/fs";
import { causesOf, errnoOf, messageOf } from "../errors.ts";
import { journalPath } from "../state_schema.ts";
import { Journal } from "./journal.ts";
import { recordsOf, type TreeRecords } from "./tree_records.ts";

/** The state of a journal. */
export interface JournalFinding {
  readonly path: string;
  readonly outcome: "damaged" | "missing" | "ok";
  /** What is wrong with it. */
  readonly problem?: string;
}

/**
 * What is known of a workspace, or of a tree.
 *
 * - `known`: the journal has it, and its tree is there, unless it is being deleted;
 * - `missing`: the journal has it, and there is no tree;
 * - `adoptable`: there is a tree, and its record says whose it is;
 * - `unknown`: there is a tree, and nothing to be believed says whose it is.
 */
export interface WorkspaceFinding {
  readonly id: string;
  readonly outcome: "adoptable" | "known" | "missing" | "unknown";
  readonly owner?: string;
  readonly metaId?: string;
  /** Why a tree is unknown. */
  readonly problem?: string;
}

/** What {@link checkState} has found. */
export interface StateReport {
  readonly journal: JournalFinding;
  /** By id. */
  readonly workspaces: readonly WorkspaceFinding[];
}

/**
 * Reports on the state of a root; the caller holds its lock. Opening the journal undoes what a killed
 * daemon was writing to it, as a start does; nothing else is changed.
 * @throws {DaemonError} FAILED_PRECONDITION for a journal of a newer version, or one that cannot be read
 *   for another reason than damage
 */
export function checkState(root: string): StateReport {
  const records = recordsOf({ root });
  using opened = openIfWhole(root);
  const rows = opened.journal?.workspaces() ?? [];
  const known = new Set(rows.map(({ id }) => id));
  const trees = foldersOf(records.treeOf(""));
  const findings = [
    ...rows.map(({ id, owner, metaId, state }): WorkspaceFinding => {
      const isThere = trees.has(id) || state === "DELETING" || state === "SETTING_UP";
      return { id, outcome: isThere ? "known" : "missing", owner, metaId };
    }),
    ...[...trees].filter((id) => !known.has(id)).map((id) => lookAt(records, id))
      .filter(({ id, outcome }) => outcome !== "unknown" || !isEmpty(records.treeOf(id))),
  ];
  return {
    journal: opened.finding,
    workspaces: findings.sort((a, b) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  };
}

function lookAt(records: TreeRecords, id: string): WorkspaceFinding {
  const found = records.read(id);
  if (found.outcome !== "agrees") return { id, outcome: "unknown", problem: found.problem };
  const { owner, metaId } = found.workspace;
  return { id, outcome: "adoptable", owner, metaId };
}

/** Returns the names of the folders among the workspaces. */
function foldersOf(path: string): Set<string> {
  if (!existsSync(path)) return new Set();
  const entries = [...Deno.readDirSync(path)];
  return new Set(entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name));
}

/** Returns whether nothing is in a folder: a platform makes such before they are filled. */
function isEmpty(path: string): boolean {
  return Deno.readDirSync(path)[Symbol.iterator]().next().done === true;
}

/** A journal that is open, unless it is missing or damaged. */
interface Opened extends Disposable {
  readonly journal: Journal | undefined;
  readonly finding: JournalFinding;
}

/** Opens the journal of a root with its records. @throws {DaemonError} as {@link checkState} */
export function openIfWhole(root: string): Opened {
  const path = journalPath(root);
  const none = (finding: JournalFinding): Opened => ({
    journal: undefined,
    finding,
    [Symbol.dispose]() {},
  });
  if (!existsSync(path)) return none({ path, outcome: "missing" });
  let journal: Journal | undefined;
  try {
    journal = new Journal(path, recordsOf({ root }));
    const [problem] = journal.damages();
    if (problem !== undefined) {
      journal[Symbol.dispose]();
      return none({ path, outcome: "damaged", problem });
    }
    const opened = journal;
    return {
      journal: opened,
      finding: { path, outcome: "ok" },
      [Symbol.dispose]: () => opened[Symbol.dispose](),
    };
  } catch (error) {
    journal?.[Symbol.dispose]();
    if (!isDamage(error)) throw error;
    return none({ path, outcome: "damaged", problem: messageOf(error) });
  }
}

/** Returns whether SQLite has found the file damaged. */
function isDamage(error: unknown): boolean {
  return causesOf(error).some((cause) =>
    ["SQLITE_CORRUPT", "SQLITE_NOTADB"].includes(errnoOf(cause) ?? "")
  );
}
