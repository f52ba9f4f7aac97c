/**
 * What operations, logs, metrics and traces take of a first backup: processor time of daemons that have
 * them switched off as far as they can be, as they are by default, and all on and watched. Wall clock
 * says nothing of a few percent on a machine that others use, too.
 */

import { join } from "@std/path";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { DaemonProcess } from "../daemon_process.ts";
import type { Corpus } from "./corpora.ts";
import type { GoalResult } from "./goals.ts";
import { moveEntries } from "./move_entries.ts";
import { processorTime } from "./processor_time.ts";

/** A way to run a daemon. */
export interface OverheadContender {
  name: string;
  /** How wsdaemon is run; this source unless given. */
  command?: readonly [string, ...string[]];
  /** Flags of `run`. */
  args: readonly string[];
  /** Whether it is scraped and watched once a second, and sends its spans. */
  isWatched?: boolean;
}

/** Seconds of processor time that each first backup took, by contender, in the order of the rounds. */
export interface OverheadResult {
  corpus: string;
  contenders: { name: string; cpu: number[] }[];
}

const CHEAPEST: OverheadContender = {
  name: "as little as can be configured",
  args: ["--metrics-listen", "off", "--log-level", "fatal"],
};
const DEFAULTS: OverheadContender = {
  name: "defaults",
  args: ["--metrics-listen", "127.0.0.1:0"],
};
const WATCHED: OverheadContender = {
  name: "with traces, scraped and watched",
  args: ["--metrics-listen", "127.0.0.1:0"],
  isWatched: true,
};

/** What the features may cost, as a ratio. */
const GOAL = 1.02;
/** Milliseconds from one scrape to the next. */
const SCRAPE_INTERVAL = 1000;

/** A daemon that is measured. */
interface Running extends AsyncDisposable {
  name: string;
  root: string;
  daemon: DaemonProcess;
  client: WorkspaceClient;
}

/** Measures first backups of one tree in `folder` by daemons that take turns. */
export async function measureOverhead(
  corpus: Corpus,
  folder: string,
  rounds: number,
  contenders: readonly OverheadContender[] = [CHEAPEST, DEFAULTS, WATCHED],
): Promise<OverheadResult> {
  const tree = join(folder, "overhead-tree");
  await corpus.make(tree);
  await using stack = new AsyncDisposableStack();
  const collector = stack.use(startCollector());
  const running: Running[] = [];
  for (const [n, contender] of contenders.entries()) {
    const root = join(folder, `overhead-${n}`);
    running.push(stack.use(await start(contender, root, collector.url)));
  }
  const cpu = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  // Once for nothing, so that everybody's code is compiled.
  for (let round = -1; round < rounds; round++) {
    for (let n = 0; n < running.length; n++) {
      // Whoever begins finds other caches than whoever comes last.
      const one = running[(n + Math.max(0, round)) % running.length]!;
      const seconds = await backUp(one, tree, round);
      if (round >= 0) cpu.get(one.name)!.push(seconds);
    }
  }
  return {
    corpus: corpus.name,
    contenders: contenders.map(({ name }) => ({ name, cpu: cpu.get(name)! })),
  };
}

/** Compares what the defaults take with what can be had without. */
export function checkOverhead({ corpus, contenders }: OverheadResult): GoalResult {
  const [cheapest, defaults] = contenders;
  const value = ratioOf(defaults!.cpu, cheapest!.cpu);
  const goal = "processor time of a first backup, of that with as little as can be";
  return { corpus, goal, value, bound: GOAL, sense: "at most", met: value <= GOAL };
}

/** The rows of the report. */
export function overheadRows({ contenders }: OverheadResult): string[][] {
  const [first] = contenders;
  return [
    ["first backup", "backups", "cpu s of the cheaper half", "ratio"],
    ...contenders.map(({ name, cpu }) => [
      name,
      String(cpu.length),
      undisturbed(cpu).toFixed(3),
      ratioOf(cpu, first!.cpu).toFixed(3),
    ]),
  ];
}

/** Returns the ratio of what undisturbed rounds took. */
function ratioOf(cpu: readonly number[], reference: readonly number[]): number {
  return undisturbed(cpu) / undisturbed(reference);
}

/** Returns the mean of the cheaper half: others on the machine cost caches and so add, and never take away. */
function undisturbed(cpu: readonly number[]): number {
  const cheaper = cpu.toSorted((a, b) => a - b).slice(0, Math.ceil(cpu.length / 2));
  return cheaper.reduce((sum, seconds) => sum + seconds, 0) / cheaper.length;
}

async function start(
  { name, command, args, isWatched = false }: OverheadContender,
  root: string,
  collector: string,
): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const daemon = stack.use(
    await DaemonProcess.start({
      args: ["--root", root, ...args],
      ...(command ? { command } : {}),
      ...(isWatched ? { env: { WSDAEMON_TRACING_ENDPOINT: collector } } : {}),
    }),
  );
  const client = stack.use(new WorkspaceClient({ address: daemon.addresses[0]! }));
  if (isWatched) watch(stack, daemon, client);
  const resources = stack.move();
  return {
    name,
    root,
    daemon,
    client,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Scrapes the daemon's metrics and watches its operations until the stack is disposed of. */
function watch(stack: AsyncDisposableStack, daemon: DaemonProcess, client: WorkspaceClient): void {
  const metrics = /Metrics are on (\S+:\d+)/.exec(daemon.log)?.[1];
  if (metrics === undefined) throw new Error(`no metrics are served:\n${daemon.log}`);
  const timer = setInterval(
    () => void fetch(`http://${metrics}/metrics`).then((answer) => answer.text()),
    SCRAPE_INTERVAL,
  );
  const stop = new AbortController();
  const watching = follow(client, stop.signal);
  stack.defer(async () => {
    clearInterval(timer);
    stop.abort();
    await watching;
  });
}

async function follow(client: WorkspaceClient, signal: AbortSignal): Promise<void> {
  let revision = "";
  while (!signal.aborted) {
    try {
      const request = { revision, maxWait: { seconds: 1n } };
      ({ revision } = await client.operations.call("watchOperations", request, { signal }));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** Takes spans and forgets them. */
function startCollector(): AsyncDisposable & { url: string } {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      await request.arrayBuffer();
      return Response.json({});
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Makes a first backup of the tree. @returns seconds of processor time */
async function backUp(
  { root, daemon, client }: Running,
  tree: string,
  round: number,
): Promise<number> {
  const id = "overhead";
  await client.initWorkspace({
    id,
    metadata: { owner: "bench", metaId: `round${round}` },
    initializer: { spec: { case: "empty", value: {} } },
  });
  const place = join(root, "workspaces", id);
  await moveEntries(tree, place);
  const before = processorTime(daemon.pid);
  await client.backupWorkspace(id);
  const taken = processorTime(daemon.pid) - before;
  await moveEntries(place, tree);
  await client.disposeWorkspace({ id });
  return taken;
}
