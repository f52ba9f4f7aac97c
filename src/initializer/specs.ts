/**
 * Initializers as requests describe them: the wire's messages in the daemon's own terms, of a bounded
 * length and otherwise unchecked. What a kind makes of its spec is its plan, see `initializer_kind.ts`.
 */

/** What a Git initializer checks out, as in the contract's `CloneTargetMode`. */
export type CloneTargetMode = "REMOTE_HEAD" | "REMOTE_COMMIT" | "REMOTE_BRANCH" | "LOCAL_BRANCH";

/** How a Git initializer logs in, as in the contract's `GitAuthMethod`. */
export type GitAuthMethod = "NO_AUTH" | "BASIC_AUTH" | "BASIC_AUTH_OTS";

/** A clone of a repository. */
export interface GitSpec {
  kind: "git";
  remoteUri: string;
  /** Added and fetched as the remote `upstream`; empty for none. */
  upstreamRemoteUri: string;
  targetMode: CloneTargetMode;
  /** A branch or commit; `clone_taget` on the wire. */
  cloneTarget: string;
  /** Relative to the workspace's top folder; empty for that folder. */
  checkoutLocation: string;
  /** Whether to clone the whole history instead of the last commit. */
  fullClone: boolean;
  config: GitConfigSpec;
}

/** A Git initializer's configuration and login. The password and the one-time secret's URL are secret. */
export interface GitConfigSpec {
  /** Written to the repository's config. */
  customConfig: Readonly<Record<string, string>>;
  authentication: GitAuthMethod;
  authUser: string;
  authPassword: string;
  /** The URL of a one-time secret, `user:password`. */
  authOts: string;
}

/** A stored snapshot, or a plain archive. */
export interface SnapshotSpec {
  kind: "snapshot";
  /** A snapshot's url, or `<object>@<bucket>` of a plain archive. */
  snapshot: string;
  fromVolumeSnapshot: boolean;
}

/** A snapshot that Git then brings up to date. */
export interface PrebuildSpec {
  kind: "prebuild";
  /** Absent, or with an empty name, where the prebuild failed. */
  prebuild?: SnapshotSpec;
  git: GitSpec[];
}

/** Files fetched from URLs. */
export interface DownloadSpec {
  kind: "download";
  /** `digest` is `sha256:<hex>` or `sha512:<hex>`. */
  files: { url: string; filePath: string; digest: string }[];
  /** The folder that the files' paths are relative to. */
  targetLocation: string;
}

/** The identity's latest backup. */
export interface BackupSpec {
  kind: "backup";
  /** Where Git's status is read when the workspace is disposed of. */
  checkoutLocation: string;
  fromVolumeSnapshot: boolean;
}

/** Several initializers, run in order. */
export interface CompositeSpec {
  kind: "composite";
  initializers: InitializerSpec[];
}

/** An empty workspace. */
export interface EmptySpec {
  kind: "empty";
}

/** What a workspace starts from, of any kind. */
export type InitializerSpec = MemberSpec | CompositeSpec;

/** What a composite consists of once it is flattened: every kind but composite. */
export type MemberSpec =
  | BackupSpec
  | DownloadSpec
  | EmptySpec
  | GitSpec
  | PrebuildSpec
  | SnapshotSpec;

/** The kinds that do work of their own; each has an entry in `kinds.ts`. */
export type MemberKind = MemberSpec["kind"];

/** The spec of a kind. */
export type SpecOf<Kind extends InitializerSpec["kind"]> = Extract<InitializerSpec, { kind: Kind }>;
