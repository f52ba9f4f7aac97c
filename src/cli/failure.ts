/** Describes the failure of a command: which errors are the user's, and the lines that report them. */

import {
  causeErrno,
  ConfigError,
  DaemonError,
  errnoOf,
  explainPath,
  firstError,
  machineError,
  namedPathError,
  reasonOf,
  StartError,
} from "../errors.ts";

/** Exit codes; `docs/operations.md` describes them. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  timeout: 3,
  cancelled: 4,
  /** `EX_CONFIG` of `sysexits.h`; trying again is of no use, which the unit tells systemd. */
  config: 78,
  interrupted: 130,
  terminated: 143,
} as const;

/** The options of a {@link Failure}. */
export interface FailureOptions extends ErrorOptions {
  /** The name of a gRPC code. */
  code?: string | undefined;
  /** Why, for programs. */
  reason?: string | undefined;
  /** The end of the message: what to do, or what goes on. */
  hint?: string | undefined;
  /** One of {@link EXIT}; that of a failure unless given. */
  exitCode?: number | undefined;
}

/** A failure of a command. Its message is printed at the end; an empty one where all was printed before. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: string | undefined;
  readonly reason: string | undefined;
  readonly hint: string;
  readonly exitCode: number;

  constructor(message?: string, options: FailureOptions = {}) {
    super(message, options);
    this.code = options.code;
    this.reason = options.reason;
    this.hint = options.hint ?? "";
    this.exitCode = options.exitCode ?? EXIT.failure;
  }
}

/** A failure to write a command's output to stdout. */
export class OutputError extends Error {
  override readonly name = "OutputError";

  constructor(cause: unknown) {
    super(`Cannot write to stdout: ${reasonOf(cause)}; see where it leads`, { cause });
  }

  /** Whether the reader has closed the pipe, as `head` does; that is not reported. */
  get isClosed(): boolean {
    return isClosedPipe(this.cause);
  }
}

function isClosedPipe(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || errnoOf(error) === "EPIPE";
}

/**
 * Returns the failure to report for what was thrown while a command worked on this machine. What is no
 * failure of the machine is returned unchanged.
 * @param doing what was attempted, with the path
 * @param path absolute, of what was worked on
 */
export function localFailure(thrown: unknown, doing?: string, path?: string): unknown {
  const error = firstError(thrown);
  // The reader of stdout has closed it, which is not reported.
  if (isClosedPipe(error)) return new Failure();
  if (isDescribed(error)) return error;
  const { code: otherwise, remedy } = namedPathError(error);
  if (doing !== undefined && causeErrno(error) !== undefined) {
    const code = machineError(error)?.code ?? otherwise ?? "FAILED_PRECONDITION";
    return new DaemonError(code, `${doing}: ${explainPath(error, path)}`, { cause: error });
  }
  const described = machineError(error, { path, ...(otherwise ? { otherwise } : {}) });
  return described && remedy !== undefined
    ? new DaemonError(described.code, `${described.message}; ${remedy}`, { cause: error })
    : described ?? error;
}

/** Returns whether the error is one of wsdaemon's own, whose message is complete. */
function isDescribed(error: unknown): boolean {
  return [ConfigError, DaemonError, Failure, OutputError, StartError].some((kind) =>
    error instanceof kind
  );
}

/** Returns the lines for stderr that describe a failed command; none for a pipe that was closed. */
export function describeFailure(thrown: unknown): string[] {
  if (thrown instanceof OutputError) return thrown.isClosed ? [] : [`error: ${thrown.message}`];
  const error = localFailure(thrown);
  if (error instanceof ConfigError) return error.problems.map((problem) => `error: ${problem}`);
  if (error instanceof Failure) return error.message ? [`error: ${failureLine(error)}`] : [];
  if (error instanceof DaemonError) return [`error: ${error.code}: ${error.message}`];
  if (error instanceof StartError || error instanceof OutputError) {
    return [`error: ${error.message}`];
  }
  return [
    "error: a bug in wsdaemon, to be reported with what follows",
    `error: ${error instanceof Error ? error.stack ?? error.message : error}`,
  ];
}

/** Returns a failure's code, message, reason and hint. Whoever interrupted a command knows the code. */
function failureLine({ code, message, reason, hint, exitCode }: Failure): string {
  const isInterrupted = exitCode === EXIT.interrupted || exitCode === EXIT.terminated;
  const before = code === undefined || isInterrupted ? "" : `${code}: `;
  const why = reason === undefined ? "" : ` [${reason}]`;
  return `${before}${message}${why}${hint}`;
}

/** A failed command for programs, as `--json` prints it to stderr. */
export interface FailureJson {
  /** The name of a gRPC code. */
  code: string;
  reason?: string;
  message: string;
}

/** Returns what {@link describeFailure} says, for programs; `undefined` where it says nothing. */
export function failureJson(thrown: unknown): FailureJson | undefined {
  const lines = describeFailure(thrown);
  if (lines.length === 0) return undefined;
  const error = thrown instanceof OutputError ? thrown : localFailure(thrown);
  const words = lines.map((line) => line.replace(/^error: /, "")).join("\n");
  if (error instanceof DaemonError) {
    const { code, reason, message } = error;
    return { code, reason, message };
  }
  if (error instanceof Failure) {
    const { code = "FAILED_PRECONDITION", reason, message, hint } = error;
    return { code, ...(reason === undefined ? {} : { reason }), message: message + hint };
  }
  if (error instanceof ConfigError) return { code: "INVALID_ARGUMENT", message: words };
  const isForeseen = error instanceof StartError || error instanceof OutputError;
  return { code: isForeseen ? "FAILED_PRECONDITION" : "INTERNAL", message: words };
}
