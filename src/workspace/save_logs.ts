/** Stores a workspace's terminal logs when it is disposed of. */

import type { Content } from "../content/content.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log.ts";
import { type Images, MAX_LOG_BYTES } from "../snapshot/images.ts";
import { findTerminalLogs } from "./terminal_logs.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** What runs in a workspace may leave any number of files with a log's name. */
const MAX_LOGS = 1000;

export interface SaveLogsParts {
  content: Content;
  images: Images;
  remoteStorage: boolean;
  stop: AbortSignal;
}

/** Logs are worth less than the content: whatever goes wrong with them is only reported. */
export async function saveLogs(workspace: Workspace, parts: SaveLogsParts): Promise<void> {
  const { id, identity, tree } = workspace;
  if (!parts.remoteStorage) {
    log.warn("No terminal logs of workspace {id} are stored: remote storage is disabled", { id });
    return;
  }
  const { stop } = parts;
  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      stop.throwIfAborted();
      const reason = messageOf(error);
      log.error("Could not store {what} of workspace {id}: {reason}", { what, id, reason });
    }
  };
  await attempt("the terminal logs", async () => {
    const found = await findTerminalLogs(parts.content, tree);
    if (found.length > MAX_LOGS) {
      log.warn("Only the first {kept} of the {found} terminal logs of workspace {id} are stored", {
        kept: MAX_LOGS,
        found: found.length,
        id,
      });
    }
    for (const { path, task, size } of found.slice(0, MAX_LOGS)) {
      if (size > MAX_LOG_BYTES) {
        log.warn(
          "Only the first {kept} of the {size} bytes of the terminal log {path} of workspace {id} " +
            "are stored",
          { kept: MAX_LOG_BYTES, size, path, id },
        );
      }
      await attempt(
        `the terminal log ${JSON.stringify(path)}`,
        () => parts.images.saveLog(tree, path, { identity, instance: id, task, signal: stop }),
      );
    }
  });
}
