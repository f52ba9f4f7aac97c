import type { Content } from "../content/mod.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { type Images, MAX_LOG_BYTES } from "../snapshot/mod.ts";
import { findTerminalLogs, type TerminalLog } from "./terminal_logs.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Bounds how many logs are stored: a workspace may contain any number of files with a log's name. */
const MAX_LOGS = 1000;

/** How many of the logs that are not stored are named in the message. */
const MAX_NAMED = 10;

/** The services that storing terminal logs uses. */
export interface SaveLogsContext {
  content: Content;
  images: Images;
  metrics: WorkspaceMetrics;
  /** Fires when the daemon stops. */
  stop: AbortSignal;
}

/**
 * Stores the terminal logs of a workspace. Logs are worth less than the content: whatever goes wrong
 * with them is logged and counted and does not stop the disposal.
 * @throws the reason of `stop` when the daemon stops
 */
export async function saveLogs(workspace: Workspace, context: SaveLogsContext): Promise<void> {
  const { id, tree } = workspace;
  const { stop, metrics } = context;
  let found: TerminalLog[];
  try {
    found = await findTerminalLogs(context.content, tree);
  } catch (error) {
    stop.throwIfAborted();
    metrics.terminalLog("failed");
    log.error(
      "Could not look for the terminal logs of workspace {id}, so none are stored: {reason}",
      {
        id,
        reason: messageOf(error),
      },
    );
    return;
  }
  if (found.length > MAX_LOGS) reportExcess(id, found, metrics);
  for (const one of found.slice(0, MAX_LOGS)) await saveLog(workspace, one, context);
}

function reportExcess(id: string, found: readonly TerminalLog[], metrics: WorkspaceMetrics): void {
  const excess = found.slice(MAX_LOGS);
  metrics.terminalLog("excess", excess.length);
  log.warn(
    "Only the first {kept} of the {found} terminal logs of workspace {id} are stored; " +
      "not stored are {names} and those after them",
    {
      kept: MAX_LOGS,
      found: found.length,
      id,
      names: excess.slice(0, MAX_NAMED).map(({ path }) => path),
    },
  );
}

async function saveLog(
  { id, identity, tree }: Workspace,
  { path, task, size }: TerminalLog,
  { images, metrics, stop }: SaveLogsContext,
): Promise<void> {
  try {
    await images.saveLog(tree, path, { identity, instance: id, task, signal: stop });
  } catch (error) {
    stop.throwIfAborted();
    metrics.terminalLog("failed");
    log.error("Could not store the terminal log {path} of workspace {id}: {reason}", {
      path: JSON.stringify(path),
      id,
      reason: messageOf(error),
    });
    return;
  }
  metrics.terminalLog(size > MAX_LOG_BYTES ? "cut" : "stored");
  if (size <= MAX_LOG_BYTES) return;
  log.warn(
    "Only the first {kept} of the {size} bytes of the terminal log {path} of workspace {id} " +
      "are stored",
    { kept: MAX_LOG_BYTES, size, path, id },
  );
}
