/**
 * How long a small call takes: on an idle daemon, beside a backup that has every core busy, and as many
 * as a control plane makes beside two backups.
 */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import type { GoalResult } from "./goals.ts";
import { percentile } from "./measure.ts";
import { moveEntries } from "./move_entries.ts";

/** Milliseconds that IsWorkspaceExists took on one connection. */
export interface Latency {
  calls: number;
  p50: number;
  p99: number;
}

/** What was measured; calls are made one after the other unless told otherwise. */
export interface LatencyResult {
  idle: Latency;
  /** While a first backup runs. */
  busy: Latency;
  /** Fifty a second, whether or not those before are answered, while two first backups run. */
  beside: Latency;
}

/** Milliseconds within which 99 of 100 calls beside two backups are to be answered. */
const GOAL_MS = 15;

/** Milliseconds between two calls of fifty a second. */
const PERIOD_MS = 20;

const WARM_UP = 1000;
const IDLE_CALLS = 5000;

/** Measures a daemon of its own in `folder`, with backups of `corpus`, three a round. */
export async function measureLatency(
  corpus: Corpus,
  folder: string,
  rounds: number,
): Promise<LatencyResult> {
  const root = join(folder, "latency");
  const tree = join(folder, "latency-tree");
  const other = join(folder, "latency-other");
  await corpus.make(tree);
  await corpus.make(other);
  await using daemon = await DaemonProcess.start({
    args: ["--root", root],
    env: { WSDAEMON_METRICS_LISTEN: "off" },
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const call = () => timed(() => client.isWorkspaceExists("bench"));
  for (let n = 0; n < WARM_UP; n++) await call();
  const idle: number[] = [];
  for (let n = 0; n < IDLE_CALLS; n++) idle.push(await call());
  const busy: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await besideBackups([tree], { client, root, round }, async (isRunning) => {
      while (isRunning()) busy.push(await call());
    });
    await besideBackups(
      [tree, other],
      { client, root, round: rounds + round },
      async (isRunning) => {
        const calls: Promise<number>[] = [];
        for (let due = performance.now(); isRunning(); due += PERIOD_MS) {
          await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
          calls.push(call());
        }
        beside.push(...await Promise.all(calls));
      },
    );
  }
  return { idle: summary(idle), busy: summary(busy), beside: summary(beside) };
}

/** Compares what was measured with what we set ourselves. */
export function checkLatency({ beside }: LatencyResult, corpus: string): GoalResult {
  return {
    corpus,
    goal: "IsWorkspaceExists 50 times a second beside two backups, p99 in ms",
    value: beside.p99,
    bound: GOAL_MS,
    sense: "at most",
    met: beside.p99 <= GOAL_MS,
  };
}

/** Does `work` while first backups of trees run side by side. */
async function besideBackups(
  trees: readonly string[],
  { client, root, round }: { client: WorkspaceClient; root: string; round: number },
  work: (isRunning: () => boolean) => Promise<void>,
): Promise<void> {
  const places = trees.map((tree, n) => ({ id: `bench-${n}`, tree }));
  for (const { id, tree } of places) {
    await client.initWorkspace({
      id,
      metadata: { owner: id, metaId: `round-${round}` },
      initializer: { spec: { case: "empty", value: {} } },
    });
    await moveEntries(tree, join(root, "workspaces", id));
  }
  let running = true;
  const backups = Promise.all(places.map(({ id }) => client.backupWorkspace(id)))
    .finally(() => running = false);
  await work(() => running);
  await backups;
  for (const { id, tree } of places) {
    await moveEntries(join(root, "workspaces", id), tree);
    await client.disposeWorkspace({ id });
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function summary(times: readonly number[]): Latency {
  return { calls: times.length, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}
