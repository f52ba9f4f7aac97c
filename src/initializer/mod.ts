/**
 * Initializers: what a workspace can start from. One file a kind, one table of all.
 *
 * An `InitializerSpec` is what a request says; `createInitializers` checks it before anything is made, and
 * runs it into a staging tree. Failures are `DaemonError`s whose code says whether the request, the
 * source or this node is at fault.
 */

export type {
  CloneTargetMode,
  DownloadSpec,
  GitAuthMethod,
  GitSpec,
  Initializers,
  InitializerSpec,
  PrebuildSpec,
  SnapshotSpec,
} from "./initializer.ts";
export { createInitializers } from "./initializers.ts";
