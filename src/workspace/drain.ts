/** Backs every workspace of a node up, before the node goes away. */

import { abortable } from "@std/async";
import { forEachIndex } from "../async/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { nameSome } from "../name_some.ts";
import type { Operation } from "../operations/mod.ts";
import type { BackgroundOutcome, ImageSaver } from "./image_saver.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** Milliseconds between two attempts at one backup, at most. */
const MAX_DELAY_MS = 60_000;

/** What backing all workspaces up uses. */
export interface BackUpAllOptions {
  saver: ImageSaver;
  /** How often each backup is tried. */
  attempts: number;
  /** Workspaces at a time. */
  concurrency: number;
  /** Whether a workspace may be stored. */
  hasStorage(workspace: Workspace): boolean;
  /** Who asked for it, as operators see it. */
  caller: string;
  operation: Operation;
  /** Ends it; its reason is a DaemonError. */
  signal: AbortSignal;
}

/** What became of one workspace: its backup, or why there is none. */
type Outcome = BackgroundOutcome | "gone" | "excluded";

/**
 * Backs workspaces up that have changed since their last backup, and waits for their pending snapshots. One
 * that is being set up or disposed of is waited for. It can be ended at any moment and begun again; the
 * findings name what was left then.
 * @throws {DaemonError} FAILED_PRECONDITION, naming those that could not be backed up; the signal's reason
 */
export async function backUpAll(
  workspaces: readonly Workspace[],
  options: BackUpAllOptions,
): Promise<void> {
  const { operation, concurrency, signal } = options;
  operation.enter("backing up");
  operation.progress.setTotal({ files: workspaces.length });
  const counts: Record<Outcome, number> = {
    stored: 0,
    unchanged: 0,
    superseded: 0,
    gone: 0,
    excluded: 0,
  };
  const failures: string[] = [];
  const excluded: string[] = [];
  /** Those of which it is not known yet what becomes of them. */
  const left = new Set(workspaces.map(({ id }) => id));
  const run = forEachIndex(workspaces.length, concurrency, signal, async (index) => {
    const workspace = workspaces[index]!;
    const { id } = workspace;
    try {
      const outcome = await backUp(workspace, options);
      counts[outcome]++;
      if (outcome === "excluded") excluded.push(id);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(id);
      operation.addFinding(`${id} could not be backed up: ${messageOf(error)}`);
    }
    left.delete(id);
    operation.progress.add({ files: 1 });
  });
  try {
    await run;
  } finally {
    for (const id of left) operation.addFinding(`${id} was not backed up before the end`);
    // Last, so that they leave what failed its place: only so many findings are remembered.
    for (const id of excluded) {
      operation.addFinding(`${id} has no backup: remote storage is disabled for it`);
    }
  }
  operation.setFigures({
    workspaces: workspaces.length - counts.gone,
    stored: counts.stored + counts.superseded,
    unchanged: counts.unchanged,
    excluded: counts.excluded,
    failed: failures.length,
  });
  if (failures.length > 0) throw incomplete(failures, workspaces.length);
}

function incomplete(failures: readonly string[], total: number): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `${failures.length} of ${total} workspaces could not be backed up, and their content is on this ` +
      `node only: ${nameSome(failures)}. Mend what the findings name, and drain again`,
    { reason: "DRAIN_INCOMPLETE" },
  );
}

async function backUp(workspace: Workspace, options: BackUpAllOptions): Promise<Outcome> {
  const { saver, attempts, caller, signal, hasStorage } = options;
  for (;;) {
    await settled(workspace, signal);
    if (workspace.state !== "AVAILABLE") return "gone";
    if (!hasStorage(workspace)) return "excluded";
    try {
      const outcome = await saver.saveInBackground(workspace, {
        caller,
        signal,
        attempts,
        maxDelay: MAX_DELAY_MS,
        onFailure: (error) =>
          log.warn("An attempt at the last backup of workspace {id} failed: {reason}", {
            id: workspace.id,
            reason: messageOf(error),
          }),
      });
      // Where the node goes away, nobody resumes them.
      await abortable(Promise.all(workspace.pendingSnapshots.values()), signal);
      return outcome;
    } catch (error) {
      // Its disposal, which makes the backup that it is asked for, may still be abandoned.
      if (workspace.state === "AVAILABLE" && !workspace.disposal) throw error;
    }
  }
}

/** Waits while the workspace is being set up or disposed of. @throws the signal's reason */
async function settled(workspace: Workspace, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const work = workspace.setup?.done ?? workspace.disposal?.done;
    if (!work) return;
    await abortable(Promise.allSettled([work]), signal);
  }
}
