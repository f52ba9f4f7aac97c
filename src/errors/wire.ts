import { DaemonError, type ErrorResource, type FieldViolation } from "./daemon_error.ts";
import type { ErrorCode } from "./error_code.ts";
import { asDaemonError } from "./machine_errors.ts";
import { DEFAULT_REASONS, type Reason } from "./reasons.ts";

/** An error as it crosses a MessagePort: structured clone drops an error's class and own fields. */
export interface WireError {
  code: ErrorCode;
  message: string;
  stack?: string;
  /** Absent where it is the code's default one. */
  reason?: Reason;
  violations?: readonly FieldViolation[];
  resource?: ErrorResource;
}

/** Returns an error in the form that crosses a MessagePort. */
export function toWire(error: unknown): WireError {
  const { code, message, reason, violations, resource } = asDaemonError(error, "INTERNAL");
  const stack = error instanceof Error ? error.stack : undefined;
  return {
    code,
    message,
    ...(stack ? { stack } : {}),
    ...(reason === DEFAULT_REASONS[code] ? {} : { reason }),
    ...(violations.length === 0 ? {} : { violations }),
    ...(resource ? { resource } : {}),
  };
}

/** Returns the error that {@link toWire} described. */
export function fromWire({ code, message, stack, ...details }: WireError): DaemonError {
  const error = new DaemonError(code, message, details);
  if (stack) error.stack = stack;
  return error;
}
