import type { Content } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import type { GitStatus, GitStatusReader } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import type { Images } from "../snapshot/mod.ts";
import type { ContentDeleter } from "./content_deleter.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { saveLogs } from "./save_logs.ts";
import type { ImageSaver } from "./image_saver.ts";
import type { FinalSave } from "./final_saves.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Git's status of a huge checkout must not hold a disposal up for longer. */
const STATUS_TIMEOUT_MS = 60_000;

export interface DisposeParts {
  content: Content;
  images: Images;
  gitStatus: GitStatusReader;
  saver: ImageSaver;
  deleter: ContentDeleter;
  metrics: WorkspaceMetrics;
  stop: AbortSignal;
}

/**
 * Takes a workspace to NONE. Where the final backup fails it is AVAILABLE again.
 * @param wishes may grow until the workspace is DELETING
 * @throws {DaemonError} DATA_LOSS (content kept, the call can be repeated), FAILED_PRECONDITION (not
 *   all can be deleted yet; the workspace stays until it is).
 */
export async function disposeWorkspace(
  workspace: Workspace,
  wishes: ReadonlySet<FinalSave>,
  parts: DisposeParts,
): Promise<{ gitStatus?: GitStatus }> {
  if (workspace.setup && !await cancelSetup(workspace)) return {};
  // A deletion that failed before is past the point where anything could still be backed up.
  if (workspace.state === "DELETING") {
    await parts.deleter.delete(workspace);
    return {};
  }
  workspace.apply("wrapUp");
  let gitStatus: GitStatus | undefined;
  try {
    gitStatus = await settle(workspace, parts);
    // Iterating a Set meets what is added meanwhile. Between its end and DELETING nothing may wait.
    for (const wish of wishes) await keep(wish, workspace, parts);
    workspace.apply("delete", wishes);
  } catch (error) {
    workspace.apply("keep");
    parts.saver.resume([workspace]);
    parts.stop.throwIfAborted();
    throw error;
  }
  await parts.deleter.delete(workspace);
  return gitStatus ? { gitStatus } : {};
}

/** Waits until nothing runs on the workspace any more, and reads Git's status then. */
async function settle(workspace: Workspace, parts: DisposeParts): Promise<GitStatus | undefined> {
  const promised = `A snapshot of workspace ${workspace.id} was promised`;
  await orContentStays(promised, finishRunning(workspace));
  return await readStatus(workspace, parts);
}

async function keep(wish: FinalSave, workspace: Workspace, parts: DisposeParts): Promise<void> {
  if (wish === "backupLogs") return await saveLogs(workspace, parts);
  const backup = parts.saver.saveBackup(workspace);
  await orContentStays(`The final backup of workspace ${workspace.id} was asked for`, backup);
}

async function orContentStays(expected: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new DaemonError(
      "DATA_LOSS",
      `${expected} and failed, so its content stays: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Whether the workspace is there all the same, its initialisation having been faster. */
async function cancelSetup(workspace: Workspace): Promise<boolean> {
  const { done, abort } = workspace.setup!;
  abort.abort(
    new DaemonError(
      "ABORTED",
      `Workspace ${workspace.id} was disposed of while it was being set up`,
    ),
  );
  await Promise.allSettled([done]);
  return workspace.state !== "NONE";
}

/** Lets snapshots and backups finish; a promised snapshot that cannot be stored stops the disposal. */
async function finishRunning(workspace: Workspace): Promise<void> {
  const promised = await Promise.allSettled(workspace.pendingSnapshots.values());
  for (const snapshot of promised) if (snapshot.status === "rejected") throw snapshot.reason;
  await workspace.idle();
}

async function readStatus(
  workspace: Workspace,
  { gitStatus, stop }: DisposeParts,
): Promise<GitStatus | undefined> {
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(STATUS_TIMEOUT_MS)]);
    return await gitStatus.status(workspace.tree, workspace.record.checkoutLocation, { signal });
  } catch (error) {
    stop.throwIfAborted();
    log.warn("No Git status of workspace {id}: {reason}", {
      id: workspace.id,
      reason: messageOf(error),
    });
    return undefined;
  }
}
