/** Looks at what is on the nodes' disks while nothing is under way. */

import { join } from "@std/path";
import type { Node } from "./cluster.ts";
import { BrokenPromise } from "./model.ts";

/** Who knows which workspaces there have to be. */
export interface Knowing {
  workspacesOn(node: number): string[];
}

/** Milliseconds for what goes on after the last answer: deletion, and what a killed daemon left. */
const PATIENCE = 30_000;

/**
 * Holds each node to what its clients know of: no other workspace is visible, none is missing, and no
 * tree is left half-made or half-deleted. No client may be at anything.
 */
export async function audit(
  nodes: readonly Node[],
  clients: readonly Knowing[],
): Promise<void> {
  for (const [at, node] of nodes.entries()) {
    const known = clients.flatMap((client) => client.workspacesOn(at)).toSorted();
    await eventually(node, () => difference(namesIn(node, "workspaces"), known, "workspaces"));
    for (const area of ["tmp/staging", "tmp/trash"]) {
      await eventually(node, () => difference(namesIn(node, area), [], area));
    }
    await eventually(node, () => difference(halfMadeBases(node), [], "bases"));
  }
}

/** What is in the folder of bases and is neither a base nor a file of one. */
function halfMadeBases(node: Node): string[] {
  const names = namesIn(node, "bases");
  return names.filter((name) => {
    const [, id] = /^([0-9a-f]{64})(?:\.json|\.baseline)?$/.exec(name) ?? [];
    return id === undefined || !names.includes(id) || !names.includes(`${id}.json`);
  });
}

/**
 * Holds a node to an init that failed: nothing of it is left, in sight or out of it. Whether that was so
 * nobody can tell any more once the node was killed; and a full disk, or an operation that was told
 * to fail, may keep it from clearing up at once.
 */
export async function checkNothingLeftOf(id: string, node: Node): Promise<void> {
  const { kills, toldToFail } = node;
  const isHindered = () => node.isFull || node.kills > kills || node.toldToFail > toldToFail;
  const end = performance.now() + PATIENCE;
  while (!isHindered()) {
    const left = ["workspaces", "tmp/staging", "tmp/trash"].flatMap((area) =>
      namesIn(node, area)
        .filter((name) => name === id || name.startsWith(`${id}~`))
        .map((name) => `${area}/${name}`)
    );
    if (left.length === 0) return;
    if (performance.now() > end) {
      throw new BrokenPromise(`an init failed and left ${left.join(", ")} in ${node.root}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** After an orderly stop, with every workspace disposed of, a root holds nothing. */
export function checkNothingLeft(node: Node): void {
  if (node.bugs.length > 0) throw new Error(`the daemon has found bugs: ${node.bugs.join("\n")}`);
  for (const area of ["workspaces", "tmp/staging", "tmp/trash", "tmp/spool", "state/baselines"]) {
    const problem = difference(namesIn(node, area), [], area);
    if (problem) throw new BrokenPromise(`${node.root}: ${problem}`);
  }
}

function namesIn(node: Node, area: string): string[] {
  return [...Deno.readDirSync(join(node.root, area))].map(({ name }) => name).toSorted();
}

function difference(
  found: readonly string[],
  expected: readonly string[],
  area: string,
): string | undefined {
  const extra = found.filter((name) => !expected.includes(name));
  const missing = expected.filter((name) => !found.includes(name));
  if (extra.length + missing.length === 0) return undefined;
  return `${area} has ${extra.join(", ") || "nothing"} too much, and lacks ` +
    (missing.join(", ") || "nothing");
}

async function eventually(node: Node, look: () => string | undefined): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (true) {
    await node.client();
    const problem = look();
    if (problem === undefined) return;
    if (performance.now() > end) throw new BrokenPromise(`${node.root}: ${problem}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
