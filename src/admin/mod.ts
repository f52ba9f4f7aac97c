/**
 * What operators see of a node and do to it, beside the API that workspaces are managed by: workspaces
 * with what they take and their last image, what became of promised snapshots, the images of the store,
 * and its collection and verification.
 */

export { Administration, type AdministrationOptions } from "./administration.ts";
export type {
  NodeCertificate,
  NodeDisk,
  NodeInfo,
  NodeProblem,
  NodeProblemReason,
} from "./node_info.ts";
export type { RemovedImages } from "./stored_images.ts";
export type { SnapshotStatus } from "./snapshot_status.ts";
export { type NewestImage, newestImage, type WorkspaceView } from "./workspace_view.ts";
