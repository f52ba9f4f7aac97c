/** DisposeWorkspace's work: everything that must be kept is kept before anything is deleted. */

import type { Content } from "../content/api.ts";
import { DaemonError, messageOf } from "../errors.ts";
import type { GitStatus, GitStatusReader } from "../git/api.ts";
import { logger } from "../log.ts";
import type { Images } from "../snapshot/api.ts";
import { deleteContent } from "./delete.ts";
import { saveLogs } from "./save_logs.ts";
import type { ImageSaver } from "./saver.ts";
import type { Disposal, DisposeOptions, Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Git's status of a huge checkout must not hold a disposal up for longer. */
const STATUS_TIMEOUT_MS = 60_000;

export interface DisposeParts {
  content: Content;
  images: Images;
  gitStatus: GitStatusReader;
  saver: ImageSaver;
  remoteStorage: boolean;
  stop: AbortSignal;
}

/**
 * Refuses what no disposal can do, before one begins or is joined.
 * @throws {DaemonError} FAILED_PRECONDITION
 */
export function refuseDisposal(
  workspace: Workspace,
  options: DisposeOptions,
  remoteStorage: boolean,
): void {
  if (!options.backup) return;
  const why = workspace.setup
    ? "its content was never ready"
    : remoteStorage || workspace.state === "DELETING"
    ? undefined
    : "remote storage is disabled for it; dispose of it without a backup";
  if (!why) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot back up workspace ${workspace.id} before its disposal: ${why}`,
  );
}

/**
 * Joins a disposal: what is asked for beyond it is added while it has not begun to delete.
 * @throws {DaemonError} FAILED_PRECONDITION where it has: nobody may be told that what was deleted
 * unsaved was saved
 */
export function joinDisposal(workspace: Workspace, running: Disposal, asked: DisposeOptions): void {
  const { options } = running;
  const isMore = asked.backup && !options.backup || asked.backupLogs && !options.backupLogs;
  if (!isMore) return;
  if (workspace.state === "DELETING" || workspace.state === "NONE") {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Workspace ${workspace.id} is being disposed of without ` +
        `${
          asked.backup && !options.backup ? "a backup" : "its logs"
        }, as an earlier call asked for`,
    );
  }
  options.backup ||= asked.backup;
  options.backupLogs ||= asked.backupLogs;
}

/**
 * Takes a workspace to NONE. Where the final backup fails it is AVAILABLE again.
 * @throws {DaemonError} FAILED_PRECONDITION, DATA_LOSS (content kept, the call can be repeated).
 */
export async function disposeWorkspace(
  workspace: Workspace,
  options: DisposeOptions,
  parts: DisposeParts,
): Promise<{ gitStatus?: GitStatus }> {
  if (workspace.setup && !await cancelSetup(workspace)) return {};
  // A deletion that failed before is past the point where anything could still be backed up.
  if (workspace.state === "DELETING") {
    await deleteContent(workspace, parts.content);
    return {};
  }
  workspace.apply("wrapUp");
  let gitStatus: GitStatus | undefined;
  try {
    gitStatus = await preserve(workspace, options, parts);
    workspace.apply("delete");
  } catch (error) {
    workspace.apply("keep");
    parts.saver.resume([workspace]);
    parts.stop.throwIfAborted();
    throw error;
  }
  await deleteContent(workspace, parts.content);
  return gitStatus ? { gitStatus } : {};
}

/** Keeps what must outlive the workspace, and reads Git's status when nothing runs any more. */
async function preserve(
  workspace: Workspace,
  options: DisposeOptions,
  parts: DisposeParts,
): Promise<GitStatus | undefined> {
  const { id } = workspace;
  await orContentStays(`A snapshot of workspace ${id} was promised`, finishRunning(workspace));
  const gitStatus = await readStatus(workspace, parts);
  const done: DisposeOptions = { backup: false, backupLogs: false };
  // As long as something is awaited, another call may ask for more.
  while (options.backup && !done.backup || options.backupLogs && !done.backupLogs) {
    if (options.backupLogs && !done.backupLogs) {
      await saveLogs(workspace, parts);
      done.backupLogs = true;
    } else {
      const backup = parts.saver.saveBackup(workspace);
      await orContentStays(`The final backup of workspace ${id} was asked for`, backup);
      done.backup = true;
    }
  }
  return gitStatus;
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
  const promised = await Promise.allSettled(workspace.promised.values());
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
