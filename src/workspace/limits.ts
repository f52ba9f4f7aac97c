/** Has the file system limit what a workspace's processes can take. */

import type { Content, Tree } from "../content/mod.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/**
 * Has the file system limit a tree, where it can.
 * @param quotaBytes 0 for no limit
 * @throws {DaemonError} RESOURCE_EXHAUSTED where the disk is too full to note it
 */
export async function limitTree(content: Content, tree: Tree, quotaBytes: number): Promise<void> {
  if (quotaBytes > 0) await content.limit(tree, quotaBytes);
}

/**
 * Puts the limits of workspaces that are there into force again: quotas may have been switched off and
 * on, or the root been moved to another disk, while the daemon was not running.
 */
export async function restoreLimits(
  content: Content,
  workspaces: Iterable<Workspace>,
): Promise<void> {
  for (const { id, state, tree, record } of workspaces) {
    if (state !== "AVAILABLE") continue;
    try {
      await limitTree(content, tree, record.quotaBytes);
    } catch (error) {
      log.error("Cannot limit workspace {id} to its quota: {reason}", {
        id,
        reason: messageOf(error),
      });
    }
  }
}
