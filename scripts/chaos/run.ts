/** One chaos run: its world is made, lives for a while, and is looked at in the end. */

import { join } from "@std/path";
import type { DiskKind } from "../../tests/e2e/disk.ts";
import { audit, checkNothingLeft } from "./audit.ts";
import { ChaosClient } from "./client.ts";
import { Node } from "./cluster.ts";
import { runCollections, storeCommand } from "./collections.ts";
import { canLosePower, Disks } from "./disks.ts";
import { type FaultCounts, runFaults } from "./faults.ts";
import { Occasion, SharedLock } from "./shared_lock.ts";
import { Random } from "./random.ts";
import { FileServer, makeSources } from "./sources.ts";
import type { Sources } from "./starts.ts";
import { type ChaosStore, folderStore, s3Store } from "./store.ts";

const NODES = 2;
const CLIENTS = 4;

export interface RunOptions {
  seed: number;
  minutes: number;
  store: "fs" | "s3";
  fs: "dir" | DiskKind;
  /** The daemon; from source, with crash points, if absent. */
  binary?: string;
  /** Modules of the source, by their path in the project, and what stands for them. */
  replaced?: Readonly<Record<string, URL>>;
  /** Gives the run up: its daemons end, its disks are unmounted. */
  signal?: AbortSignal;
  /** A folder for everything, which stays. */
  folder: string;
  log(line: string): void;
}

/** What happened in a run, by name. */
export type Counts = ReadonlyMap<string, number>;

/** Everything that a run consists of. */
interface World {
  nodes: readonly Node[];
  clients: readonly ChaosClient[];
  store: ChaosStore;
  disks: Disks;
  server: FileServer;
  quiet: SharedLock;
  diskLock: SharedLock;
  answers: Occasion;
  over: AbortSignal;
}

/** @throws {Error} for anything that was promised and not kept; what the disks hold is copied then */
export async function runChaos(options: RunOptions): Promise<Counts> {
  await using stack = new AsyncDisposableStack();
  const plan = new Random(options.seed);
  const end = new AbortController();
  const world = await makeWorld(options, plan, stack, end.signal);
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  options.signal?.addEventListener("abort", () => {
    end.abort();
    reject(options.signal!.reason);
  });
  try {
    return await Promise.race([live(options, plan, world, end), interrupted]);
  } catch (error) {
    await Promise.allSettled(world.nodes.map((node) => node.stop()));
    try {
      await world.disks.keep(options.folder);
      await world.store.keep(options.folder);
    } catch (failure) {
      // The disks are without power, perhaps; the first failure is what is to be told.
      options.log(`not everything could be kept: ${failure}`);
    }
    throw error;
  }
}

async function live(
  options: RunOptions,
  plan: Random,
  world: World,
  end: AbortController,
): Promise<Counts> {
  const { nodes, clients, store, server } = world;
  const timer = setTimeout(() => end.abort(), options.minutes * 60_000);
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const faults: FaultCounts = new Map();
    const collections = collect(plan, options, world);
    const work = [
      ...clients.map((client) => client.run()),
      runFaults(faultsOf(options, plan, world), faults),
      collections,
    ];
    await untilOver(work, nodes, end);

    options.log("the run is over: everything is looked at");
    server.plan(undefined, 0);
    store.mend();
    await Promise.race([...nodes.map(({ failed }) => failed), conclude(world, options.log)]);
    return summary(world, faults, await collections);
  } finally {
    clearTimeout(timer);
  }
}

/** The first failure ends the run; the others still come to the end of what they are at. */
async function untilOver(
  work: readonly Promise<unknown>[],
  nodes: readonly Node[],
  end: AbortController,
): Promise<void> {
  for (const one of work) one.catch(() => end.abort());
  // A daemon that has gone for good leaves calls that wait for it.
  const results = await Promise.race([
    Promise.allSettled(work),
    ...nodes.map(({ failed }) => failed),
  ]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

async function conclude(world: World, log: (line: string) => void): Promise<void> {
  const { nodes, clients } = world;
  await Promise.all(nodes.map((node) => node.calm()));
  await audit(nodes, clients);
  await Promise.all(clients.map((client) => client.finish()));
  log("everything that was promised was restored");
  await storeCommand(nodes[0]!, ["verify"]);
  for (const node of nodes) await node.stop();
  for (const node of nodes) checkNothingLeft(node);
}

async function makeWorld(
  options: RunOptions,
  plan: Random,
  stack: AsyncDisposableStack,
  over: AbortSignal,
): Promise<World> {
  const { folder, fs, log } = options;
  // Git runs as the content's owner, and reads repositories in it.
  Deno.chmodSync(folder, 0o755);
  const disks = stack.use(new Disks(fs));
  const store = stack.use(await makeStore(options, disks));
  const server = stack.use(new FileServer(folder));
  const sources = { ...await makeSources(folder, plan.fork(), server), server };
  await store.addArchives(sources.archives);
  await disks.sync();
  const nodes = await makeNodes(options, plan, disks, store);
  const shared = {
    nodes,
    quiet: new SharedLock(),
    diskLock: new SharedLock(),
    answers: new Occasion(),
    over,
  };
  const clients = makeClients({ ...shared, sources, log }, plan);
  return { ...shared, clients, store, disks, server };
}

async function makeStore({ store, folder, log }: RunOptions, disks: Disks): Promise<ChaosStore> {
  if (store === "s3") return await s3Store(log);
  const place = join(folder, "store-disk");
  disks.add(place, "store");
  return folderStore(place);
}

async function makeNodes(
  { folder, binary, replaced, log }: RunOptions,
  plan: Random,
  disks: Disks,
  store: ChaosStore,
): Promise<Node[]> {
  const configFile = join(folder, "config.json");
  const config = {
    metrics: { listen: "off" },
    log: { level: "debug" },
    git: { protocols: ["file", "http"] },
    net: { allowLoopback: true },
    // More than one, so that one that is not the last is told from it.
    backup: { retain: 3 },
    storage: store.config,
    // Full disks are to be run into. (What was deleted may count as used for a while.)
    disk: { initPercent: 0 },
  };
  await Deno.writeTextFile(configFile, JSON.stringify(config));
  return Array.from({ length: NODES }, (_, n) => {
    const disk = join(folder, `disk-${n}`);
    disks.add(disk, "node");
    const own = join(folder, `node-${n}`);
    Deno.mkdirSync(own);
    return new Node({
      root: join(disk, "root"),
      configFile,
      folder: own,
      random: plan.fork(),
      log,
      ...(binary === undefined ? {} : { binary }),
      ...(replaced === undefined ? {} : { replaced }),
    });
  });
}

interface SharedWorld extends Pick<World, "nodes" | "quiet" | "diskLock" | "answers" | "over"> {
  sources: Sources;
  log(line: string): void;
}

function makeClients(shared: SharedWorld, plan: Random): ChaosClient[] {
  const { diskLock, ...others } = shared;
  return Array.from(
    { length: CLIENTS },
    (_, n) => new ChaosClient({ ...others, name: `c${n}`, disks: diskLock, random: plan.fork() }),
  );
}

function faultsOf({ fs, log }: RunOptions, plan: Random, world: World) {
  const { nodes, clients, store, disks, server, quiet, diskLock, answers, over } = world;
  return {
    random: plan.fork(),
    nodes,
    over,
    disks,
    diskLock,
    canFill: fs !== "dir",
    canLosePower: canLosePower(fs),
    server,
    answers,
    audit: () => quiet.exclusive(() => audit(nodes, clients)),
    log,
    ...(store.break ? { breakStore: store.break } : {}),
    ...(store.kill ? { killStore: store.kill } : {}),
  };
}

async function collect(plan: Random, { log }: RunOptions, world: World): Promise<number> {
  const { nodes, store, diskLock, over } = world;
  return await runCollections({
    random: plan.fork(),
    node: nodes[0]!,
    over,
    diskLock,
    flags: store.collectionFlags,
    allowed: store.collectionFailures,
    log,
  });
}

function summary(world: World, faults: FaultCounts, collections: number): Counts {
  const counts = new Map<string, number>();
  const add = (key: string, count: number) => {
    if (count > 0) counts.set(key, (counts.get(key) ?? 0) + count);
  };
  for (const { counts } of world.clients) for (const [key, count] of counts) add(key, count);
  for (const [fault, count] of faults) add(`fault: ${fault}`, count);
  add("collections that came to their end", collections);
  for (const { crashes, refusedStarts } of world.nodes) {
    add("fault: no room to start", refusedStarts);
    for (const [point, count] of crashes) {
      add(`fault: ${point.endsWith(".throw") ? "exception" : "kill"} at a crash point`, count);
    }
  }
  return counts;
}
