import type { Owner } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { ProxySession } from "../outbound/mod.ts";
import { retry } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { type Credentials, scrub } from "./credentials.ts";
import { gitEnvironment, hardenedArguments } from "./git_environment.ts";
import { ConnectionFailure, GitFailure } from "./failure.ts";
import { logger } from "../log/mod.ts";
import { type RunningGit, startGit } from "./process.ts";

const log = logger("git");

/** More than any answer that is kept whole needs. */
const OUTPUT_LIMIT = 64 * 1024 * 1024;
const ATTEMPTS = 5;
const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;

export interface SessionOptions {
  /** Absolute path of git. */
  program: string;
  /** Directory that it runs in; see `Content.openDirectory`. */
  cwd: string;
  /** Whose rights it runs with; the daemon's own unless given. */
  user: Owner | undefined;
  /** See `EnvironmentOptions`. */
  home: string;
  signal: AbortSignal;
  /** Variables besides the usual ones. */
  environment?: Record<string, string>;
  /** Told what the caller should know of though nothing has failed; without secrets. */
  onWarning?: ((message: string) => void) | undefined;
  /** How to reach others; without it git reaches none. */
  network?: {
    pass: ProxySession;
    credentials: Credentials;
    protocols: readonly string[];
    clock: Clock;
  };
}

export interface RunOptions {
  input?: Uint8Array;
  /** Exit codes besides 0 that are an answer. */
  answers?: readonly number[];
}

/** What a command that ended well printed. */
export interface Output {
  code: number;
  stdout: string;
}

/** Runs git commands. Failures are {@link GitFailure}, a DaemonError. */
export class GitSession {
  readonly #options: SessionOptions;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  /** Tells the log and the caller something that they should know though nothing has failed. */
  warn(message: string): void {
    const { secrets = [] } = this.#options.network?.credentials ?? {};
    const clean = scrub(message, secrets);
    log.warn("{message}", { message: clean });
    this.#options.onWarning?.(clean);
  }

  /** The same with other variables. */
  withEnv(environment: Record<string, string>): GitSession {
    return new GitSession({ ...this.#options, environment });
  }

  /** The same in another directory, with other variables. */
  inDirectory(cwd: string, environment: Record<string, string>): GitSession {
    return new GitSession({ ...this.#options, cwd, environment });
  }

  /** The same, with only those protocols for other hosts. */
  withProtocols(protocols: readonly string[]): GitSession {
    const { network } = this.#options;
    if (!network) throw new Error("A session without a network speaks no protocol");
    return new GitSession({ ...this.#options, network: { ...network, protocols } });
  }

  /** The same, ended by another signal. */
  withSignal(signal: AbortSignal): GitSession {
    return new GitSession({ ...this.#options, signal });
  }

  /** Runs a command that reaches no other host. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    const stdout: Uint8Array[] = [];
    let length = 0;
    const code = await this.stream(args, (chunk) => {
      length += chunk.length;
      if (length > OUTPUT_LIMIT) {
        throw new DaemonError("FAILED_PRECONDITION", `git ${args[0]} printed too much`);
      }
      stdout.push(chunk);
    }, options);
    return { code, stdout: await new Blob(stdout as BlobPart[]).text() };
  }

  /** Runs a command that may reach other hosts, again where the network failed. */
  async runRemote(args: readonly string[]): Promise<Output> {
    const { network, signal } = this.#options;
    if (!network) throw new Error("A session without a network cannot reach remotes");
    return await retry(async () => {
      network.pass.reset();
      try {
        return await this.run(args);
      } catch (error) {
        throw signal.aborted ? error : explain(error, args[0]!, network.pass);
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
   * Runs a command whose output is handed over piece by piece; what `take` throws ends it.
   * @returns its exit code
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
          ...(network ? { proxyUrl: network.pass.proxyUrl } : {}),
        }),
        ...environment,
      },
      ...(user ? { user } : {}),
      ...(input ? { input } : {}),
      ...(credentials ? { answer: (question) => credentials.answer(question) } : {}),
    });
  }
}

/** The gate knows better than git why a connection was not made. */
function explain(error: unknown, command: string, pass: ProxySession): unknown {
  const refused = pass.refusals[0];
  if (refused !== undefined) {
    const message = `git ${command}: ${refused}`;
    return new ConnectionFailure("FAILED_PRECONDITION", message, { cause: error });
  }
  const failed = pass.failures.at(-1);
  if (failed === undefined) return error;
  return new ConnectionFailure("UNAVAILABLE", `git ${command}: ${failed}`, { cause: error });
}
