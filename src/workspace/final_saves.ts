/** What callers of DisposeWorkspace want kept, and until when it can be. */

import { DaemonError } from "../errors.ts";
import type { Workspace } from "./workspace.ts";

/** Logs come first: they are small, and of use whatever becomes of the backup. */
const FINAL_SAVES = ["backupLogs", "backup"] as const;

export type FinalSave = typeof FINAL_SAVES[number];
export type DisposeOptions = Readonly<Record<FinalSave, boolean>>;

/** What `options` ask for, in the order to do it in. */
export function finalSavesOf(options: DisposeOptions): FinalSave[] {
  return FINAL_SAVES.filter((wish) => options[wish]);
}

/** The saves among `names`, which the journal has remembered. */
export function finalSavesNamed(names: readonly string[]): Set<FinalSave> {
  return new Set(FINAL_SAVES.filter((save) => names.includes(save)));
}

/**
 * Refuses what no disposal can keep, before one begins or is joined: nobody may be told that what was
 * deleted unsaved was saved. What was kept before a deletion began is as good as what is yet to be.
 * @throws {DaemonError} FAILED_PRECONDITION
 */
export function checkDisposePreconditions(
  workspace: Workspace,
  options: DisposeOptions,
  remoteStorage: boolean,
): void {
  const { id, state, saved: kept, disposal } = workspace;
  if (state === "DELETING" || state === "NONE") {
    // Of what an initialisation or a restart could not clear away there are no logs to miss.
    const needed = finalSavesOf(options).filter((wish) => wish === "backup" || disposal);
    const missing = needed.findLast((wish) => !kept.has(wish));
    if (!missing) return;
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Workspace ${id} is being disposed of without ` +
        `${missing === "backup" ? "a backup" : "its logs"}: repeat the call without asking for it`,
    );
  }
  const asked = finalSavesOf(options);
  const what = asked.length === 2 ? "content and logs" : options.backup ? "content" : "logs";
  const why = asked.length > 0 && !remoteStorage
    ? "remote storage is disabled for it; repeat the call without asking for that"
    : options.backup && state === "SETTING_UP"
    ? "its content was never ready"
    : undefined;
  if (!why) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot store the ${what} of workspace ${id} before its disposal: ${why}`,
  );
}
