/** Makes workspaces again of trees that the journal does not know, with the daemon stopped. */

import { dirname } from "@std/path";
import { DaemonError, invalid } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { journalPath } from "../state_schema.ts";
import { checkState } from "./check_state.ts";
import { Journal } from "./journal.ts";
import { type RecordedWorkspace, recordsOf, syncFolder, type TreeRecords } from "./tree_records.ts";
import { workspaceIdProblem } from "./workspace_id.ts";

const log = logger("workspace");

/** Which trees to adopt. */
export interface AdoptOptions {
  /** Ids of trees; all that can be adopted if absent. */
  readonly ids?: readonly string[];
  /** Whose the one tree is that `ids` names, where nothing to be believed says so. */
  readonly identity?: { readonly owner: string; readonly metaId: string };
}

/** What {@link adopt} has done. */
export interface Adoption {
  /** Where the damaged journal is now; absent where it was not damaged. */
  readonly movedJournal?: string;
  readonly adopted: readonly RecordedWorkspace[];
  /** Trees that stay nobody's, and why. */
  readonly left: readonly { readonly id: string; readonly problem: string }[];
}

/** Files that SQLite has beside a database, which belong to that one. */
const COMPANIONS = ["-journal", "-wal", "-shm"] as const;

/**
 * Adds trees to the journal as AVAILABLE workspaces, durably, one at a time: it may be killed and run
 * again. A damaged journal is moved aside first, never deleted, and a new one made. Their baselines are
 * dropped, so that the next save reads everything. The caller holds the root's lock.
 * @throws {DaemonError} NOT_FOUND for an id without a tree, ALREADY_EXISTS for one that the journal has,
 *   FAILED_PRECONDITION for an identity that a record contradicts, and as `checkState`
 */
export function adopt(root: string, { ids, identity }: AdoptOptions): Adoption {
  const records = recordsOf({ root });
  const { journal: finding, workspaces } = checkState(root);
  const found = new Map(workspaces.map((workspace) => [workspace.id, workspace]));
  const wanted = ids ?? workspaces.filter(isNobodys).map(({ id }) => id);
  for (const id of wanted) requireNobodys(id, found.get(id)?.outcome, records);
  const named = identity && { id: wanted[0]!, identity };
  if (named) requireUncontradicted(named.id, named.identity, records);
  const movedJournal = finding.outcome === "damaged" ? moveAside(root) : undefined;
  using journal = new Journal(journalPath(root), records);
  const adopted: RecordedWorkspace[] = [];
  const left: { id: string; problem: string }[] = [];
  for (const id of wanted) {
    const record = records.read(id);
    if (record.outcome !== "agrees" && !named) {
      left.push({ id, problem: record.problem });
      continue;
    }
    const workspace = record.outcome === "agrees" ? record.workspace : unknown(id, named!.identity);
    dropBaseline(root, id);
    journal.adopt(workspace);
    log.info("Workspace {id} is {owner}/{metaId}'s again", { ...workspace });
    adopted.push(workspace);
  }
  return { ...(movedJournal === undefined ? {} : { movedJournal }), adopted, left };
}

function isNobodys({ outcome }: { outcome: string }): boolean {
  return outcome === "adoptable" || outcome === "unknown";
}

function requireNobodys(id: string, outcome: string | undefined, records: TreeRecords): void {
  const problem = workspaceIdProblem(id);
  if (problem !== undefined) {
    throw invalid("id", `${problem}: it is ${JSON.stringify(id)}; rename its folder`);
  }
  if (outcome === undefined) {
    throw new DaemonError("NOT_FOUND", `There is no content in ${records.treeOf(id)}`);
  }
  if (outcome === "known" || outcome === "missing") {
    throw new DaemonError("ALREADY_EXISTS", `The journal has a workspace ${id}`);
  }
}

/** A record that is to be believed is not overruled by what somebody types. */
function requireUncontradicted(
  id: string,
  { owner, metaId }: { owner: string; metaId: string },
  records: TreeRecords,
): void {
  const found = records.read(id);
  if (found.outcome !== "agrees") return;
  const { workspace } = found;
  if (workspace.owner === owner && workspace.metaId === metaId) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Workspace ${id} is ${workspace.owner}/${workspace.metaId}'s by ${
      records.pathOf(id)
    }, and not ` +
      `${owner}/${metaId}'s; adopt it without naming anybody, or remove that file if you are sure`,
  );
}

function unknown(id: string, identity: { owner: string; metaId: string }): RecordedWorkspace {
  return { id, ...identity, remoteStorageDisabled: false, quotaBytes: 0, checkoutLocation: "" };
}

/** Moves a damaged journal aside with what SQLite has beside it. Returns where it is. */
function moveAside(root: string): string {
  const path = journalPath(root);
  const aside = `${path}.damaged-${crypto.randomUUID()}`;
  // These first: a new database must never be rolled back by what belongs to the old one.
  for (const suffix of [...COMPANIONS, ""]) {
    try {
      Deno.renameSync(`${path}${suffix}`, `${aside}${suffix}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  syncFolder(dirname(path));
  return aside;
}

/** What it says was true of whoever had the id when the journal was whole. */
function dropBaseline(root: string, id: string): void {
  try {
    Deno.removeSync(`${dirname(journalPath(root))}/baselines/${id}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
