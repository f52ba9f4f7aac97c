import type { Content, Leftovers } from "../content/mod.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { finalSavesNamed } from "./final_saves.ts";
import type { WorkspaceRecord } from "./journal.ts";
import { recoveryEvent } from "./state.ts";
import { type Recorders, Workspace } from "./workspace.ts";

const log = logger("workspace");

/** The state that a restart finds. */
export interface Recovered {
  /** Those in state DELETING are still to be deleted. */
  workspaces: Workspace[];
  /** Names of published trees that the journal does not know. */
  orphans: Set<string>;
  /** Everything else that is to be deleted. */
  leftovers: Leftovers;
}

/** How many foreign entries are named in the log. */
const MAX_NAMED = 20;

/**
 * Decides for every workspace in the journal whether it is kept or deleted. Deletes nothing itself,
 * so that neither the size nor the state of what is left keeps the others from being served.
 *
 * Published trees that the journal does not know (orphans) are left alone and reported: they may be
 * somebody's work.
 * @param options.areEmptyOnesExpected whether an empty folder is no orphan, but to be filled in place
 */
export async function recover(
  content: Content,
  recorders: Recorders,
  { areEmptyOnesExpected }: { areEmptyOnesExpected: boolean },
): Promise<Recovered> {
  const leftovers = await tryToFind("staging, trash and spool", () => content.leftovers());
  const published = await tryToFind("the published trees", () => content.published());
  const orphans = new Set(published);
  const workspaces: Workspace[] = [];
  for (const record of recorders.journal.workspaces()) {
    const workspace = recoverWorkspace(record, recorders);
    const { id } = workspace;
    const found = orphans.delete(id);
    if (workspace.state === "DELETING") {
      log.warn("Deleting workspace {id}, which was not to stay when the daemon ended", { id });
    } else if (published && !found) {
      log.error("The content of workspace {id} is not there any more: somebody else removed it", {
        id,
      });
    }
    workspaces.push(workspace);
  }
  if (areEmptyOnesExpected) {
    for (const name of orphans) if (await content.folders.isEmpty(name)) orphans.delete(name);
  }
  if (published) recorders.journal.completeRecords(new Set(published));
  reportOrphans(orphans, leftovers?.foreign ?? []);
  return { workspaces, orphans, leftovers: leftovers ?? NO_LEFTOVERS };
}

const NO_LEFTOVERS: Leftovers = {
  staging: [],
  trash: [],
  bases: [],
  scratch: [],
  spool: [],
  tokens: [],
  foreign: [],
};

/** Returns the workspace of a journal row, in the state that a restart takes it to. */
export function recoverWorkspace(record: WorkspaceRecord, recorders: Recorders): Workspace {
  const saved = finalSavesNamed(recorders.journal.finalSaves(record.id));
  const workspace = Workspace.fromRecord(record, recorders, saved);
  const event = recoveryEvent(workspace.state);
  if (event) workspace.apply(event);
  return workspace;
}

/** Returns undefined where a folder cannot be read: what is in it stays as it is. */
async function tryToFind<T>(what: string, find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    log.error("Cannot look for what an earlier daemon has left in {what}: {reason}", {
      what,
      reason: messageOf(error),
    });
    return undefined;
  }
}

function reportOrphans(orphans: ReadonlySet<string>, foreign: readonly string[]): void {
  for (const name of [...orphans].slice(0, MAX_NAMED)) {
    log.error(
      'There is an entry {name} among the workspaces that no workspace belongs to; "wsdaemon state check" ' +
        "says what is known of it, with the daemon stopped",
      { name },
    );
  }
  for (const path of foreign.slice(0, MAX_NAMED)) {
    log.warn("{path} is not wsdaemon's and stays; move it away", { path });
  }
}
