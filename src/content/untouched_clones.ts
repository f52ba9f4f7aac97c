/** Spares clones of bases syncs: what is durable already need not become so. */

import type { OperationName } from "./protocol.ts";
import type { Tree } from "./tree.ts";

/** Operations that change nothing in the trees that they name. All others may. */
const READING: ReadonlySet<OperationName> = new Set<OperationName>([
  "cloneBase",
  "exists",
  "hashFile",
  "inspectPaths",
  "limitTree",
  "list",
  "publish",
  "readLink",
  "usage",
]);

/** The parts of requests that name trees. */
interface NamingTrees {
  readonly tree?: Tree;
  readonly from?: { readonly tree?: Tree };
  readonly to?: { readonly tree?: Tree };
}

/** Knows the staging trees that are clones of bases and that nobody was asked to change since. */
export class UntouchedClones {
  readonly #trees = new Set<string>();
  readonly #baselines = new Set<string>();

  /** Adds a clone, and its uncommitted baseline if there is one. */
  add({ name }: Tree, baseline: string | undefined): void {
    this.#trees.add(name);
    if (baseline !== undefined) this.#baselines.add(baseline);
  }

  /** Forgets the trees that a request may change. To be called before it is sent. */
  observe(operation: OperationName, request: unknown): void {
    if (READING.has(operation) || this.#trees.size === 0) return;
    const { tree, from, to } = request as NamingTrees;
    for (const named of [tree, from?.tree, to?.tree]) if (named) this.#trees.delete(named.name);
  }

  /** Returns whether all of a tree is as it was cloned, and forgets it. */
  take({ name }: Tree): boolean {
    return this.#trees.delete(name);
  }

  /** Returns whether a baseline is that of a clone, and forgets it. */
  takeBaseline(token: string): boolean {
    return this.#baselines.delete(token);
  }
}
