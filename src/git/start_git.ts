/** One git process: its own group, its output limited, killed as a whole. */

import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import type { Owner } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";

/** The shell that starts git and ends it; git itself needs it there, too. */
export const SHELL = "/bin/sh";

/**
 * Becomes git with the usual file mode creation mask. The daemon's own mask may be one that closes
 * its files to everybody else, which is wrong for content: git makes every file and folder by it.
 */
const BECOME_GIT = 'umask 022; exec "$@"';

export interface ProcessOptions {
  /** Absolute path of git. */
  program: string;
  args: readonly string[];
  cwd: string;
  env: Record<string, string>;
  /** Whose rights it has; the daemon's own unless given. */
  user?: Owner;
  signal: AbortSignal;
  /** What it reads; nothing unless given. */
  input?: Uint8Array;
  /** Answers the credential helper. */
  answer?: (question: string) => string;
}

/** How a process ended. */
export interface Ending {
  /** -1 where a signal ended it. */
  code: number;
  /** Name of the signal that ended it. */
  signal?: string;
  /** The last part of it. */
  stderr: string;
}

/** A running git. What it prints is to be read to its end, or it may never end. */
export interface RunningGit {
  readonly stdout: AsyncIterable<Uint8Array>;
  /** @throws the signal's reason */
  readonly ended: Promise<Ending>;
  /** Ends it and everything that it started. */
  kill(): void;
}

/** Kept of what is printed to stderr. */
const STDERR_LIMIT = 64 * 1024;

/**
 * Starts git. Where it cannot be started, this throws or what it returns rejects with a
 * {@link DaemonError}, FAILED_PRECONDITION.
 */
export function startGit(options: ProcessOptions): RunningGit {
  const { signal, input, answer } = options;
  signal.throwIfAborted();
  const child = start(options);
  const kill = () => killGroup(options.env, child);
  signal.addEventListener("abort", kill, { once: true });
  // An error that nobody listens for would end the daemon.
  const end = endOf(child).finally(() => signal.removeEventListener("abort", kill));
  const started = child.pid !== undefined;
  const stderr = started ? keepTail(child.stderr!) : () => "";
  if (started && answer) serveQuestions(child.stdio[3] as Duplex, answer);
  if (started && input) child.stdin!.on("error", ignoreBrokenPipe).end(input);
  const ended = end.then((end) => {
    signal.throwIfAborted();
    const ending = { ...end, stderr: stderr() };
    if (isFromShell(ending, options.program)) throw notStarted(ending.stderr.trim());
    return ending;
  });
  // Whoever reads stdout first may fail before it comes to this.
  ended.catch(() => {});
  return { stdout: started ? child.stdout! : nothing(), ended, kill };
}

function start({ program, args, cwd, env, user, input, answer }: ProcessOptions): ChildProcess {
  try {
    return spawn(SHELL, ["-c", BECOME_GIT, "git", program, ...args], {
      cwd: fromThisProcess(cwd),
      env,
      detached: true,
      // Deno loses the descriptor of a fourth one where it cannot start the program.
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
  return new DaemonError("FAILED_PRECONDITION", message, { cause });
}

/** Returns whether the shell could not become git: it says so with a code and the name of its own. */
function isFromShell({ code, stderr }: Ending, program: string): boolean {
  return (code === 126 || code === 127) && stderr.includes(program);
}

/** `/proc/<our pid>/fd/<n>` is closed to the user that the child has become when it goes there. */
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
 * so a shell does it.
 */
function killGroup(env: Record<string, string>, child: ChildProcess): void {
  if (child.pid === undefined) return;
  const killChild = () => child.kill("SIGKILL");
  try {
    const args = ["-c", 'kill -s KILL -- "-$1"', "kill", String(child.pid)];
    const killer = spawn(SHELL, args, { cwd: "/", env, stdio: "ignore" });
    killer.on("error", killChild);
    killer.on("close", (code) => {
      if (code !== 0) killChild();
    });
  } catch {
    // Deno throws what Node would emit, such as that there are no descriptors left.
    killChild();
  }
}

function keepTail(stream: Readable): () => string {
  let tail = new Uint8Array(0);
  stream.on("data", (chunk: Uint8Array) => {
    const all = new Uint8Array(tail.length + chunk.length);
    all.set(tail);
    all.set(chunk, tail.length);
    tail = all.subarray(Math.max(0, all.length - STDERR_LIMIT));
  });
  return () => new TextDecoder().decode(tail);
}

/** Questions end with an empty line, as do answers. */
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
