/**
 * How long small calls take at 500 a second while four first backups and two restores, each begun again
 * when it ends, share all cores. The calls come from a process of its own; see `steady_caller.ts`.
 */

import { fromFileUrl, join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import type { GoalResult } from "./goals.ts";
import { moveEntries } from "./move_entries.ts";
import { processorTime } from "./processor_time.ts";
import { STEADY_METHODS, type SteadyCalls } from "./steady_caller.ts";

/** A daemon that is measured. */
export interface CrowdContender {
  name: string;
  /** How wsdaemon is run; this source unless given. */
  command?: readonly [string, ...string[]];
  /** Variables of its config. */
  env: Record<string, string>;
}

/** What was measured of one contender. */
export interface CrowdRun extends SteadyCalls {
  /** Backups and restores that ended meanwhile. */
  backups: number;
  restores: number;
  /** The cores' worth of processor time that the daemon took. */
  daemonCores: number;
}

export interface CrowdResult {
  corpus: string;
  seconds: number;
  contenders: { name: string; idle: SteadyCalls; runs: CrowdRun[] }[];
}

const CALLS_PER_SECOND = 500;
const BACKUPS = 4;
const RESTORES = 2;
/** Milliseconds. */
const GOAL = { p50: 5, p99: 30 } as const;
const PROBE = "bench-probe";
const RESTORED = { owner: "bench", metaId: "restored" } as const;

/** Measures daemons in turn in `folder`: idle first, then `rounds` times beside backups and restores. */
export async function measureCrowd(
  corpus: Corpus,
  folder: string,
  rounds: number,
  seconds: number,
  contenders: readonly CrowdContender[] = [{ name: "defaults", env: {} }],
): Promise<CrowdResult> {
  await using stack = new AsyncDisposableStack();
  const trees: string[] = [];
  for (let n = 0; n < BACKUPS; n++) {
    const tree = join(folder, `crowd-tree-${n}`);
    await corpus.make(tree);
    trees.push(tree);
  }
  const results: CrowdResult["contenders"] = [];
  const running: Running[] = [];
  for (const [n, contender] of contenders.entries()) {
    const root = join(folder, `crowd-${n}`);
    const one = stack.use(await Running.start(contender, root));
    await one.prepare(trees[0]!);
    running.push(one);
    const idle = await one.callBeside(() => new Promise((resolve) => setTimeout(resolve, 5000)));
    results.push({ name: contender.name, idle, runs: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const [n, one] of running.entries()) {
      results[n]!.runs.push(await one.crowd(trees, seconds * 1000));
    }
  }
  return { corpus: corpus.name, seconds, contenders: results };
}

/** Compares what was measured with what we set ourselves, by the median round. */
export function checkCrowd({ corpus, contenders }: CrowdResult): GoalResult[] {
  const [first] = contenders;
  const middle = (of: (run: CrowdRun) => number) =>
    first!.runs.map(of).toSorted((a, b) => a - b)[first!.runs.length >> 1]!;
  return (["p50", "p99"] as const).map((name) => {
    const value = middle(({ all }) => all[name]);
    const goal = `${CALLS_PER_SECOND} small calls a second beside ${BACKUPS} backups and ` +
      `${RESTORES} restores, ${name} in ms`;
    return { corpus, goal, value, bound: GOAL[name], sense: "at most", met: value <= GOAL[name] };
  });
}

/** The rows of the report. */
export function crowdRows({ contenders }: CrowdResult): string[][] {
  const rowOf = (name: string, calls: SteadyCalls, run?: CrowdRun) => [
    name,
    ...STEADY_METHODS.flatMap((method) => {
      const { p50, p99 } = calls.methods[method];
      return [p50.toFixed(1), p99.toFixed(1)];
    }),
    String(calls.failed),
    calls.late.toFixed(1),
    calls.cores.toFixed(2),
    run ? run.daemonCores.toFixed(2) : "",
    run ? `${run.backups}, ${run.restores}` : "",
  ];
  return [
    [
      `ms of ${CALLS_PER_SECOND} calls a second`,
      ...STEADY_METHODS.flatMap((method) => [`${method} p50`, "p99"]),
      "failed",
      "caller late",
      "its cores",
      "daemon's",
      "backups, restores",
    ],
    ...contenders.flatMap(({ name, idle, runs }) => [
      rowOf(`${name}, idle`, idle),
      ...runs.map((run) => rowOf(`${name}, crowd`, run, run)),
    ]),
  ];
}

/** A daemon, and the work that is done beside the calls. */
class Running implements AsyncDisposable {
  readonly #daemon: DaemonProcess;
  readonly #client: WorkspaceClient;
  #count = 0;

  private constructor(daemon: DaemonProcess, private readonly root: string) {
    this.#daemon = daemon;
    this.#client = new WorkspaceClient({ address: daemon.addresses[0]! });
  }

  static async start({ command, env }: CrowdContender, root: string): Promise<Running> {
    const daemon = await DaemonProcess.start({
      args: ["--root", root],
      ...(command ? { command } : {}),
      env: { WSDAEMON_METRICS_LISTEN: "127.0.0.1:0", ...env },
    });
    return new Running(daemon, root);
  }

  /** Makes the backup that is restored, and the workspace that is asked about. */
  async prepare(tree: string): Promise<void> {
    await this.#init("bench-source", RESTORED, "empty");
    await this.#lend(tree, "bench-source", () => this.#client.backupWorkspace("bench-source"));
    await this.#client.disposeWorkspace({ id: "bench-source" });
    await this.#init(PROBE, { owner: "bench", metaId: "probe" }, "empty");
  }

  /** Calls from another process while `work` goes on. */
  async callBeside(work: () => Promise<void>): Promise<SteadyCalls> {
    const caller = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-prompt", "--no-check"],
        fromFileUrl(new URL("steady_caller.ts", import.meta.url)),
        ...[this.#daemon.addresses[0]!, PROBE, String(CALLS_PER_SECOND)],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    try {
      await work();
    } finally {
      await caller.stdin.close();
    }
    const { stdout } = await caller.output();
    return JSON.parse(new TextDecoder().decode(stdout));
  }

  /** Calls beside backups of all trees and restores, for `ms` milliseconds and until those end. */
  async crowd(trees: readonly string[], ms: number): Promise<CrowdRun> {
    let backups = 0;
    let restores = 0;
    const before = processorTime(this.#daemon.pid);
    const start = performance.now();
    const goesOn = () => performance.now() - start < ms;
    const calls = await this.callBeside(async () => {
      await Promise.all([
        ...trees.map(async (tree, n) => {
          while (goesOn()) {
            await this.#backUp(tree, `bench-save-${n}`);
            backups++;
          }
        }),
        ...Array.from({ length: RESTORES }, async (_, n) => {
          while (goesOn()) {
            await this.#restore(`bench-restore-${n}`);
            restores++;
          }
        }),
      ]);
    });
    const taken = processorTime(this.#daemon.pid) - before;
    const daemonCores = taken / (performance.now() - start) * 1000;
    return { ...calls, backups, restores, daemonCores };
  }

  /** Makes a first backup. */
  async #backUp(tree: string, id: string): Promise<void> {
    await this.#init(id, { owner: id, metaId: String(this.#count++) }, "empty");
    await this.#lend(tree, id, () => this.#client.backupWorkspace(id));
    await this.#client.disposeWorkspace({ id });
  }

  async #restore(id: string): Promise<void> {
    await this.#init(id, RESTORED, "backup");
    await this.#client.disposeWorkspace({ id });
  }

  async #init(
    id: string,
    metadata: { owner: string; metaId: string },
    kind: "empty" | "backup",
  ): Promise<void> {
    await this.#client.initWorkspace({
      id,
      metadata,
      initializer: { spec: { case: kind, value: {} } },
    });
  }

  async #lend(tree: string, id: string, work: () => Promise<unknown>): Promise<void> {
    const place = join(this.root, "workspaces", id);
    await moveEntries(tree, place);
    try {
      await work();
    } finally {
      await moveEntries(place, tree);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    await this.#daemon[Symbol.asyncDispose]();
  }
}
