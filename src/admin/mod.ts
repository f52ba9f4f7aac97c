/**
 * What operators see of a node and do to it, beside the API that workspaces are managed by: workspaces
 * with what they take and their last image, and what became of promised snapshots.
 */

export { Administration, type AdministrationOptions } from "./administration.ts";
export type { SnapshotStatus } from "./snapshot_status.ts";
export { type LastImage, newestImage, type WorkspaceView } from "./workspace_view.ts";
