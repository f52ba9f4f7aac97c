import type { Content, Leftovers } from "../content/mod.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { finalSavesNamed } from "./final_saves.ts";
import { type Recorders, Workspace } from "./workspace.ts";

const log = logger("workspace");

/** What a restart finds. */
export interface Recovered {
  /** Those in state DELETING are still to be deleted. */
  workspaces: Workspace[];
  /** Entries among the published trees that the journal does not know. */
  orphans: Set<string>;
  /** What is to be deleted besides. */
  leftovers: Leftovers;
}

/** How many foreign entries are named in the log. */
const MAX_NAMED = 20;

/**
 * Decides for every workspace what becomes of it; it deletes nothing, so that neither the size nor the
 * state of what is left keeps the others from being served.
 *
 * Published trees that the journal does not know are left alone and reported: they may be somebody's
 * work.
 */
export async function recover(content: Content, witnesses: Recorders): Promise<Recovered> {
  const leftovers = await look("staging, trash and spool", () => content.leftovers());
  const published = await look("the published trees", () => content.published());
  const strangers = new Set(published);
  const workspaces: Workspace[] = [];
  for (const record of witnesses.journal.workspaces()) {
    const workspace = Workspace.fromRecord(record, witnesses);
    const { id } = workspace;
    const found = strangers.delete(id);
    if (workspace.state === "SETTING_UP") workspace.apply("delete");
    if (workspace.state === "WRAPPING_UP") workspace.apply("keep");
    if (workspace.state === "DELETING") {
      workspace.saved = finalSavesNamed(witnesses.journal.finalSaves(id));
      log.warn("Deleting workspace {id}, which was not to stay when the daemon ended", { id });
    } else if (published && !found) {
      log.error("The content of workspace {id} is not there any more: somebody else removed it", {
        id,
      });
    }
    workspaces.push(workspace);
  }
  reportStrangers(strangers, leftovers?.foreign ?? []);
  return { workspaces, orphans: strangers, leftovers: leftovers ?? NOTHING };
}

const NOTHING: Leftovers = {
  staging: [],
  trash: [],
  scratch: [],
  spool: [],
  tokens: [],
  foreign: [],
};

/** What cannot be looked at stays as it is. */
async function look<T>(what: string, find: () => Promise<T>): Promise<T | undefined> {
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

function reportStrangers(strangers: ReadonlySet<string>, foreign: readonly string[]): void {
  for (const name of [...strangers].slice(0, MAX_NAMED)) {
    log.error("There is an entry {name} among the workspaces that no workspace belongs to", {
      name,
    });
  }
  for (const path of foreign.slice(0, MAX_NAMED)) {
    log.warn("{path} is not wsdaemon's and stays; move it away", { path });
  }
}
