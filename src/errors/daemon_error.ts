/** The gRPC status codes that our own errors use. */
export type ErrorCode =
  | "ABORTED"
  | "ALREADY_EXISTS"
  | "CANCELLED"
  | "DATA_LOSS"
  | "DEADLINE_EXCEEDED"
  | "FAILED_PRECONDITION"
  | "INTERNAL"
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "UNAVAILABLE"
  | "UNIMPLEMENTED";

/** A failure with a gRPC code and a message that an operator can act on. It never holds a secret. */
export class DaemonError extends Error {
  override readonly name = "DaemonError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** The same failure, its message preceded by what was being done. */
  withContext(doing: string): DaemonError {
    return new DaemonError(this.code, `${doing}: ${this.message}`, { cause: this });
  }
}

/** A {@link DaemonError} with INVALID_ARGUMENT for the request field at `path`. */
export function invalid(path: string, problem: string): DaemonError {
  return new DaemonError("INVALID_ARGUMENT", `${path} ${problem}`);
}

/** Returns the message of anything that was thrown, also of what throws when it is looked at. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return "what was thrown cannot be shown";
  }
}
