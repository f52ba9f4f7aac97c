/** Collects the garbage of a chaos run's store beside everything else. */

import type { Node } from "./cluster.ts";
import { pause } from "./faults.ts";
import type { SharedLock } from "./shared_lock.ts";
import type { Random } from "./random.ts";

export interface CollectionsOptions {
  random: Random;
  node: Node;
  over: AbortSignal;
  /** Shared by whoever uses a disk. */
  diskLock: SharedLock;
  /** Flags of `store gc`. */
  flags: readonly string[];
  /** What it may say when it fails. */
  allowed: RegExp;
  log(line: string): void;
}

/** Collects again and again until the run is over. Returns how often that came to its end. */
export async function runCollections(options: CollectionsOptions): Promise<number> {
  const { random, node, over, diskLock, log } = options;
  let finished = 0;
  while (!over.aborted) {
    await pause(random.whole(2_000, 10_000), over);
    if (over.aborted) break;
    const killAfter = random.next() < 0.3 ? random.whole(300, 3_000) : undefined;
    const said = await diskLock.shared(() =>
      storeCommand(node, ["gc", ...options.flags], options.allowed, killAfter)
    );
    if (said !== undefined) finished++;
    log(`store gc: ${said ?? "killed or refused"}`);
  }
  return finished;
}

/**
 * Runs a store command on a node's config. Returns what it says, if it succeeds.
 * @param killAfter ends it after so many milliseconds
 * @throws {Error} with what it said where it fails otherwise than `allowed`
 */
export async function storeCommand(
  node: Node,
  args: readonly string[],
  allowed?: RegExp,
  killAfter?: number,
): Promise<string | undefined> {
  const [program, ...before] = node.command;
  const child = new Deno.Command(program, {
    args: [...before, "store", ...args, "--config", node.configFile, "--root", node.root],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = killAfter === undefined ? undefined : setTimeout(() => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }, killAfter);
  const { success, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout).trim();
  const said = decoder.decode(stderr) + decoder.decode(stdout);
  if (signal === "SIGKILL" && killAfter !== undefined) return undefined;
  if (!allowed?.test(said)) throw new Error(`store ${args.join(" ")}: ${said}`);
  return undefined;
}
