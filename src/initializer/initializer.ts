import type { Owner, RestoreResult, Tree } from "../content/mod.ts";
import type { Images, WorkspaceIdentity } from "../snapshot/mod.ts";

export type CloneTargetMode = "REMOTE_HEAD" | "REMOTE_COMMIT" | "REMOTE_BRANCH" | "LOCAL_BRANCH";
export type GitAuthMethod = "NO_AUTH" | "BASIC_AUTH" | "BASIC_AUTH_OTS";

export interface GitSpec {
  kind: "git";
  remoteUri: string;
  upstreamRemoteUri: string;
  targetMode: CloneTargetMode;
  /** A branch or commit; `clone_taget` on the wire. */
  cloneTarget: string;
  checkoutLocation: string;
  fullClone: boolean;
  config: {
    customConfig: Readonly<Record<string, string>>;
    authentication: GitAuthMethod;
    authUser: string;
    authPassword: string;
    authOts: string;
  };
}
export interface SnapshotSpec {
  kind: "snapshot";
  snapshot: string;
  fromVolumeSnapshot: boolean;
}
export interface PrebuildSpec {
  kind: "prebuild";
  prebuild?: SnapshotSpec;
  git: GitSpec[];
}
export interface DownloadSpec {
  kind: "download";
  files: { url: string; filePath: string; digest: string }[];
  targetLocation: string;
}
export interface BackupSpec {
  kind: "backup";
  checkoutLocation: string;
  fromVolumeSnapshot: boolean;
}
export interface CompositeSpec {
  kind: "composite";
  initializers: InitializerSpec[];
}
export interface EmptySpec {
  kind: "empty";
}
export type InitializerSpec =
  | BackupSpec
  | CompositeSpec
  | DownloadSpec
  | EmptySpec
  | GitSpec
  | PrebuildSpec
  | SnapshotSpec;

/** What an initializer works with. */
export interface InitializerContext {
  /** The staging tree to fill; empty for the first initializer. */
  tree: Tree;
  images: Images;
  identity: WorkspaceIdentity;
  /** False where remote storage is disabled, by the request or by the config. */
  remoteStorage: boolean;
  /** Who owns what is newly made. */
  contentOwner: Owner;
  /** The workspace's quota in bytes on disk, where there is one. */
  limitBytes?: number;
  signal: AbortSignal;
  /** Told what the caller should know of though nothing has failed; without secrets. */
  onWarning?: (message: string) => void;
  /** Called with what a restore made; its baseline is uncommitted, see Content.commitBaseline. */
  onRestored(result: RestoreResult): void;
}

/** `workspace` depends on this; `initializer/mod.ts` provides it. */
export interface Initializers {
  /**
   * Refuses what cannot be right before anything is touched.
   * @throws DaemonError INVALID_ARGUMENT, naming the field's path below `path` (e.g. `initializer.git.remote_uri`).
   */
  validate(spec: InitializerSpec, path: string): void;
  /** Fills the tree. On failure the caller throws the tree away. */
  run(spec: InitializerSpec, context: InitializerContext): Promise<void>;
  /** Where `git status` looks when the workspace goes: see design, "git_status". */
  checkoutLocation(spec: InitializerSpec): string;
}
