/** Failures of git commands: their messages, and whether they may be retried. */

import { asDaemonError, DaemonError, type Reason } from "../errors.ts";
import { scrub } from "./credentials.ts";
import { codeOfErrno, explainMachineError, printedErrno, reasonOfErrno } from "./machine_error.ts";
import type { Ending } from "./start_git.ts";

const MAX_LINES = 6;
const MAX_LENGTH = 1000;

/** Messages of retryable failures: of the network, and of servers that are overloaded or restarting. */
const TRANSIENT =
  /could not resolve host|couldn't resolve host|failed to connect|connection (?:refused|reset|timed out|was reset)|connection to .* closed|operation timed out|timed out after|operation too slow|early eof|rpc failed|unexpected disconnect|the remote end hung up|returned error: (?:429|5\d\d)|empty reply from server|transfer closed|gnutls recv error|ssl_read|recv failure|send failure|http\/2 stream|temporary failure in name resolution|invalid index-pack output/i;

/** Messages of failures that no retry can mend, whatever else was printed. */
const PERMANENT =
  /authentication failed|could not read (?:username|password)|permission denied|not found|access denied|returned error: 40[0134]|does not appear to be a git repository/i;

/** Messages of remotes that want a login, or another one. */
const REFUSED_LOGIN =
  /authentication failed|could not read (?:username|password)|permission denied \(publickey|access denied|returned error: 40[13]/i;

/** Messages of servers that cannot cut the history, such as plain web servers ("dumb" http). */
const NO_DEPTH = /dumb http transport does not support shallow|server does not support shallow/i;

/** A git command that failed. */
export class GitFailure extends DaemonError {
  readonly exitCode: number;
  /** The git command, such as `fetch`. */
  readonly command: string;
  /** The last 64 KiB of stderr, without secrets. */
  readonly stderr: string;
  /** The name of the errno that git reported of this node, if any. */
  readonly errno: string | undefined;
  /** Whether the same command may succeed later. */
  readonly transient: boolean;
  /** Whether the server cannot cut the history, so that only the whole of it can be fetched. */
  readonly refusesDepth: boolean;

  /** @param printed the last of what it printed to stdout, where some commands say what is wrong */
  constructor(command: string, ending: Ending, printed: string, secrets: readonly string[]) {
    const stderr = scrub(ending.stderr, secrets);
    const why = lastLines(stderr) || lastLines(scrub(printed, secrets)) || endOf(ending);
    const errno = ending.signal === "SIGKILL" ? "ENOMEM" : printedErrno(stderr);
    super(codeOfErrno(errno) ?? "FAILED_PRECONDITION", `git ${command}: ${why}`, {
      reason: reasonOfErrno(errno) ?? reasonPrinted(stderr),
    });
    this.errno = errno;
    this.command = command;
    this.exitCode = ending.code;
    this.stderr = stderr;
    this.refusesDepth = NO_DEPTH.test(stderr);
    this.transient = errno === undefined && isTransient(stderr);
  }
}

function isTransient(stderr: string): boolean {
  return TRANSIENT.test(stderr) && !PERMANENT.test(stderr);
}

/** Returns what programs are told of a failure that is not this machine's. */
function reasonPrinted(stderr: string): Reason {
  if (REFUSED_LOGIN.test(stderr)) return "GIT_AUTHENTICATION_FAILED";
  return isTransient(stderr) ? "GIT_REMOTE_UNREACHABLE" : "GIT_FAILED";
}

function endOf({ code, signal }: Ending): string {
  return signal === undefined ? `exit code ${code}` : `killed by ${signal}`;
}

/** A connection that the egress proxy refused or could not make. */
export class ConnectionFailure extends DaemonError {}

/** Messages about the local repository, printed before git asks any remote. */
const LOCAL_FAILURE =
  /not a git repository|bad config|invalid gitfile|unable to read|insufficient permission/i;

/**
 * Returns whether the remote refused or was out of reach, so that a fresh clone would fail, too.
 */
export function isRemoteFailure(error: unknown): boolean {
  if (error instanceof ConnectionFailure) return true;
  if (error instanceof GitFailure) {
    // Listing a remote's refs hardly depends on the local repository.
    return error.command === "ls-remote" && !LOCAL_FAILURE.test(error.stderr);
  }
  return error instanceof DaemonError && isRemoteFailure(error.cause);
}

/** Returns the last lines that are no progress or hint, joined to one without control characters. */
function lastLines(text: string): string {
  const lines = text.split(/[\r\n]+/)
    .map((line) => line.replace(/\p{Cc}(?:\[[0-9;]*[A-Za-z])?/gu, " ").trim())
    .filter((line) =>
      line !== "" && !/^(?:hint:|remote: (?:Counting|Compressing|Enumerating|Total) )/.test(line)
    );
  const short = lines.slice(-MAX_LINES).join("; ").replace(
    /could not read (Username|Password) for '([^']*)':[^;]*/,
    "$2 asks for a login, and none was given that it can use",
  );
  return short.length > MAX_LENGTH ? `${short.slice(0, MAX_LENGTH)}…` : short;
}

/**
 * Returns the error that a checkout's caller is told: what this node lacks with what to do about it; a
 * remote out of reach as FAILED_PRECONDITION, the initializer's failure rather than the daemon's.
 * @param path absolute, on the file system that git works on
 */
export async function failureOf(error: unknown, path: string): Promise<DaemonError> {
  const errno = error instanceof GitFailure ? error.errno : undefined;
  const explained = await explainMachineError(error, errno, path);
  if (explained) return explained;
  if (!(error instanceof DaemonError)) return asDaemonError(error, "INTERNAL");
  if (error.code !== "UNAVAILABLE") return error;
  return new DaemonError("FAILED_PRECONDITION", error.message, {
    cause: error,
    reason: "GIT_REMOTE_UNREACHABLE",
  });
}
