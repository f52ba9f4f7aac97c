/**
 * Initializers: what a workspace can start from.
 *
 * An `InitializerSpec` is what a request says. `createInitializers` parses it into a plan before
 * anything is made, and runs the plan into a staging tree. Each kind is one `InitializerKind` in a file
 * of its name, listed in `kinds.ts`. Failures are `DaemonError`s whose code says whether the request,
 * the source or this node is at fault.
 */

export type { InitializerContext } from "./initializer_kind.ts";
export {
  createInitializers,
  type InitializerPlan,
  type Initializers,
  type InitializersOptions,
} from "./initializers.ts";
export type {
  BackupSpec,
  CloneTargetMode,
  CompositeSpec,
  DownloadSpec,
  EmptySpec,
  GitAuthMethod,
  GitConfigSpec,
  GitSpec,
  InitializerSpec,
  PrebuildSpec,
  SnapshotSpec,
  SpecOf,
} from "./specs.ts";
