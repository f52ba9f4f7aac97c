/** How long workspaces take to start from an image that is on the node already, on btrfs. */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { canMountBtrfs, mountBtrfs } from "../../tests/fixtures/btrfs.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import type { GoalResult } from "./goals.ts";
import { measureShell, median, percentile } from "./measure.ts";

/** Milliseconds of several runs. */
export interface Times {
  readonly runs: number;
  readonly p50: number;
  readonly most: number;
}

export interface StartsResult {
  readonly corpus: string;
  /** `zstd -dc | tar -xp` of the same tree on the same disk; milliseconds. */
  readonly tar: number;
  /** InitWorkspace of an image that the node has no base of. */
  readonly restored: Times;
  /** InitWorkspace of a snapshot that the node has a base of. */
  readonly base: Times;
  /** The same, twenty at once: until the last one has answered. */
  readonly twenty: Times;
  /** DisposeWorkspace with a backup after a change of one file, and InitWorkspace from it. */
  readonly stop: Times;
  readonly start: Times;
}

const GIB = 2 ** 30;
const AT_ONCE = 20;
const TAR_RUNS = 3;
/** Most milliseconds that a start may take, and most parts of what tar takes. */
const GOAL = { milliseconds: 60, part: 1 / 50 } as const;

type Init = Parameters<WorkspaceClient["initWorkspace"]>[0];
type Spec = NonNullable<NonNullable<Init["initializer"]>["spec"]>;

/** Returns `undefined` where no btrfs can be mounted. */
export async function measureStarts(
  corpus: Corpus,
  folder: string,
  rounds: number,
): Promise<StartsResult | undefined> {
  if (!canMountBtrfs()) return undefined;
  using disk = mountBtrfs(16 * GIB);
  const config = join(folder, "starts.jsonc");
  await Deno.writeTextFile(config, JSON.stringify({ quota: { driver: "btrfs" } }));
  await using daemon = await DaemonProcess.start({
    args: ["--root", join(disk.path, "root"), "--config", config],
    env: { WSDAEMON_METRICS_LISTEN: "off" },
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const starts = new Starts(client, join(disk.path, "root"), rounds);
  const snapshot = await starts.makeSnapshot(corpus);
  const tar = await tarTime(starts.place("first"), disk.path);
  await client.disposeWorkspace({ id: "first" });
  const base = await starts.fromSnapshot(snapshot);
  const twenty = await starts.atOnce(snapshot);
  const { stop, start } = await starts.stopAndStart(snapshot);
  const restored = await starts.withoutBase(snapshot);
  return { corpus: corpus.name, tar, restored, base, twenty, stop, start };
}

/** Starts workspaces on a daemon, and times that. */
export class Starts {
  #count = 0;

  constructor(
    private readonly client: WorkspaceClient,
    private readonly root: string,
    private readonly rounds: number,
  ) {}

  /** Where the workspace is. */
  place(id: string): string {
    return join(this.root, "workspaces", id);
  }

  /** Makes a workspace `first` of the corpus. @returns its snapshot */
  async makeSnapshot(corpus: Corpus): Promise<string> {
    await this.client.initWorkspace(request("first", { case: "empty", value: {} }));
    await corpus.make(join(this.place("first"), "tree"));
    return await this.client.takeSnapshot({ id: "first" });
  }

  /** Starts a workspace from a snapshot, and disposes of it. @returns milliseconds of the start */
  async start(snapshot: string): Promise<number> {
    const id = this.#newId();
    const taken = await timed(() => this.client.initWorkspace(fromSnapshot(id, snapshot)));
    await this.client.disposeWorkspace({ id });
    return taken;
  }

  /** Starts many, one after the other. */
  async fromSnapshot(snapshot: string): Promise<Times> {
    return await this.#times(10 * this.rounds, () => this.start(snapshot));
  }

  /** Starts twenty at once. */
  async atOnce(snapshot: string): Promise<Times> {
    return await this.#times(this.rounds, async () => {
      const ids = Array.from({ length: AT_ONCE }, () => this.#newId());
      const taken = await timed(() =>
        Promise.all(ids.map((id) => this.client.initWorkspace(fromSnapshot(id, snapshot))))
      );
      for (const id of ids) await this.client.disposeWorkspace({ id });
      return taken;
    });
  }

  /** Stops a workspace with a backup of one edit, and starts it again. */
  async stopAndStart(snapshot: string): Promise<{ stop: Times; start: Times }> {
    const starts: number[] = [];
    await this.client.initWorkspace(fromSnapshot("stopped", snapshot));
    const stop = await this.#times(2 * this.rounds, async () => {
      await Deno.writeTextFile(join(this.place("stopped"), "edited"), `${this.#newId()}`);
      const taken = await timed(() =>
        this.client.disposeWorkspace({ id: "stopped", backup: true })
      );
      const again = request("stopped", { case: "backup", value: {} });
      starts.push(await timed(() => this.client.initWorkspace(again)));
      return taken;
    });
    await this.client.disposeWorkspace({ id: "stopped" });
    return { stop, start: summary(starts) };
  }

  /** Deletes the bases behind the daemon's back, which then restores. */
  async withoutBase(snapshot: string): Promise<Times> {
    const bases = join(this.root, "bases");
    return await this.#times(this.rounds, async () => {
      for (const { name, isDirectory } of Deno.readDirSync(bases)) {
        if (!isDirectory) continue;
        new Deno.Command("btrfs", { args: ["subvolume", "delete", join(bases, name)] })
          .outputSync();
      }
      return await this.start(snapshot);
    });
  }

  async #times(runs: number, run: () => Promise<number>): Promise<Times> {
    const all: number[] = [];
    for (let n = 0; n < runs; n++) all.push(await run());
    return summary(all);
  }

  #newId(): string {
    return `start-${this.#count++}`;
  }
}

/** How long the platforms' way takes for the same tree. */
export async function tarTime(tree: string, disk: string): Promise<number> {
  const env = { TREE: tree, OUT: join(disk, "out"), FILE: join(disk, "tree.tar.zst") };
  const shell = (script: string) => measureShell(script, { cwd: disk, env });
  await shell(`tar -cf - -C "$TREE" . | zstd -q -1 -T0 > "$FILE"; sync`);
  const times: number[] = [];
  for (let n = 0; n < TAR_RUNS; n++) {
    await shell(`mkdir "$OUT"`);
    times.push((await shell(`zstd -dcq "$FILE" | tar -xpf - -C "$OUT"`)).wall * 1000);
    await shell(`rm -rf "$OUT"; sync`);
  }
  return median(times);
}

function request(id: string, spec: Spec): Init {
  return { id, metadata: { owner: "bench", metaId: "starts" }, initializer: { spec } };
}

function fromSnapshot(id: string, snapshot: string): Init {
  return request(id, { case: "snapshot", value: { snapshot } });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Summarises the milliseconds of several runs. */
export function summary(times: readonly number[]): Times {
  return { runs: times.length, p50: percentile(times, 0.5), most: Math.max(...times) };
}

/** A row of starts, compared with tar. */
export function startRow(what: string, { runs, p50, most }: Times, tar: number): string[] {
  return [what, String(runs), p50.toFixed(1), most.toFixed(1), (p50 / tar).toFixed(3)];
}

/** The row of what starts are compared with. */
export function tarRow(tar: number): string[] {
  return startRow("zstd -dc | tar -xp", { runs: TAR_RUNS, p50: tar, most: tar }, tar);
}

/** The rows of the report. */
export function startRows({ tar, restored, base, twenty, stop, start }: StartsResult): string[][] {
  const row = (what: string, times: Times) => startRow(what, times, tar);
  return [
    ["start of a workspace on btrfs", "runs", "p50 ms", "most ms", "of tar"],
    tarRow(tar),
    row("from the store", restored),
    row("from a base", base),
    row("from a base, twenty at once", twenty),
    row("stop: a backup of one edit, and gone", stop),
    row("start again", start),
  ];
}

/** What a start from a base is held to. */
export function evaluateStarts({ corpus, tar, base, start }: StartsResult): GoalResult[] {
  return [["start from a base", base] as const, ["stop and start: the start", start] as const]
    .flatMap(([what, { p50 }]) => [
      goal(corpus, `${what}, ms`, p50, GOAL.milliseconds),
      goal(corpus, `${what}, of zstd -dc | tar -xp`, p50 / tar, GOAL.part),
    ]);
}

function goal(corpus: string, goal: string, value: number, bound: number): GoalResult {
  return { corpus, goal, value, bound, sense: "at most", met: value <= bound };
}
