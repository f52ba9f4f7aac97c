/** The processes that a daemon has started. */

import type { Node } from "./cluster.ts";

/** How long to wait for a daemon to run Git; milliseconds. */
const WAIT = 3_000;

/** Kills a Git that a node's daemon runs, as soon as there is one. Returns whether there was. */
export async function killGit(
  node: Node,
  over: AbortSignal,
  log: (line: string) => void,
): Promise<boolean> {
  const end = performance.now() + WAIT;
  while (performance.now() < end && !over.aborted) {
    const git = node.pid === undefined ? undefined : descendants(node.pid).find(isGit);
    if (git !== undefined && kill(git)) {
      log(`kill -9 of Git, process ${git} of ${node.root}`);
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  return false;
}

function kill(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGKILL");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Processes below one, the children of children first. */
function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [...descendants(child), child]);
}

function childrenOf(pid: number): number[] {
  try {
    const tasks = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
    return tasks.flatMap((task) => {
      const children = read(`/proc/${pid}/task/${task}/children`).trim();
      return children === "" ? [] : children.split(" ").map(Number);
    });
  } catch {
    // It has ended.
    return [];
  }
}

function isGit(pid: number): boolean {
  return read(`/proc/${pid}/comm`).startsWith("git");
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
