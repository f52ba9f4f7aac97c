/**
 * Chaos: `deno task chaos --seed S --minutes N [--store fs|s3] [--fs dir|ext4|xfs|btrfs] [--binary PATH]`.
 *
 * Several clients take workspaces through random lives on two real daemons that share a store, while
 * these are killed, stopped, run out of disk, lose their store and are collected beside. A model knows
 * what each acknowledged answer promised; in the end everything that was promised is restored and
 * compared, every digest is verified, and nothing may be left over. The plan of each client and of the
 * faults is a function of the seed; how they meet is the machine's. Exit 1, with the seed and where the
 * evidence is kept, for anything that was not kept.
 */

import { parseArgs } from "node:util";
import { join } from "@std/path";
import { type DiskKind, smallDisk } from "../tests/e2e/disk.ts";
import { FaultProxy } from "../tests/fixtures/fault_proxy.ts";
import { BUCKET, S3_KEYS, startS3 } from "../tests/fixtures/s3rver.ts";
import { ChaosClient } from "./chaos/client.ts";
import { type ClusterOptions, Node } from "./chaos/cluster.ts";
import { runFaults, storeCommand } from "./chaos/faults.ts";
import { Random } from "./chaos/random.ts";

const NODES = 2;
const CLIENTS = 4;
/** Of a disk that can be filled. */
const DISK_BYTES = 512 << 20;
/** Shorter than anything live is old, and longer than a backup takes here. */
const GRACE = "60s";

interface Options {
  seed: number;
  minutes: number;
  store: "fs" | "s3";
  fs: "dir" | DiskKind;
  binary?: string;
}

function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: String(crypto.getRandomValues(new Uint32Array(1))[0]) },
      minutes: { type: "string", default: "1" },
      store: { type: "string", default: "fs" },
      fs: { type: "string", default: "dir" },
      binary: { type: "string" },
    },
  });
  const seed = Number(values.seed);
  const minutes = Number(values.minutes);
  if (!Number.isSafeInteger(seed) || !(minutes > 0 && minutes <= 600)) {
    throw new TypeError("--seed must be a whole number, --minutes more than 0 and at most 600");
  }
  if (values.store !== "fs" && values.store !== "s3") {
    throw new TypeError(`--store must be fs or s3: current value is ${values.store}`);
  }
  if (!["dir", "ext4", "xfs", "btrfs"].includes(values.fs)) {
    throw new TypeError(`--fs must be dir, ext4, xfs or btrfs: current value is ${values.fs}`);
  }
  return {
    seed,
    minutes,
    store: values.store,
    fs: values.fs as Options["fs"],
    ...(values.binary === undefined ? {} : { binary: values.binary }),
  };
}

const encoder = new TextEncoder();

function say(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}

/** The run's trace, kept with the evidence. */
class Trace {
  readonly #file: Deno.FsFile;
  readonly #started = performance.now();

  constructor(readonly path: string) {
    this.#file = Deno.createSync(path);
  }

  readonly log = (line: string): void => {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(3);
    this.#file.writeSync(encoder.encode(`${seconds} ${line}\n`));
  };
}

async function run(options: Options, folder: string, trace: Trace): Promise<ChaosClient[]> {
  await using stack = new AsyncDisposableStack();
  const roots = Array.from({ length: NODES }, (_, n) => {
    const place = join(folder, `disk-${n}`);
    if (options.fs === "dir") Deno.mkdirSync(place);
    else stack.use(smallDisk(place, DISK_BYTES, options.fs));
    return join(place, "root");
  });
  const { config, breakStore } = await prepareStore(options, folder, stack, trace);
  const configFile = join(folder, "config.json");
  const settings = { metrics: { listen: "off" }, log: { level: "debug" }, ...config };
  await Deno.writeTextFile(configFile, JSON.stringify(settings));
  const cluster: ClusterOptions = {
    roots,
    configFile,
    log: trace.log,
    ...(options.binary === undefined ? {} : { command: [options.binary] as const }),
  };
  const nodes = roots.map((root) => new Node(root, cluster));
  await Promise.all(nodes.map((node) => node.start()));
  stack.defer(async () => void await Promise.allSettled(nodes.map((node) => node.stop())));

  const plan = new Random(options.seed);
  const end = new AbortController();
  const over = AbortSignal.any([AbortSignal.timeout(options.minutes * 60_000), end.signal]);
  const clients = Array.from({ length: CLIENTS }, (_, n) =>
    new ChaosClient({
      name: `c${n}`,
      random: plan.fork(),
      nodes,
      over,
      log: trace.log,
    }));
  const collect = () =>
    storeCommand(
      nodes[0]!,
      ["gc", "--grace", GRACE],
      /Another collection|--force|the disk is full|No space left|ENOSPC/,
      cluster.command,
    );
  const work = [
    ...clients.map((client) => client.run()),
    runFaults({
      random: plan.fork(),
      nodes,
      over,
      canFill: options.fs !== "dir",
      ...(breakStore ? { breakStore } : { collect }),
      log: trace.log,
    }),
  ];
  // The first failure ends the run; the others still come to the end of what they are at.
  for (const one of work) one.catch(() => end.abort());
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === "rejected") throw result.reason;

  trace.log("the run is over: everything is looked at");
  for (const client of clients) await client.finish();
  await storeCommand(nodes[0]!, ["verify"], undefined, cluster.command);
  for (const node of nodes) await node.stop();
  for (const node of nodes) checkNothingLeft(node);
  return clients;
}

async function prepareStore(
  options: Options,
  folder: string,
  stack: AsyncDisposableStack,
  trace: Trace,
) {
  if (options.store === "fs") {
    return { config: { storage: { kind: "fs", path: join(folder, "store") } } };
  }
  const server = stack.use(await startS3());
  const proxy = new FaultProxy({ hostname: server.host, port: server.port });
  stack.defer(() => proxy.close());
  const config = {
    storage: {
      kind: "s3",
      endpoint: proxy.endpoint,
      bucket: BUCKET,
      forcePathStyle: true,
      ...S3_KEYS,
    },
  };
  const breakStore = (random: Random) => {
    const kind = random.pick(["reset-before", "lose-answer", "cut-answer", "foreign"] as const);
    trace.log(`the way to the store: ${kind}`);
    proxy.plan({
      fault: kind === "foreign"
        ? { kind, status: random.pick([200, 404, 502]), body: "<html>Sign in</html>" }
        : { kind },
      on: /./,
      times: random.whole(1, 8),
    });
    return Promise.resolve();
  };
  return { config, breakStore };
}

/** After an orderly stop, with every workspace disposed of, a root holds nothing. */
function checkNothingLeft(node: Node): void {
  if (node.bugs.length > 0) throw new Error(`the daemon has found bugs: ${node.bugs.join("\n")}`);
  for (const area of ["workspaces", "tmp/staging", "tmp/trash", "tmp/spool", "state/baselines"]) {
    const left = [...Deno.readDirSync(join(node.root, area))].map(({ name }) => name);
    if (left.length > 0) throw new Error(`${area} of ${node.root} still has ${left.join(", ")}`);
  }
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  const { seed, minutes, store, fs } = options;
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-chaos-" });
  const trace = new Trace(`${folder}.trace`);
  say(`chaos: --seed ${seed} --minutes ${minutes} --store ${store} --fs ${fs}`);
  try {
    const clients = await run(options, folder, trace);
    const counts = new Map<string, number>();
    for (const client of clients) {
      for (const [key, count] of client.counts) counts.set(key, (counts.get(key) ?? 0) + count);
    }
    for (const [key, count] of [...counts].toSorted()) say(`  ${count} × ${key}`);
    say("chaos: everything that was promised was kept");
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(trace.path);
    return 0;
  } catch (error) {
    trace.log(`FAILED: ${error instanceof Error ? error.stack : error}`);
    say(`chaos: FAILED: ${error instanceof Error ? error.stack : error}`);
    say(`chaos: seed ${seed}; the trace is ${trace.path}, the nodes are in ${folder}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
