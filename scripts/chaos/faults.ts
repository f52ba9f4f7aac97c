/** What befalls the nodes of a chaos run while their clients work. */

import { join } from "@std/path";
import { fillDisk } from "../../tests/e2e/disk.ts";
import { FROM_SOURCE } from "../daemon_process.ts";
import type { Node } from "./cluster.ts";
import type { Random } from "./random.ts";

export interface FaultsOptions {
  random: Random;
  nodes: readonly Node[];
  over: AbortSignal;
  /** Whether each root is a small file system of its own, which can be filled. */
  canFill: boolean;
  /** Breaks the way to the store for a while; absent for the embedded store. */
  breakStore?: (random: Random) => Promise<void>;
  /** Collects; absent where the store asks for a grace longer than a run. */
  collect?: () => Promise<void>;
  log(line: string): void;
}

const FAULTS = { kill: 6, stop: 2, fill: 2, breakStore: 4, collect: 3 } as const;

/** Goes from fault to fault until the run is over. */
export async function runFaults(options: FaultsOptions): Promise<void> {
  const { random, nodes, over, log } = options;
  while (!over.aborted) {
    await pause(random.whole(50, 4_000), over);
    if (over.aborted) return;
    const node = random.pick(nodes);
    switch (random.weighted(FAULTS)) {
      case "kill":
        log(`kill -9 of ${node.root}`);
        await node.restart("SIGKILL");
        break;
      case "stop":
        log(`SIGTERM to ${node.root}`);
        await node.restart("SIGTERM");
        break;
      case "fill":
        if (options.canFill) await fill(node, random, over, log);
        break;
      case "breakStore":
        await options.breakStore?.(random);
        break;
      case "collect":
        await options.collect?.();
    }
  }
}

/** Fills the file system of a root for a while. */
async function fill(
  node: Node,
  random: Random,
  over: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  const folder = join(node.root, "..", `filler-${crypto.randomUUID()}`);
  await Deno.mkdir(folder);
  log(`the disk of ${node.root} is full`);
  try {
    fillDisk(folder);
    if (random.next() < 0.3) await node.restart("SIGKILL");
    await pause(random.whole(500, 4_000), over);
  } finally {
    await Deno.remove(folder, { recursive: true });
    log(`the disk of ${node.root} has room again`);
  }
}

/** Runs a store command on a node's config. @throws {Error} with what it said where it fails */
export async function storeCommand(
  node: Node,
  args: readonly string[],
  allowed: RegExp | undefined,
  command: readonly [string, ...string[]] = FROM_SOURCE,
): Promise<void> {
  const [program, ...before] = command;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...before, "store", ...args, "--config", node.configFile, "--root", node.root],
    env: { NO_COLOR: "1" },
  }).output();
  if (success) return;
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  if (!allowed?.test(said)) throw new Error(`store ${args.join(" ")}: ${said}`);
}

async function pause(milliseconds: number, over: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      over.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    over.addEventListener("abort", done, { once: true });
  });
}
