/**
 * The lifecycle as one pure state machine:
 *
 *     NONE ─begin─▶ SETTING_UP ─ready─▶ AVAILABLE ─wrapUp─▶ WRAPPING_UP ─gone─▶ NONE
 *                       │                   ▲                    │
 *                       └─fail─▶ NONE       └──────keep──────────┘
 *
 * WRAPPING_UP has a point of no return, `delete`: before it the content can become AVAILABLE again
 * (the final backup failed, the daemon was killed), after it a restart completes the deletion. What
 * was set up in vain and cannot be cleared away at once passes that point, too.
 */

/** As `WorkspaceContentState` on the wire. */
export type WorkspaceState = "NONE" | "SETTING_UP" | "AVAILABLE" | "WRAPPING_UP" | "DELETING";

/** What can happen to a workspace. `DELETING` is WRAPPING_UP past its point of no return. */
export type WorkspaceEvent = "begin" | "ready" | "fail" | "wrapUp" | "keep" | "delete" | "gone";

const TRANSITIONS: Readonly<
  Record<WorkspaceState, Readonly<Partial<Record<WorkspaceEvent, WorkspaceState>>>>
> = {
  NONE: { begin: "SETTING_UP" },
  SETTING_UP: { ready: "AVAILABLE", fail: "NONE", delete: "DELETING" },
  AVAILABLE: { wrapUp: "WRAPPING_UP" },
  WRAPPING_UP: { keep: "AVAILABLE", delete: "DELETING" },
  DELETING: { gone: "NONE" },
};

/** The state after `event`. @throws {Error} where the event cannot happen: a bug, not a caller's mistake. */
export function next(state: WorkspaceState, event: WorkspaceEvent): WorkspaceState {
  const after = TRANSITIONS[state][event];
  if (!after) throw new Error(`A workspace that is ${state} cannot ${event}`);
  return after;
}

/** What a restart makes of a workspace that it finds in that state. */
export function afterCrash(state: WorkspaceState): "AVAILABLE" | "NONE" {
  return state === "AVAILABLE" || state === "WRAPPING_UP" ? "AVAILABLE" : "NONE";
}
