/**
 * The lifecycle as one pure state machine:
 *
 *     NONE ─begin─▶ SETTING_UP ─ready─▶ AVAILABLE ─wrapUp─▶ WRAPPING_UP ─delete─▶ DELETING ─gone─▶ NONE
 *                     │   │                 ▲                    │                   ▲
 *                     │   └─fail─▶ NONE     └───abortDispose─────┘                   │
 *                     └─────────────────────────delete───────────────────────────────┘
 *
 * `delete` is the point of no return. Before it the content can become AVAILABLE again (the final
 * backup failed, the daemon was killed); after it a restart completes the deletion. A failed
 * initialisation whose tree cannot be removed at once passes that point, too.
 */

/** The state of a workspace on this node. DELETING is WRAPPING_UP past its point of no return. */
export type WorkspaceState = "NONE" | "SETTING_UP" | "AVAILABLE" | "WRAPPING_UP" | "DELETING";

/** What can happen to a workspace. */
export type WorkspaceEvent =
  | "begin"
  | "ready"
  | "fail"
  | "wrapUp"
  | "abortDispose"
  | "delete"
  | "gone";

const TRANSITIONS: Readonly<
  Record<WorkspaceState, Readonly<Partial<Record<WorkspaceEvent, WorkspaceState>>>>
> = {
  NONE: { begin: "SETTING_UP" },
  SETTING_UP: { ready: "AVAILABLE", fail: "NONE", delete: "DELETING" },
  AVAILABLE: { wrapUp: "WRAPPING_UP" },
  WRAPPING_UP: { abortDispose: "AVAILABLE", delete: "DELETING" },
  DELETING: { gone: "NONE" },
};

/** The event that a restart applies to a workspace which the last run left in a state, if any. */
const RECOVERY: Readonly<Record<WorkspaceState, WorkspaceEvent | undefined>> = {
  NONE: undefined,
  SETTING_UP: "delete",
  AVAILABLE: undefined,
  WRAPPING_UP: "abortDispose",
  DELETING: undefined,
};

/**
 * Returns the state after `event`.
 * @throws {Error} where the event cannot happen in `state`, which is a bug and not a caller's mistake
 */
export function next(state: WorkspaceState, event: WorkspaceEvent): WorkspaceState {
  const after = TRANSITIONS[state][event];
  if (!after) throw new Error(`A workspace that is ${state} cannot ${event}`);
  return after;
}

/** Returns the event that a restart applies to a workspace in that state, if any. */
export function recoveryEvent(state: WorkspaceState): WorkspaceEvent | undefined {
  return RECOVERY[state];
}

/** Returns whether a restart keeps the content of a workspace in that state, rather than deleting it. */
export function survivesCrash(state: WorkspaceState): boolean {
  const event = recoveryEvent(state);
  return (event ? next(state, event) : state) === "AVAILABLE";
}

/** Returns the name that callers know the state by, that of `WorkspaceContentState` in the protocol. */
export function wireState(state: WorkspaceState): Exclude<WorkspaceState, "DELETING"> {
  return state === "DELETING" ? "WRAPPING_UP" : state;
}
