/** Nodes of a chaos run: real daemons on one store, that are killed and started again. */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { Semaphore } from "../../src/async/mod.ts";
import { DaemonProcess } from "../daemon_process.ts";
import { CrashPoints } from "./crash_points.ts";
import { TOLD_TO_FAIL } from "./crash_points/points.ts";
import { BrokenPromise } from "./model.ts";
import type { Random } from "./random.ts";

export interface NodeOptions {
  root: string;
  /** The config of every node, on a disk that is never full. */
  configFile: string;
  /** How wsdaemon is run where that is a binary, which has no crash points. */
  binary?: string;
  /** A folder of the node's own, on a disk that is never full. */
  folder: string;
  /** Modules that stand for others in a daemon that is run from source. */
  replaced?: Readonly<Record<string, URL>>;
  random: Random;
  log(line: string): void;
}

type Signal = "SIGKILL" | "SIGTERM";

/** One node: a root, and the daemon that serves it at the moment. */
export class Node {
  readonly #options: NodeOptions;
  /** What all its daemons logged. */
  readonly #log: Deno.FsFile;
  readonly #points: CrashPoints | undefined;
  /** One restart at a time. */
  readonly #turn = new Semaphore(1);
  #daemon: DaemonProcess | undefined;
  #client: WorkspaceClient | undefined;
  /** Resolves when a daemon serves again. */
  #serving = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<never>();
  #isOver = false;
  /** Counts daemons that were started. */
  #life = 0;
  /** Kills so far: whoever saw a call fail can tell that the node was killed meanwhile. */
  kills = 0;
  /** How often its disk has lost what was not synced. */
  powerCuts = 0;
  /** Whether its disk is full. */
  isFull = false;
  /** Whether it is, and of a kind where even a start needs a block. */
  mayLackSpaceToStart = false;
  /** Starts that were refused for that. */
  refusedStarts = 0;
  /** Operations that were told to fail. */
  toldToFail = 0;
  /** Bugs that the daemon itself has found are findings of ours. */
  readonly bugs: string[] = [];
  /** Kills at a crash point, by the point. */
  readonly crashes = new Map<string, number>();

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#log = Deno.createSync(join(options.folder, "daemon.log"));
    if (options.binary === undefined) {
      this.#points = new CrashPoints(options.folder, options.random, options.replaced);
    }
    // Whoever waits for the end of the run hears of it.
    this.#failed.promise.catch(() => {});
  }

  get root(): string {
    return this.#options.root;
  }

  get configFile(): string {
    return this.#options.configFile;
  }

  /** How wsdaemon is run on this node. */
  get command(): readonly [string, ...string[]] {
    return this.#points?.command ?? [this.#options.binary!];
  }

  /** Rejects when the daemon does not start, or ends without having been told to. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** The daemon's process, while there is one. */
  get pid(): number | undefined {
    return this.#daemon?.pid;
  }

  /** What the daemon that runs at the moment has logged. */
  get daemonLog(): string {
    return this.#daemon?.log ?? "";
  }

  /** Starts the daemon. @throws {Error} with its log where it does not serve */
  async start(): Promise<void> {
    try {
      this.#daemon = await this.#startProcess();
    } catch (error) {
      // Nobody waits for a daemon that will not come.
      this.#serving.promise.catch(() => {});
      this.#serving.reject(error);
      this.#failed.reject(error);
      throw error;
    }
    this.#watch(this.#daemon, this.kills);
    this.#points?.started(this.#daemon.log);
    this.#client = new WorkspaceClient({ address: this.#daemon.addresses[0]! });
    this.#serving.resolve();
  }

  /** One that comes to its crash point before it serves is killed, and followed by another. */
  async #startProcess(): Promise<DaemonProcess> {
    while (true) {
      const life = ++this.#life;
      let isServing = false;
      let wasKilled = false;
      const kill = (pid: number) => {
        if (isServing) {
          return void this.restart("SIGKILL", () => this.#life === life).catch(() => {});
        }
        wasKilled = true;
        Deno.kill(pid, "SIGKILL");
      };
      try {
        const daemon = await DaemonProcess.start({
          args: ["--config", this.configFile, "--root", this.root],
          startTimeout: 120_000,
          command: this.command,
          onLine: (line) => this.#onLine(line, kill),
        });
        isServing = true;
        if (!wasKilled) return daemon;
        await daemon.status;
      } catch (error) {
        if (!wasKilled && !this.#lacksSpace(error)) throw error;
      }
      this.kills++;
      this.#points?.armNext();
    }
  }

  /**
   * Whether a start was refused because not a byte can be written where every write takes a new block,
   * and the filler has taken what the state had set aside.
   */
  #lacksSpace(error: unknown): boolean {
    if (!this.mayLackSpaceToStart || !/no space left/.test(String(error))) return false;
    this.#options.log(`${this.root}: no room to start`);
    this.refusedStarts++;
    return true;
  }

  /** Notes the end of a daemon that nobody has told to end. */
  async #watch(daemon: DaemonProcess, kills: number): Promise<void> {
    const { code, signal } = await daemon.status;
    if (this.#isOver || this.kills > kills) return;
    const end = daemon.log.slice(-3_000);
    this.#failed.reject(new BrokenPromise(`the daemon ended (${signal ?? code}):\n${end}`));
  }

  #onLine(line: string, kill: (pid: number) => void): void {
    this.#log.writeSync(new TextEncoder().encode(`${line}\n`));
    const reached = CrashPoints.reached(line);
    if (!reached) return;
    const { point, pid } = reached;
    this.#options.log(`${this.root}: reached ${point}`);
    this.crashes.set(point, (this.crashes.get(point) ?? 0) + 1);
    if (point.endsWith(".throw")) this.toldToFail++;
    else kill(pid);
  }

  /** A client of the daemon, once one serves. */
  async client(): Promise<WorkspaceClient> {
    await this.#serving.promise;
    return this.#client!;
  }

  /** Ends the daemon by a signal and starts another. */
  async restart(signal: Signal, isWanted = () => true): Promise<void> {
    await this.whileDown(signal, () => Promise.resolve(), isWanted);
  }

  /** Ends the daemon by a signal, does something, and starts another. */
  async whileDown(
    signal: Signal,
    work: () => Promise<void>,
    isWanted = () => true,
  ): Promise<void> {
    using _turn = await this.#turn.acquire();
    if (this.#isOver || !isWanted()) return;
    this.#serving = Promise.withResolvers();
    this.kills++;
    this.#points?.armNext();
    await this.#end(signal);
    await work();
    await this.start();
  }

  /** Arms no further crash points, for what is not to be disturbed. */
  async calm(): Promise<void> {
    if (!this.#points) return;
    this.#points.calm();
    await this.restart("SIGTERM");
  }

  /** Stops the daemon for good. */
  async stop(): Promise<void> {
    using _turn = await this.#turn.acquire();
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#end("SIGTERM");
    this.#log.close();
  }

  async #end(signal: Signal): Promise<void> {
    this.#client?.close();
    const daemon = this.#daemon;
    this.#daemon = undefined;
    await daemon?.end(signal);
    this.bugs.push(...bugsIn(daemon?.log ?? ""));
  }

  workspace(id: string): string {
    return join(this.root, "workspaces", id);
  }
}

/** Lines of a log that tell of bugs which were not asked for. */
function bugsIn(log: string): string[] {
  const id = /(?:\bBug|internal error) ([0-9a-f-]{36})/;
  const lines = log.split("\n").filter((line) => id.test(line));
  const wanted = new Set(
    lines.filter((line) => line.includes(TOLD_TO_FAIL)).map((line) => id.exec(line)![1]),
  );
  return lines.filter((line) => !wanted.has(id.exec(line)![1]));
}
