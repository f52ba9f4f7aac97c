/** The way out, past the point of no return. */

import type { Content } from "../content/content.ts";
import { logger } from "../log.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Takes a workspace from DELETING to NONE; where that fails it can be tried again. */
export async function deleteContent(workspace: Workspace, content: Content): Promise<void> {
  await content.remove(workspace.tree);
  await content.dropBaseline(workspace.id);
  workspace.apply("gone");
  log.info("Workspace {id} is gone", { id: workspace.id });
}
