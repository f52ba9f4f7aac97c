/**
 * The error taxonomy: every failure that a caller is meant to understand is a {@link DaemonError}
 * with one of gRPC's code names. What this machine lacks or does not permit becomes one by the table in
 * `errors/machine_errors.ts`. Anything else that reaches the API is a bug and answers INTERNAL.
 */

export { causesOf } from "./errors/causes.ts";
export {
  DaemonError,
  type DaemonErrorOptions,
  type ErrorResource,
  type FieldViolation,
  invalid,
  messageOf,
  shuttingDown,
} from "./errors/daemon_error.ts";
export type { ErrorCode } from "./errors/error_code.ts";
export { type ErrnoName, errnoName, errnoOf } from "./errors/errno.ts";
export {
  configureFileSystems,
  describeFileSystem,
  type FileSystem,
  fileSystemOf,
} from "./errors/file_systems.ts";
export {
  asDaemonError,
  causeErrno,
  type ErrorPlace,
  firstError,
  type MachineError,
  machineError,
  machineErrorNamed,
  type MachineErrorOptions,
  OWN_FILE_MOVED,
  reasonOf,
  remedyOf,
} from "./errors/machine_errors.ts";
export { explainPath, namedPathError } from "./errors/named_path.ts";
export { DEFAULT_REASONS, type Reason, type ReasonOf, REASONS } from "./errors/reasons.ts";
export { type GuardedEntry, type Refusal, refusalOf, type RefusedCall } from "./errors/refusal.ts";
export { ConfigError, StartError } from "./errors/start_error.ts";
export { fromWire, toWire, type WireError } from "./errors/wire.ts";
