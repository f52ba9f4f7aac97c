import type { Owner } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { ProxySession } from "../outbound/mod.ts";
import { retry } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { type Credentials, scrub } from "./credentials.ts";
import { gitEnvironment, hardenedArguments } from "./git_environment.ts";
import { ConnectionFailure, GitFailure } from "./git_failure.ts";
import { logger } from "../log/mod.ts";
import { type RunningGit, startGit } from "./start_git.ts";

const log = logger("git");

/** Bounds output that is held in memory. Bytes. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const ATTEMPTS = 5;
const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;

/** How and where a {@link GitSession} runs git. */
export interface SessionOptions {
  /** Absolute path of git. */
  program: string;
  /** The directory that git runs in; see `Content.openDirectory`. */
  cwd: string;
  /** The user that git runs as; the daemon's own unless given. */
  user: Owner | undefined;
  /** See `EnvironmentOptions`. */
  home: string;
  signal: AbortSignal;
  /** Environment variables besides those of {@link gitEnvironment}. */
  environment?: Record<string, string>;
  /** Called with warnings for the caller, though nothing has failed; without secrets. */
  onWarning?: ((message: string) => void) | undefined;
  /** How to reach other hosts; without it git reaches none. */
  network?: {
    proxySession: ProxySession;
    credentials: Credentials;
    protocols: readonly string[];
    clock: Clock;
  };
}

/** Options of one git command. */
export interface RunOptions {
  input?: Uint8Array;
  /** Exit codes besides 0 that answer the question rather than report a failure. */
  answers?: readonly number[];
}

/** The output of a command that did not fail. */
export interface Output {
  code: number;
  stdout: string;
}

/**
 * Runs git commands in one directory with fixed user, credentials, limits and egress. Failures are
 * {@link GitFailure}, a DaemonError.
 */
export class GitSession {
  readonly #options: SessionOptions;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  /** Logs a warning and reports it to the caller, without secrets. */
  warn(message: string): void {
    const { secrets = [] } = this.#options.network?.credentials ?? {};
    const clean = scrub(message, secrets);
    log.warn("{message}", { message: clean });
    this.#options.onWarning?.(clean);
  }

  /** Returns a session with other environment variables. */
  withEnv(environment: Record<string, string>): GitSession {
    return new GitSession({ ...this.#options, environment });
  }

  /** Returns a session in another directory, with other environment variables. */
  inDirectory(cwd: string, environment: Record<string, string>): GitSession {
    return new GitSession({ ...this.#options, cwd, environment });
  }

  /** Returns a session that reaches other hosts by those protocols only. */
  withProtocols(protocols: readonly string[]): GitSession {
    const { network } = this.#options;
    if (!network) throw new Error("A session without a network speaks no protocol");
    return new GitSession({ ...this.#options, network: { ...network, protocols } });
  }

  /** Returns a session that another signal ends. */
  withSignal(signal: AbortSignal): GitSession {
    return new GitSession({ ...this.#options, signal });
  }

  /** Runs a command that reaches no other host. @throws {GitFailure} */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    const stdout: Uint8Array[] = [];
    let length = 0;
    const code = await this.stream(args, (chunk) => {
      length += chunk.length;
      if (length > MAX_OUTPUT_BYTES) {
        throw new DaemonError("FAILED_PRECONDITION", `git ${args[0]} printed too much`);
      }
      stdout.push(chunk);
    }, options);
    return { code, stdout: await new Blob(stdout as BlobPart[]).text() };
  }

  /**
   * Runs a command that may reach other hosts, and retries where the network failed.
   * @throws {GitFailure} the last failure, or {@link ConnectionFailure}
   */
  async runRemote(args: readonly string[]): Promise<Output> {
    const { network, signal } = this.#options;
    if (!network) throw new Error("A session without a network cannot reach remotes");
    return await retry(async () => {
      network.proxySession.reset();
      try {
        return await this.run(args);
      } catch (error) {
        throw signal.aborted ? error : explain(error, args[0]!, network.proxySession);
      }
    }, {
      clock: network.clock,
      signal,
      attempts: ATTEMPTS,
      baseDelay: BASE_DELAY_MS,
      maxDelay: MAX_DELAY_MS,
      isRetryable: (error) =>
        error instanceof GitFailure && error.transient ||
        error instanceof DaemonError && error.code === "UNAVAILABLE",
      onRetry: (error) =>
        log.warn("Trying again: {reason}", { reason: (error as DaemonError).message }),
    });
  }

  /**
   * Runs a command and passes its output to `take` in chunks; what `take` throws ends it.
   * @returns its exit code
   * @throws {GitFailure}
   */
  async stream(
    args: readonly string[],
    take: (chunk: Uint8Array) => void,
    { input, answers = [] }: RunOptions = {},
  ): Promise<number> {
    const git = this.#start(args, input);
    let last: Uint8Array = new Uint8Array();
    try {
      for await (const chunk of git.stdout) {
        take(chunk);
        last = chunk;
      }
    } catch (error) {
      git.kill();
      await git.ended;
      throw error;
    }
    const ending = await git.ended;
    if (ending.code !== 0 && !answers.includes(ending.code)) {
      const printed = new TextDecoder().decode(last);
      const secrets = this.#options.network?.credentials.secrets ?? [];
      throw new GitFailure(args[0]!, ending, printed, secrets);
    }
    return ending.code;
  }

  #start(args: readonly string[], input: Uint8Array | undefined): RunningGit {
    const { program, cwd, user, home, signal, network, environment } = this.#options;
    const credentials = network && !network.credentials.empty ? network.credentials : undefined;
    return startGit({
      program,
      cwd,
      signal,
      args: [...hardenedArguments({ credentials: credentials !== undefined }), ...args],
      env: {
        ...gitEnvironment({
          program,
          home,
          protocols: network?.protocols ?? [],
          ...(network ? { proxyUrl: network.proxySession.proxyUrl } : {}),
        }),
        ...environment,
      },
      user,
      input,
      answer: credentials && ((question) => credentials.answer(question)),
    });
  }
}

/** Returns what the egress proxy says of a failed connection: it knows the reason better than git. */
function explain(error: unknown, command: string, session: ProxySession): unknown {
  const refused = session.refusals[0];
  if (refused !== undefined) {
    const message = `git ${command}: ${refused}`;
    return new ConnectionFailure("FAILED_PRECONDITION", message, {
      cause: error,
      reason: "EGRESS_REFUSED",
    });
  }
  const failed = session.failures.at(-1);
  if (failed === undefined) return error;
  return new ConnectionFailure("UNAVAILABLE", `git ${command}: ${failed}`, { cause: error });
}
