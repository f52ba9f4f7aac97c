import type { ErrorCode } from "./error_code.ts";
import { DEFAULT_REASONS, type Reason, REASONS } from "./reasons.ts";

/** A field of a request that is wrong. */
export interface FieldViolation {
  /** Path from the request, by the names in the `.proto` file. */
  field: string;
  /** Words that follow the path. */
  description: string;
}

/** What a call was refused for. */
export interface ErrorResource {
  type: "backup" | "operation" | "snapshot" | "workspace";
  /** The id of a workspace or an operation, a snapshot's url, or `owner/meta_id` of a backup. */
  name: string;
}

/** The details of a failure that programs are told besides its code. */
export interface DaemonErrorOptions extends ErrorOptions {
  /** Why it failed; the code's default reason unless given, or where it belongs to another code. */
  reason?: Reason | undefined;
  violations?: readonly FieldViolation[] | undefined;
  resource?: ErrorResource | undefined;
}

/** A failure with a gRPC code and a message that an operator can act on. It never holds a secret. */
export class DaemonError extends Error {
  override readonly name = "DaemonError";
  readonly code: ErrorCode;
  readonly reason: Reason;
  readonly violations: readonly FieldViolation[];
  readonly resource: ErrorResource | undefined;

  constructor(code: ErrorCode, message: string, options: DaemonErrorOptions = {}) {
    super(message, options);
    const { reason, violations = [], resource } = options;
    this.code = code;
    // Code that maps a failure to another code may pass its reason on without checking that it fits.
    this.reason = reason && REASONS[reason].code === code ? reason : DEFAULT_REASONS[code];
    this.violations = violations;
    this.resource = resource;
  }

  /** Returns the same failure, its message preceded by what was being done. */
  withContext(doing: string): DaemonError {
    const { code, reason, violations, resource } = this;
    return new DaemonError(code, `${doing}: ${this.message}`, {
      cause: this,
      reason,
      violations,
      resource,
    });
  }
}

/** Returns a {@link DaemonError} with INVALID_ARGUMENT for the request field at `path`. */
export function invalid(path: string, problem: string): DaemonError {
  return new DaemonError("INVALID_ARGUMENT", `${path} ${problem}`, {
    violations: [{ field: path, description: problem }],
  });
}

/** Returns the {@link DaemonError} with UNAVAILABLE for what the end of the daemon ends or refuses. */
export function shuttingDown(): DaemonError {
  return new DaemonError("UNAVAILABLE", "wsdaemon is shutting down: try again when it is back", {
    reason: "SHUTTING_DOWN",
  });
}

/** Returns the message of anything that was thrown, even where reading the message throws. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return "what was thrown cannot be shown";
  }
}
