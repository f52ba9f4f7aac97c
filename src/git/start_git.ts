/** Starts one git process: in a process group of its own, killed as a whole. */

import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import type { Owner } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";

/** The shell that starts git and kills its group; git itself needs a shell at this path, too. */
export const SHELL = "/bin/sh";

/**
 * Executes git with the usual file mode creation mask. The daemon's own may deny others every access,
 * which is wrong for content: git makes every file and folder with it.
 */
const BECOME_GIT = 'umask 022; exec "$@"';

/** Options of {@link startGit}. */
export interface ProcessOptions {
  /** Absolute path of git. */
  program: string;
  args: readonly string[];
  cwd: string;
  env: Record<string, string>;
  /** The user that it runs as; the daemon's own unless given. */
  user?: Owner | undefined;
  signal: AbortSignal;
  /** What it reads from stdin; nothing unless given. */
  input?: Uint8Array | undefined;
  /** Answers the credential helper. */
  answer?: ((question: string) => string) | undefined;
}

/** How a process ended. */
export interface Ending {
  /** -1 where a signal ended it. */
  code: number;
  /** Name of the signal that ended it. */
  signal?: string;
  /** The last 64 KiB of stderr. */
  stderr: string;
}

/** A running git. Its stdout must be read to the end, or it may never end. */
export interface RunningGit {
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Resolves once it has ended. Rejects with the signal's reason where that has fired. */
  readonly ended: Promise<Ending>;
  /** Kills it and everything that it started. */
  kill(): void;
}

/** How much of stderr is kept. Bytes. */
const MAX_STDERR_BYTES = 64 * 1024;

/**
 * Starts git.
 * @throws {DaemonError} FAILED_PRECONDITION where it cannot be started, here or by `ended`
 */
export function startGit(options: ProcessOptions): RunningGit {
  const { signal, input, answer } = options;
  signal.throwIfAborted();
  const child = start(options);
  const kill = () => killGroup(options, child);
  signal.addEventListener("abort", kill, { once: true });
  // An error that nobody listens for would end the daemon.
  const end = endOf(child).finally(() => signal.removeEventListener("abort", kill));
  const started = child.pid !== undefined;
  const stderr = started ? keepLastBytes(child.stderr!) : () => "";
  if (started && answer) serveQuestions(child.stdio[3] as Duplex, answer);
  if (started && input) child.stdin!.on("error", ignoreBrokenPipe).end(input);
  const ended = end.then((end) => {
    signal.throwIfAborted();
    const ending = { ...end, stderr: stderr() };
    if (isFromShell(ending, options.program)) throw notStarted(ending.stderr.trim());
    return ending;
  });
  // Prevents an unhandled rejection where a reader of stdout fails first.
  ended.catch(() => {});
  return { stdout: started ? child.stdout! : nothing(), ended, kill };
}

function start({ program, args, cwd, env, user, input, answer }: ProcessOptions): ChildProcess {
  try {
    return spawn(SHELL, ["-c", BECOME_GIT, "git", program, ...args], {
      cwd: fromThisProcess(cwd),
      env,
      detached: true,
      // Deno leaks the descriptor of a fourth pipe where it cannot start the program.
      stdio: [input ? "pipe" : "ignore", "pipe", "pipe", ...(answer ? ["pipe" as const] : [])],
      ...user,
    });
  } catch (error) {
    throw notStarted(error);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function notStarted(cause: unknown): DaemonError {
  const message = `Cannot start git: ${messageOf(cause)}`;
  return new DaemonError("FAILED_PRECONDITION", message, { cause, reason: "GIT_UNUSABLE" });
}

/** Returns whether the shell could not execute git, which it reports by an exit code of its own. */
function isFromShell({ code, stderr }: Ending, program: string): boolean {
  return (code === 126 || code === 127) && stderr.includes(program);
}

/**
 * Rewrites `/proc/<this process>/fd/<n>` to `/proc/self`: the child changes directory after it has become
 * another user, who may not read this process's descriptors.
 */
function fromThisProcess(cwd: string): string {
  const prefix = `/proc/${Deno.pid}/fd/`;
  return cwd.startsWith(prefix) ? `/proc/self/fd/${cwd.slice(prefix.length)}` : cwd;
}

function endOf(child: ChildProcess): Promise<Omit<Ending, "stderr">> {
  return new Promise((resolve, reject) => {
    child.on("error", (cause) => reject(notStarted(cause)));
    child.on(
      "close",
      (code, signal) => resolve({ code: code ?? -1, ...(signal === null ? {} : { signal }) }),
    );
  });
}

/**
 * Kills a process group. Deno lets a process with narrow permissions signal its own children only,
 * so a shell does it, as the same user, which takes no capability.
 */
function killGroup({ env, user }: ProcessOptions, child: ChildProcess): void {
  if (child.pid === undefined) return;
  const killChild = () => child.kill("SIGKILL");
  try {
    const args = ["-c", 'kill -s KILL -- "-$1"', "kill", String(child.pid)];
    const killer = spawn(SHELL, args, { cwd: "/", env, stdio: "ignore", ...user });
    killer.on("error", killChild);
    killer.on("close", (code) => {
      if (code !== 0) killChild();
    });
  } catch {
    // Deno throws what Node would emit, such as that no descriptors are left.
    killChild();
  }
}

function keepLastBytes(stream: Readable): () => string {
  let tail = new Uint8Array(0);
  stream.on("data", (chunk: Uint8Array) => {
    const all = new Uint8Array(tail.length + chunk.length);
    all.set(tail);
    all.set(chunk, tail.length);
    tail = all.subarray(Math.max(0, all.length - MAX_STDERR_BYTES));
  });
  return () => new TextDecoder().decode(tail);
}

/** Answers each question on the socket. Questions and answers end with an empty line. */
function serveQuestions(socket: Duplex, answer: (question: string) => string): void {
  let pending = "";
  socket.setEncoding("utf8");
  socket.on("error", ignoreBrokenPipe);
  socket.on("data", (text: string) => {
    pending += text;
    for (let end; (end = pending.indexOf("\n\n")) >= 0;) {
      const question = pending.slice(0, end);
      pending = pending.slice(end + 2);
      socket.write(answer(question));
    }
  });
  socket.on("end", () => socket.end());
}

function ignoreBrokenPipe(): void {}
