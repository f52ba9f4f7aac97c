/**
 * The error taxonomy: every failure that a caller is meant to understand is a {@link DaemonError}
 * with one of gRPC's code names. Anything else that reaches the API is a bug and answers INTERNAL.
 */

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

const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EEXIST: "it is there and not a folder",
  EISDIR: "it is a folder",
  ENOENT: "no such file",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is not a folder",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
};

/** Returns the name of the errno that an error of Deno's or Node's carries; `undefined` without one. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof DaemonError) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

/** What a failed file operation ran into, without the system's jargon. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return WORDS[errnoOf(error) ?? ""] ?? error.message;
}

/** `error` itself where it is a {@link DaemonError}, else one with `code` that keeps it as its cause. */
export function asDaemonError(error: unknown, code: ErrorCode, doing?: string): DaemonError {
  if (error instanceof DaemonError) return doing ? error.withContext(doing) : error;
  const message = messageOf(error);
  return new DaemonError(code, doing ? `${doing}: ${message}` : message, { cause: error });
}

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
