import type { Lineage } from "../snapshot/mod.ts";
import type { WorkspaceState } from "./state.ts";

/** A workspace as the journal holds it. Nothing here is a secret. */
export interface WorkspaceRecord {
  id: string;
  owner: string;
  metaId: string;
  state: Exclude<WorkspaceState, "NONE">;
  remoteStorageDisabled: boolean;
  /** Bytes; 0 for no quota. */
  quotaBytes: number;
  /** The folder, relative to the tree, that Git's status is read of. */
  checkoutLocation: string;
  /** The kind of initializer that it was made by; absent where an earlier version made it. */
  initializer?: string;
  /** When it was accepted, in milliseconds since the epoch; absent where an earlier version made it. */
  createdAt?: number;
  /** Its folder, where others make folders among the workspaces, too. */
  folder?: WorkspaceFolder;
  /** The lineage of its images; absent until its content is whole. */
  lineage?: Lineage;
}

/**
 * The folder of a workspace, as long as it matters which one that is.
 *
 * - `unclaimed`: whatever is at its place is not the workspace's;
 * - `published`: the tree that is, or is about to be, renamed to its place;
 * - `filling`: a folder that somebody else made and that holds content in part;
 * - `filled`: the same, once the workspace is AVAILABLE.
 */
export interface WorkspaceFolder {
  readonly use: "unclaimed" | "published" | "filling" | "filled";
  /** As the content Workers tell folders apart. */
  readonly id: string;
}
