/** What befalls the nodes of a chaos run while their clients work. */

import { join } from "@std/path";
import { fillDisk } from "../../tests/e2e/disk.ts";
import type { Node } from "./cluster.ts";
import type { Disks } from "./disks.ts";
import type { Occasion, SharedLock } from "./shared_lock.ts";
import { killGit } from "./processes.ts";
import type { Random } from "./random.ts";
import type { FileServer, ServerFault } from "./sources.ts";

export interface FaultsOptions {
  random: Random;
  nodes: readonly Node[];
  over: AbortSignal;
  disks: Disks;
  /** Shared by whoever uses a disk. */
  diskLock: SharedLock;
  /** Whether the disks can be filled, and whether they can lose what was not synced. */
  canFill: boolean;
  canLosePower: boolean;
  server: FileServer;
  /** Each answer that promises something: what comes right after it must not undo that. */
  answers: Occasion;
  /** Breaks the way to the store, or ends its server, for a while; absent for the embedded store. */
  breakStore?: (random: Random) => Promise<void>;
  killStore?: () => Promise<void>;
  /** Looks at everything while the clients are at rest. */
  audit(): Promise<void>;
  log(line: string): void;
}

const FAULTS = {
  kill: 4,
  stop: 1,
  powerCut: 2,
  fill: 2,
  breakStore: 4,
  killStore: 1,
  breakSources: 2,
  killGit: 3,
  audit: 4,
} as const;

/** Faults that happened, by their names. */
export type FaultCounts = Map<keyof typeof FAULTS, number>;

/** Goes from fault to fault until the run is over. */
export async function runFaults(options: FaultsOptions, counts: FaultCounts): Promise<void> {
  const { random, over } = options;
  while (!over.aborted) {
    await pause(random.whole(50, 1_500), over);
    if (over.aborted) return;
    const fault = random.weighted(FAULTS);
    if (await inflict(fault, options)) counts.set(fault, (counts.get(fault) ?? 0) + 1);
  }
}

/** Returns whether there is such a fault in this run, and it happened. */
async function inflict(fault: keyof typeof FAULTS, options: FaultsOptions): Promise<boolean> {
  const { random, nodes, over, log, server } = options;
  const node = random.pick(nodes);
  switch (fault) {
    case "kill":
      if (random.next() < 0.7) await nextAnswer(options);
      log(`kill -9 of ${node.root}`);
      await node.restart("SIGKILL");
      return true;
    case "stop":
      log(`SIGTERM to ${node.root}`);
      await node.restart("SIGTERM");
      return true;
    case "powerCut":
      if (options.canLosePower) await cutPower(options);
      return options.canLosePower;
    case "fill":
      if (options.canFill) await fill(node, options);
      return options.canFill;
    case "breakStore":
      await options.breakStore?.(random);
      return options.breakStore !== undefined;
    case "killStore":
      await options.killStore?.();
      return options.killStore !== undefined;
    case "breakSources": {
      const kind = random.pick<ServerFault>(["refuse", "cut", "stall"]);
      log(`the server of files and repositories: ${kind}`);
      server.plan(kind, random.whole(1, kind === "stall" ? 2 : 6));
      return true;
    }
    case "killGit":
      return await killGit(node, over, log);
    case "audit":
      await options.audit();
      return true;
  }
}

/** Ends all daemons, and takes away what no disk had synced by then. */
async function cutPower(options: FaultsOptions): Promise<void> {
  const { nodes, disks, diskLock, log } = options;
  const down = nodes.reduceRight<() => Promise<void>>(
    (work, node) => () => node.whileDown("SIGKILL", work),
    async () => {
      await disks.cutPower();
      for (const node of nodes) node.powerCuts++;
    },
  );
  await diskLock.exclusive(async () => {
    await nextAnswer(options);
    log("the power is cut");
    await down();
    log("the power is back");
  });
}

/** Answers that promise something. */
const PROMISES = ["backup", "snapshot", "pending", "init", "dispose-with-backup", "dispose"];

/** Waits until a call of some kind is answered, where one is soon. */
async function nextAnswer({ random, answers, over }: FaultsOptions): Promise<void> {
  await Promise.race([answers.next(random.pick(PROMISES)), pause(2_000, over)]);
}

/** Fills the file system of a root for a while. */
async function fill(node: Node, { random, over, disks, log }: FaultsOptions): Promise<void> {
  const folder = join(node.root, "..", `filler-${crypto.randomUUID()}`);
  await Deno.mkdir(folder);
  log(`the disk of ${node.root} is full`);
  let restarted: Promise<void> | undefined;
  try {
    node.isFull = true;
    node.mayLackSpaceToStart = disks.kind === "btrfs";
    fillDisk(folder);
    if (random.next() < 0.3) restarted = node.restart("SIGKILL");
    await pause(random.whole(500, 4_000), over);
  } finally {
    await Deno.remove(folder, { recursive: true });
    log(`the disk of ${node.root} has room again`);
    // On btrfs, what was deleted is free once that is committed.
    await disks.sync();
    await restarted;
    node.mayLackSpaceToStart = false;
    node.isFull = false;
  }
}

/** Waits, less long where the run is over. */
export async function pause(milliseconds: number, over: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      over.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    over.addEventListener("abort", done, { once: true });
    if (over.aborted) done();
  });
}
