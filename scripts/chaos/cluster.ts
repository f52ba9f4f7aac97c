/** Nodes of a chaos run: real daemons on one store, that are killed and started again. */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/rpc/client.ts";
import { DaemonProcess } from "../daemon_process.ts";

export interface ClusterOptions {
  /** A folder for each node's root. */
  roots: readonly string[];
  /** The config of every node, on a disk that is never full. */
  configFile: string;
  /** How wsdaemon is run; from source unless given. */
  command?: readonly [string, ...string[]];
  log(line: string): void;
}

/** One node: a root, and the daemon that serves it at the moment. */
export class Node {
  readonly root: string;
  readonly #options: ClusterOptions;
  #daemon: DaemonProcess | undefined;
  #client: WorkspaceClient | undefined;
  /** Resolves when a daemon serves again. */
  #serving = Promise.withResolvers<void>();
  /** Kills so far: whoever saw a call fail can tell that the node was killed meanwhile. */
  kills = 0;

  constructor(root: string, options: ClusterOptions) {
    this.root = root;
    this.#options = options;
  }

  /** Starts the daemon. @throws {Error} with its log where it does not serve */
  async start(): Promise<void> {
    try {
      this.#daemon = await DaemonProcess.start({
        args: ["--config", this.#options.configFile, "--root", this.root],
        startTimeout: 120_000,
        ...(this.#options.command ? { command: this.#options.command } : {}),
      });
    } catch (error) {
      // Nobody waits for a daemon that will not come.
      this.#serving.promise.catch(() => {});
      this.#serving.reject(error);
      throw error;
    }
    this.#client = new WorkspaceClient({ address: this.#daemon.addresses[0]! });
    this.#serving.resolve();
  }

  /** A client of the daemon, once one serves. */
  async client(): Promise<WorkspaceClient> {
    await this.#serving.promise;
    return this.#client!;
  }

  /** Ends the daemon by a signal and starts another. */
  async restart(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#serving = Promise.withResolvers();
    this.kills++;
    await this.#end(signal);
    await this.start();
  }

  /** Stops the daemon for good. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#client?.close();
    await this.#daemon?.end(signal);
    this.#report();
    this.#daemon = undefined;
  }

  /** Bugs that the daemon itself has found are findings of ours. */
  #report(): void {
    const lines = this.#daemon?.log.split("\n") ?? [];
    for (const line of lines) {
      if (/\bBug [0-9a-f-]{36}|internal error/.test(line)) this.bugs.push(line);
    }
  }

  readonly bugs: string[] = [];

  get configFile(): string {
    return this.#options.configFile;
  }

  workspace(id: string): string {
    return join(this.root, "workspaces", id);
  }
}
