/**
 * What memory a daemon takes beyond what it took before its first operation: a daemon of its own for
 * each corpus, so that nothing is taken for idle which an earlier operation left.
 */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { Resident } from "../../tests/fixtures/resident.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import type { GoalResult } from "./goals.ts";
import { moveEntries } from "./move_entries.ts";

/** What is done to a corpus, in this order. */
export const MEMORY_STEPS = ["first", "nothing", "restore"] as const;

/** What one corpus takes, in bytes. */
export interface CorpusMemory {
  corpus: string;
  /** Before the first operation. */
  idle: number;
  /** The most above that while something is done. */
  most: Record<typeof MEMORY_STEPS[number], number>;
  /** What is left of that a moment after the last of them. */
  left: number;
}

/** The most above idle that anything is to take; bytes. */
const GOAL = 150 * 2 ** 20;
const REST_MS = 3000;
const pause = () => new Promise((resolve) => setTimeout(resolve, REST_MS));

/** Measures a daemon for each corpus in `folder`, one after the other. */
export async function measureMemory(
  corpora: readonly Corpus[],
  folder: string,
): Promise<CorpusMemory[]> {
  const results: CorpusMemory[] = [];
  for (const corpus of corpora) {
    const own = join(folder, `memory-${corpus.name}`);
    await Deno.mkdir(own);
    try {
      results.push(await measureCorpus(corpus, own));
    } finally {
      await Deno.remove(own, { recursive: true });
    }
  }
  return results;
}

async function measureCorpus(corpus: Corpus, folder: string): Promise<CorpusMemory> {
  const root = join(folder, "root");
  await corpus.make(join(folder, "tree"));
  await using daemon = await DaemonProcess.start({
    args: ["--root", root],
    env: { WSDAEMON_METRICS_LISTEN: "off" },
  });
  using client = new WorkspaceClient({ address: daemon.addresses[0]! });
  const identity = { owner: "bench", metaId: "memory" };
  await client.initWorkspace({
    id: "saved",
    metadata: identity,
    initializer: { spec: { case: "empty", value: {} } },
  });
  await moveEntries(join(folder, "tree"), join(root, "workspaces", "saved"));
  await pause();
  const memory = new Resident(daemon.pid);
  const idle = memory.now();
  const mostDuring = async (work: () => Promise<unknown>) => {
    memory.forgetPeak();
    await work();
    return Math.max(0, memory.peak() - idle);
  };
  const save = () => client.backupWorkspace("saved");
  const restore = () =>
    client.initWorkspace({
      id: "restored",
      metadata: identity,
      initializer: { spec: { case: "backup", value: {} } },
    });
  const most = {
    first: await mostDuring(save),
    nothing: await mostDuring(save),
    restore: await mostDuring(restore),
  };
  await pause();
  return { corpus: corpus.name, idle, most, left: Math.max(0, memory.now() - idle) };
}

/** Compares what each corpus takes with what we set ourselves. */
export function checkMemory(results: readonly CorpusMemory[]): GoalResult[] {
  return results.map(({ corpus, most }) => {
    const value = Math.max(...Object.values(most));
    const goal = "a daemon's memory above idle, MiB";
    const [shown, bound] = [value / 2 ** 20, GOAL / 2 ** 20];
    return { corpus, goal, value: shown, bound, sense: "at most", met: value <= GOAL };
  });
}

/** The rows of the report. */
export function memoryRows(results: readonly CorpusMemory[]): string[][] {
  const mebibytes = (bytes: number) => String(Math.round(bytes / 2 ** 20));
  return [
    ["most MiB above idle", "idle", ...MEMORY_STEPS, "left"],
    ...results.map(({ corpus, idle, most, left }) => [
      corpus,
      ...[idle, ...MEMORY_STEPS.map((step) => most[step]), left].map(mebibytes),
    ]),
  ];
}
