/** What git says when it fails, for people and for the decision to try again. */

import { DaemonError } from "../errors.ts";
import { scrub } from "./credentials.ts";
import type { Ending } from "./process.ts";

const MAX_LINES = 6;
const MAX_LENGTH = 1000;

/** What passes by itself: the network, and servers that are overloaded or restarting. */
const TRANSIENT =
  /could not resolve host|couldn't resolve host|failed to connect|connection (?:refused|reset|timed out|was reset)|connection to .* closed|operation timed out|timed out after|operation too slow|early eof|rpc failed|unexpected disconnect|the remote end hung up|returned error: (?:429|5\d\d)|empty reply from server|transfer closed|gnutls recv error|ssl_read|recv failure|send failure|http\/2 stream|temporary failure in name resolution|invalid index-pack output/i;

/** What no repetition changes, whatever else was said. */
const FINAL =
  /authentication failed|could not read (?:username|password)|permission denied|not found|access denied|returned error: 40[0134]|does not appear to be a git repository/i;

/** Files on a web server ("dumb" http), or a server that cannot cut the history. */
const NO_DEPTH = /dumb http transport does not support shallow|server does not support shallow/i;

/** A git command that failed. */
export class GitFailure extends DaemonError {
  readonly exitCode: number;
  /** Everything that it printed to stderr, as far as kept; without secrets. */
  readonly stderr: string;
  /** Whether the same command may succeed later. */
  readonly transient: boolean;
  /** Whether the server cannot cut the history, so that only the whole of it can be fetched. */
  readonly refusesDepth: boolean;

  /** @param printed the last of what it printed to stdout, where some commands say what is wrong */
  constructor(command: string, ending: Ending, printed: string, secrets: readonly string[]) {
    const stderr = scrub(ending.stderr, secrets);
    const why = said(stderr) || said(scrub(printed, secrets)) || `exit code ${ending.code}`;
    super("FAILED_PRECONDITION", `git ${command}: ${why}`);
    this.exitCode = ending.code;
    this.stderr = stderr;
    this.refusesDepth = NO_DEPTH.test(stderr);
    this.transient = TRANSIENT.test(stderr) && !FINAL.test(stderr);
  }
}

/** The last lines that tell something, as one line without control characters. */
function said(text: string): string {
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
