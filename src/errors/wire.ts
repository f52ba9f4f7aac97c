import { DaemonError, type ErrorCode } from "./daemon_error.ts";
import { asDaemonError } from "./machine_errors.ts";

/** What survives a MessagePort: structured clone drops an error's class and own fields. */
export interface WireError {
  code: ErrorCode;
  message: string;
  stack?: string;
}

/** An error as it crosses from a Worker. */
export function toWire(error: unknown): WireError {
  const known = asDaemonError(error, "INTERNAL");
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: known.code, message: known.message, ...(stack ? { stack } : {}) };
}

/** The error that {@link toWire} described. */
export function fromWire(wire: WireError): DaemonError {
  const error = new DaemonError(wire.code, wire.message);
  if (wire.stack) error.stack = wire.stack;
  return error;
}
