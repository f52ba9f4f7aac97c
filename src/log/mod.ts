/**
 * Structured logging: a module logs through `logger("module")`; `configureLogging` decides once a thread
 * what becomes of the records. Lines are written to stderr in the background: a reader that is slow or
 * gone loses lines, which are counted, and never holds a thread up.
 */

export {
  configureLogging,
  configureQueuedLogging,
  flushLog,
  type LogOptions,
  printQueued,
  setLogContext,
} from "./configure_logging.ts";
export { logger } from "./logger.ts";
