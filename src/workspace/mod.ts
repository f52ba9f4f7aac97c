/**
 * The lifecycle of workspaces: one state machine, one journal, and the six operations of the API.
 *
 * Intent is written to the journal before it is acted on, so that a restart completes or undoes what
 * was under way; see `state.ts` for the states and transitions, and `recover.ts` for a restart.
 */

export { SCHEDULE } from "./backup_schedule.ts";
export { adopt, type Adoption, type AdoptOptions } from "./adopt.ts";
export {
  checkState,
  type JournalFinding,
  type StateReport,
  type WorkspaceFinding,
} from "./check_state.ts";
export { Journal } from "./journal.ts";
export { WorkspaceManager } from "./manager.ts";
export { WorkspaceMetrics } from "./workspace_metrics.ts";
export { recordsOf, TreeRecords } from "./tree_records.ts";
export { workspaceIdProblem } from "./workspace_id.ts";
export type { WorkspaceState } from "./state.ts";
export type { WorkspaceInfo } from "./workspace.ts";
export type { InitRequest, Workspaces } from "./workspaces.ts";
