import type { Content } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import type { GitStatus, GitStatusReader } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import { abortable } from "@std/async";
import type { Operation } from "../operations/mod.ts";
import type { Images } from "../snapshot/mod.ts";
import type { ContentDeleter } from "./content_deleter.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { saveLogs } from "./save_logs.ts";
import type { ImageSaver } from "./image_saver.ts";
import type { FinalSave } from "./final_saves.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Bounds the wait for Git's status, so that a huge checkout does not hold a disposal up. */
const STATUS_TIMEOUT_MS = 60_000;

/** The services that a disposal uses. */
export interface DisposeContext {
  content: Content;
  images: Images;
  gitStatus: GitStatusReader;
  saver: ImageSaver;
  deleter: ContentDeleter;
  metrics: WorkspaceMetrics;
  operation: Operation;
  /** Fires when the daemon stops; its reason is what callers are told. */
  stop: AbortSignal;
}

/**
 * Takes a workspace to NONE: cancels its setup, waits for running saves, reads Git's status, makes the
 * final saves and deletes the content. Where the final backup fails it is AVAILABLE again.
 * @param finalSaves may grow until the workspace is DELETING
 * @returns Git's status, unless it could not be read or the workspace was never AVAILABLE
 * @throws {DaemonError} DATA_LOSS where a save failed: the content stays and the call can be repeated.
 *   FAILED_PRECONDITION where not all can be deleted yet: deleting goes on in the background.
 */
export async function disposeWorkspace(
  workspace: Workspace,
  finalSaves: ReadonlySet<FinalSave>,
  context: DisposeContext,
): Promise<{ gitStatus?: GitStatus }> {
  const { operation } = context;
  if (workspace.setup && !await cancelSetup(workspace, operation)) return {};
  // A deletion that failed before is past the point where anything could still be backed up.
  if (workspace.state === "DELETING") {
    await deleteContent(workspace, context);
    return {};
  }
  workspace.apply("wrapUp");
  let gitStatus: GitStatus | undefined;
  try {
    gitStatus = await waitUntilIdle(workspace, context);
    // Iterating a Set visits what is added meanwhile. Nothing may be awaited between the end of the
    // loop and DELETING, or a save that a joining caller added there would be missed.
    for (const save of finalSaves) await makeFinalSave(save, workspace, context);
    operation.signal.throwIfAborted();
    workspace.apply("delete", finalSaves);
  } catch (error) {
    workspace.apply("abortDispose");
    context.saver.resume([workspace]);
    context.stop.throwIfAborted();
    operation.signal.throwIfAborted();
    throw error;
  }
  await deleteContent(workspace, context);
  return gitStatus ? { gitStatus } : {};
}

async function deleteContent(
  workspace: Workspace,
  { deleter, operation }: DisposeContext,
): Promise<void> {
  operation.setUncancellable("the content is being deleted");
  operation.enter("deleting");
  await deleter.delete(workspace);
}

/** Waits until no save runs on the workspace any more, then reads Git's status. */
async function waitUntilIdle(
  workspace: Workspace,
  context: DisposeContext,
): Promise<GitStatus | undefined> {
  const { operation } = context;
  const expected = `A snapshot of workspace ${workspace.id} was promised`;
  operation.enter("waiting for saves");
  await abortable(orDataLoss(expected, finishSaves(workspace)), operation.signal);
  operation.enter("reading Git's status");
  return await readStatus(workspace, context);
}

async function makeFinalSave(
  save: FinalSave,
  workspace: Workspace,
  context: DisposeContext,
): Promise<void> {
  context.operation.enter(save === "backup" ? "saving" : "saving logs");
  if (save === "backupLogs") {
    const stop = AbortSignal.any([context.stop, context.operation.signal]);
    return await saveLogs(workspace, { ...context, stop });
  }
  const backup = context.saver.saveBackup(workspace);
  await orDataLoss(`The final backup of workspace ${workspace.id} was asked for`, backup);
}

/** Waits for a save. @throws {DaemonError} DATA_LOSS where it fails */
async function orDataLoss(expected: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new DaemonError(
      "DATA_LOSS",
      `${expected} and failed, so its content stays: ${messageOf(error)}`,
      { cause: error, reason: "FINAL_SAVE_FAILED" },
    );
  }
}

/** Returns whether the workspace exists all the same, because its initialisation was faster. */
async function cancelSetup(workspace: Workspace, operation: Operation): Promise<boolean> {
  const { done, abort } = workspace.setup!;
  operation.setUncancellable("it has cancelled the initialisation, of which nothing stays");
  operation.enter("cancelling the initialisation");
  abort.abort(
    new DaemonError(
      "ABORTED",
      `Workspace ${workspace.id} was disposed of while it was being set up`,
      {
        reason: "DISPOSED_DURING_INIT",
        resource: { type: "workspace", name: workspace.id },
      },
    ),
  );
  await Promise.allSettled([done]);
  operation.setUncancellable(undefined);
  return workspace.state !== "NONE";
}

/**
 * Resolves once running snapshots and backups have ended.
 * @throws the failure of a pending snapshot, which stops the disposal: its url was answered
 */
async function finishSaves(workspace: Workspace): Promise<void> {
  const pending = await Promise.allSettled(workspace.pendingSnapshots.values());
  for (const snapshot of pending) if (snapshot.status === "rejected") throw snapshot.reason;
  await workspace.idle();
}

/** Returns Git's status, or undefined where it cannot be read: that does not stop a disposal. */
async function readStatus(
  workspace: Workspace,
  { gitStatus, operation, stop }: DisposeContext,
): Promise<GitStatus | undefined> {
  const ended = AbortSignal.any([stop, operation.signal]);
  try {
    const signal = AbortSignal.any([ended, AbortSignal.timeout(STATUS_TIMEOUT_MS)]);
    return await gitStatus.status(workspace.tree, workspace.record.checkoutLocation, { signal });
  } catch (error) {
    ended.throwIfAborted();
    log.warn("No Git status of workspace {id}: {reason}", {
      id: workspace.id,
      reason: messageOf(error),
    });
    return undefined;
  }
}
