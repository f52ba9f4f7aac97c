import { type Content, NO_FOLDER, type Tree } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { limitTree } from "./limits.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Folders that somebody else makes among the workspaces, where `init.inPlace` says that they are filled. */
export interface InPlaceRules {
  /** User ids that such a folder may belong to. */
  readonly owners: readonly number[];
}

/** What publishing a tree needs. */
export interface PublishContext {
  content: Content;
  /** Absent where nobody else makes folders among the workspaces. */
  inPlace: InPlaceRules | undefined;
}

/** How often a folder that comes and goes meanwhile is tried. */
const ATTEMPTS = 3;

/**
 * Makes a staging tree visible as the workspace's: by one rename or, where its folder is there already
 * and may be filled, by moving its entries. Adds to `made` the tree that a failure removes.
 * @throws {DaemonError} ALREADY_EXISTS where something else is in its place, which is left alone
 */
export async function publish(
  workspace: Workspace,
  tree: Tree,
  made: Tree[],
  { content, inPlace }: PublishContext,
): Promise<void> {
  if (!inPlace) return await publishByRename(workspace, tree, made, content);
  for (let attempt = 1;; attempt++) {
    const found = await content.folders.inspect(workspace.id, inPlace.owners);
    if (found !== undefined) return await fill(workspace, tree, made, content, found);
    workspace.claimFolder({ use: "published", id: await content.folders.idOf(tree) });
    try {
      return await publishByRename(workspace, tree, made, content);
    } catch (error) {
      if (!isAlreadyThere(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function publishByRename(
  workspace: Workspace,
  tree: Tree,
  made: Tree[],
  content: Content,
): Promise<void> {
  try {
    await content.publish(tree, workspace.id);
    made.push(workspace.tree);
  } catch (error) {
    if (!isAlreadyThere(error)) made.push(workspace.tree);
    throw error;
  }
}

async function fill(
  workspace: Workspace,
  tree: Tree,
  made: Tree[],
  content: Content,
  id: string,
): Promise<void> {
  // From here on a restart empties the folder.
  workspace.claimFolder({ use: "filling", id });
  let copied: boolean;
  try {
    ({ copied } = await content.folders.fill(tree, workspace.tree));
  } catch (error) {
    if (isAlreadyThere(error)) workspace.claimFolder({ use: "unclaimed", id: NO_FOLDER });
    else made.push(workspace.tree);
    throw error;
  }
  made.push(workspace.tree);
  // It names inodes of another file system.
  if (copied) await content.dropBaseline(workspace.id);
  await limitTree(content, workspace.tree, workspace.record.quotaBytes);
  await removeEmptied(tree, content, workspace.id);
}

/** Removes the staging tree, whose content is in its place: what stays is deleted by the next start. */
async function removeEmptied(tree: Tree, content: Content, id: string): Promise<void> {
  try {
    await content.remove(tree);
  } catch (error) {
    log.warn(
      "Cannot delete the staging tree of workspace {id}, which the next start will do: {reason}",
      {
        id,
        reason: messageOf(error),
      },
    );
  }
}

/** Returns whether something of somebody else has the tree's place, and nothing of ours is in it. */
function isAlreadyThere(error: unknown): boolean {
  return error instanceof DaemonError && error.code === "ALREADY_EXISTS";
}
