/**
 * The process: the root and its lock, the permissions of each Worker, starting and joining the Workers,
 * signals, logging. The main thread runs this and nothing else.
 */

export {
  type ContentWorkers,
  type ContentWorkersOptions,
  startContentWorkers,
} from "./content_workers.ts";
export { libcPath } from "./libc.ts";
export { lockRoot } from "./lock.ts";
export type {
  ConfigRead,
  DaemonWorkerStart,
  FromDaemonWorker,
  ToDaemonWorker,
} from "./messages.ts";
export type { Check, Outcome } from "./preflight/check.ts";
export { localChecks } from "./preflight/preflight.ts";
export { storeChecks } from "./preflight/store_checks.ts";
export { runDaemon } from "./run.ts";
