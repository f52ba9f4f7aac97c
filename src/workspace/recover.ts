/** What a restart makes of what the last run left, be it after a shutdown or `kill -9`. */

import type { Content } from "../content/content.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log.ts";
import { deleteContent } from "./delete_content.ts";
import { type Recorders, Workspace } from "./workspace.ts";

const log = logger("workspace");

/** What a restart finds. */
export interface Recovered {
  workspaces: Workspace[];
  /** Published folders that the journal does not know. */
  orphans: Set<string>;
}

/**
 * Completes or undoes what was under way.
 *
 * Published folders that the journal does not know are left alone and reported: they may be
 * somebody's work.
 */
export async function recover(content: Content, witnesses: Recorders): Promise<Recovered> {
  await content.sweep();
  const strangers = new Set(await content.published());
  const workspaces: Workspace[] = [];
  for (const record of witnesses.journal.workspaces()) {
    const workspace = Workspace.fromRecord(record, witnesses);
    const found = strangers.delete(record.id);
    if (workspace.state === "SETTING_UP") workspace.apply("delete");
    if (workspace.state === "WRAPPING_UP") workspace.apply("keep");
    if (workspace.state === "DELETING") {
      await clearAway(workspace, content);
    } else if (!found) {
      log.error("The content of workspace {id} is not there any more: somebody else removed it", {
        id: record.id,
      });
    }
    if (workspace.state !== "NONE") workspaces.push(workspace);
  }
  for (const name of strangers) {
    log.error("There is a folder {name} among the workspaces that no workspace belongs to", {
      name,
    });
  }
  return { workspaces, orphans: strangers };
}

/** One that cannot be cleared away must not keep the others waiting: it can be disposed of again. */
async function clearAway(workspace: Workspace, content: Content): Promise<void> {
  const { id } = workspace;
  log.warn("Clearing workspace {id} away, which was not to stay when the daemon ended", { id });
  try {
    await deleteContent(workspace, content);
  } catch (error) {
    log.error("Cannot clear workspace {id} away: {reason}", { id, reason: messageOf(error) });
  }
}
