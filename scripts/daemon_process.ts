/** A wsdaemon in a process of its own, for the demo, the smoke test, the benchmark and the tests. */

import { TextLineStream } from "@std/streams";
import { fromFileUrl } from "@std/path";

/**
 * What V8 is told on Deno's command line wherever wsdaemon runs; later it is too late. Every thread has
 * a heap of its own: by default V8 lets its young generation grow to 48 MiB and its old one by far more
 * than what is alive before it collects, which took 220 MiB above idle after 3,000 backups of tiny
 * workspaces and takes 65 MiB, without more CPU time, with these.
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=50";

/** How wsdaemon is run from source: a program and its first arguments. */
export const FROM_SOURCE: readonly [string, ...string[]] = [
  Deno.execPath(),
  "run",
  V8_FLAGS,
  "-A",
  "--no-prompt",
  fromFileUrl(new URL("../main.ts", import.meta.url)),
];

/** Milliseconds that a start may take unless told otherwise: a loaded machine needs many seconds. */
const START_TIMEOUT = 120_000;

export interface DaemonProcessOptions {
  /** Flags of `wsdaemon run`; an address on a free port is added unless one is given. */
  args: readonly string[];
  /** How wsdaemon is run; from source unless told otherwise. */
  command?: readonly [string, ...string[]];
  env?: Record<string, string>;
  /** How many `listening on` lines to wait for. */
  listeners?: number;
  /** Milliseconds; {@link START_TIMEOUT} if absent. */
  startTimeout?: number;
  /** Told each line that it logs, from its start on. */
  onLine?(line: string): void;
}

/** A daemon that serves. Disposing of it is SIGTERM and waiting for its end. */
export class DaemonProcess implements AsyncDisposable {
  readonly addresses: readonly string[];
  readonly #child: Deno.ChildProcess;
  readonly #log: string[];
  readonly #drained: Promise<void>;
  readonly #watchers: Set<(line: string) => void>;

  private constructor(
    child: Deno.ChildProcess,
    addresses: readonly string[],
    log: string[],
    drained: Promise<void>,
    watchers: Set<(line: string) => void>,
  ) {
    this.#watchers = watchers;
    this.#child = child;
    this.addresses = addresses;
    this.#log = log;
    this.#drained = drained;
  }

  /** Starts a daemon and waits until it serves. @throws {Error} with its log where it does not. */
  static async start(options: DaemonProcessOptions): Promise<DaemonProcess> {
    const [program, ...before] = options.command ?? FROM_SOURCE;
    const listen = options.args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
    const child = new Deno.Command(program, {
      args: [...before, "run", ...options.args, ...listen],
      ...(options.env ? { env: options.env } : {}),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const log: string[] = [];
    const addresses: string[] = [];
    const watchers = new Set<(line: string) => void>();
    const serving = Promise.withResolvers<void>();
    const drained = collect(child, (line) => {
      log.push(line);
      options.onLine?.(line);
      for (const watch of watchers) watch(line);
      const address = /^listening on (\S+)$/.exec(messageOf(line))?.[1];
      if (address) addresses.push(address);
      if (addresses.length === (options.listeners ?? 1)) serving.resolve();
    }).finally(() => serving.reject(new Error(`wsdaemon did not serve:\n${log.join("\n")}`)));
    const timer = setTimeout(
      () => serving.reject(new Error(`wsdaemon did not serve in time:\n${log.join("\n")}`)),
      options.startTimeout ?? START_TIMEOUT,
    );
    try {
      await serving.promise;
      return new DaemonProcess(child, addresses, log, drained, watchers);
    } catch (error) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already, which is the error.
      }
      await child.status;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#log.join("\n");
  }

  /** Does something and waits until a line with `text` is logged. @returns the line */
  async logged(text: string, act: () => void): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const watch = (line: string) => line.includes(text) && resolve(line);
    this.#watchers.add(watch);
    this.#drained.then(() => reject(new Error(`wsdaemon ended without ${text}:\n${this.log}`)));
    try {
      act();
      return await promise;
    } finally {
      this.#watchers.delete(watch);
    }
  }

  /**
   * Waits until the log matches, which it may do a moment after the answer of the call that it tells
   * of. @throws {Error} with the log where the daemon ends first
   */
  async logMatching(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.log);
      if (found) return found;
      await this.logged("", () => {});
    }
  }

  /** Sends a signal and waits for the end. */
  async end(signal: Deno.Signal): Promise<Deno.CommandStatus> {
    this.#child.kill(signal);
    const status = await this.#child.status;
    await this.#drained;
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.#drained;
  }
}

/** The message of a line, which may be JSON. */
function messageOf(line: string): string {
  if (!line.startsWith("{")) return line;
  try {
    return String(JSON.parse(line).message);
  } catch {
    return line;
  }
}

async function collect(child: Deno.ChildProcess, onLine: (line: string) => void): Promise<void> {
  const lines = child.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) onLine(line);
}
