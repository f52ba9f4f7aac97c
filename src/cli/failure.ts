/** Describes the failure of a command: which errors are the user's, and the lines that report them. */

import {
  causeErrno,
  ConfigError,
  DaemonError,
  errnoOf,
  type ErrorCode,
  firstError,
  machineError,
  reasonOf,
  remedyOf,
  StartError,
} from "../errors.ts";

/** A failure of a command. Its message is printed at the end; an empty one where all was printed before. */
export class Failure extends Error {
  override readonly name = "Failure";
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

/** The meanings of errors of a path that the command line names, and what to do about them. */
const PATH_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, remedy: string]>> = {
  EEXIST: ["ALREADY_EXISTS", "choose another name, or remove what is there"],
  EISDIR: ["FAILED_PRECONDITION", "name a file"],
  ELOOP: ["FAILED_PRECONDITION", "name what the link leads to"],
  ENAMETOOLONG: ["INVALID_ARGUMENT", "choose a shorter one"],
  ENOENT: ["NOT_FOUND", "check the path"],
  ENOTDIR: ["FAILED_PRECONDITION", "check the path"],
};

function isClosedPipe(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || errnoOf(error) === "EPIPE";
}

/** Returns why a file operation failed, and what to do about it, for a sentence that has begun. */
export function explain(error: unknown, path?: string): string {
  const remedy = PATH_ERRORS[causeErrno(error) ?? ""]?.[1] ?? remedyOf(error, { path });
  return reasonOf(error) + (remedy === undefined ? "" : `; ${remedy}`);
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
  const [otherwise, remedy] = PATH_ERRORS[causeErrno(error) ?? ""] ?? [];
  if (doing !== undefined && causeErrno(error) !== undefined) {
    const code = machineError(error)?.code ?? otherwise ?? "FAILED_PRECONDITION";
    return new DaemonError(code, `${doing}: ${explain(error, path)}`, { cause: error });
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
  if (error instanceof Failure) return error.message ? [`error: ${error.message}`] : [];
  if (error instanceof DaemonError) return [`error: ${error.code}: ${error.message}`];
  if (error instanceof StartError || error instanceof OutputError) {
    return [`error: ${error.message}`];
  }
  return [
    "error: a bug in wsdaemon, to be reported with what follows",
    `error: ${error instanceof Error ? error.stack ?? error.message : error}`,
  ];
}
