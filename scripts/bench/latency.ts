/** How long a small call takes: on an idle daemon, and beside a backup that has every core busy. */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import { percentile } from "./measure.ts";

/** Milliseconds that IsWorkspaceExists took, calls one after the other on one connection. */
export interface Latency {
  calls: number;
  p50: number;
  p99: number;
}

export interface LatencyResult {
  idle: Latency;
  /** While a first backup runs. */
  busy: Latency;
}

const WARM_UP = 1000;
const IDLE_CALLS = 5000;

/** Measures a daemon of its own in `folder`, with backups of `corpus`, one a round. */
export async function measureLatency(
  corpus: Corpus,
  folder: string,
  rounds: number,
): Promise<LatencyResult> {
  const root = join(folder, "latency");
  const tree = join(folder, "latency-tree");
  await corpus.make(tree);
  await using daemon = await DaemonProcess.start({
    args: ["--root", root],
    env: { WSDAEMON_METRICS_LISTEN: "off" },
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const id = "bench";
  const busy: number[] = [];
  const call = () => timed(() => client.isWorkspaceExists(id));
  for (let n = 0; n < WARM_UP; n++) await call();
  const idle: number[] = [];
  for (let n = 0; n < IDLE_CALLS; n++) idle.push(await call());
  for (let round = 0; round < rounds; round++) {
    await client.initWorkspace({
      id,
      metadata: { owner: "bench", metaId: `round-${round}` },
      initializer: { spec: { case: "empty", value: {} } },
    });
    const place = join(root, "workspaces", id);
    await moveEntries(tree, place);
    let running = true;
    const backup = client.backupWorkspace(id).finally(() => running = false);
    while (running) busy.push(await call());
    await backup;
    await moveEntries(place, tree);
    await client.disposeWorkspace({ id });
  }
  return { idle: summary(idle), busy: summary(busy) };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function moveEntries(from: string, to: string): Promise<void> {
  for await (const { name } of Deno.readDir(from)) {
    await Deno.rename(join(from, name), join(to, name));
  }
}

function summary(times: readonly number[]): Latency {
  return { calls: times.length, p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}
