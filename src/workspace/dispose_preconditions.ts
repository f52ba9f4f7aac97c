import { DaemonError } from "../errors.ts";
import { type DisposeOptions, type FinalSave, finalSavesOf } from "./final_saves.ts";
import type { WorkspaceState } from "./state.ts";

/** What the preconditions of a disposal depend on; a `Workspace` has it. */
export interface DisposableWorkspace {
  readonly id: string;
  readonly state: WorkspaceState;
  /** What a disposal had saved by the time that it began to delete. */
  readonly saved: ReadonlySet<FinalSave>;
  /** Set while a disposal that this call would join is running. */
  readonly disposal: object | undefined;
}

/**
 * Refuses what no disposal can save, before one begins or is joined: nobody may be told that content
 * was saved which was deleted unsaved. A backup already made by this disposal satisfies a joining
 * caller.
 * @param remoteStorage whether this workspace may be stored at all
 * @throws {DaemonError} FAILED_PRECONDITION, saying how to repeat the call
 */
export function checkDisposePreconditions(
  workspace: DisposableWorkspace,
  options: DisposeOptions,
  remoteStorage: boolean,
): void {
  const { id, state } = workspace;
  if (state === "DELETING" || state === "NONE") return checkAlreadySaved(workspace, options);
  const requested = finalSavesOf(options);
  const what = requested.length === 2 ? "content and logs" : options.backup ? "content" : "logs";
  const why = requested.length > 0 && !remoteStorage
    ? "remote storage is disabled for it; repeat the call without asking for that"
    : options.backup && state === "SETTING_UP"
    ? "its content was never ready"
    : undefined;
  if (!why) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Cannot store the ${what} of workspace ${id} before its disposal: ${why}`,
    {
      reason: requested.length > 0 && !remoteStorage
        ? "REMOTE_STORAGE_DISABLED"
        : "FINAL_SAVE_IMPOSSIBLE",
      resource: { type: "workspace", name: id },
    },
  );
}

/** Checks that what is asked for was saved already, since past the point of no return nothing more can be. */
function checkAlreadySaved(
  { id, saved, disposal }: DisposableWorkspace,
  options: DisposeOptions,
): void {
  // A tree left by a failed initialisation or found by a restart has no disposal of its own that
  // could have missed logs; a backup must never be claimed for it.
  const needed = finalSavesOf(options).filter((save) => save === "backup" || disposal);
  const missing = needed.findLast((save) => !saved.has(save));
  if (!missing) return;
  throw new DaemonError(
    "FAILED_PRECONDITION",
    `Workspace ${id} is being disposed of without ` +
      `${missing === "backup" ? "a backup" : "its logs"}: repeat the call without asking for it`,
    { reason: "FINAL_SAVE_IMPOSSIBLE", resource: { type: "workspace", name: id } },
  );
}
