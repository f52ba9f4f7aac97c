import { compareBytes, WHITEOUT } from "../../../archive/mod.ts";
import { type Block, KIND, type StaleEntry } from "../../../image/mod.ts";
import { NAME_MAX, sameName, SLASH, splitLast } from "../../../linux/mod.ts";
import { kindIn, type MergedTree } from "./merged_tree.ts";

type Resolution =
  | { readonly kind: "overridden" }
  | { readonly kind: "in the way" }
  | { readonly kind: "removed"; readonly path: Uint8Array };

/** Orders dead paths, so that images of equal trees are equal. */
export function sortStale(dead: StaleEntry[]): StaleEntry[] {
  return dead.sort((a, b) => compareBytes(a.path, b.path) || a.layer - b.layer);
}

/** Layers that cannot be used again for a path of theirs. `dead` is ordered. */
export function conflictingLayers(tree: MergedTree, dead: readonly StaleEntry[]): Set<number> {
  const layers = new Set<number>();
  const fates = new StaleEntryResolution(tree);
  for (const { layer, path } of dead) {
    if (!layers.has(layer) && fates.of(path).kind === "in the way") layers.add(layer);
  }
  return layers;
}

/** The paths to remove before the tail's own entries; each once, ordered. `dead` is ordered. */
export function pathsToRemove(tree: MergedTree, dead: readonly StaleEntry[]): Uint8Array[] {
  const removed: Uint8Array[] = [];
  const fates = new StaleEntryResolution(tree);
  for (const { path } of dead) {
    const last = removed.at(-1);
    if (last && isAtOrBelow(path, last)) continue;
    const fate = fates.of(path);
    if (fate.kind === "removed") removed.push(fate.path);
  }
  return removed;
}

function isAtOrBelow(path: Uint8Array, top: Uint8Array): boolean {
  if (path.length < top.length || compareBytes(path.subarray(0, top.length), top) !== 0) {
    return false;
  }
  return path.length === top.length || path[top.length] === SLASH;
}

/** Looks up one path after the other; neighbours mostly are in one directory. */
class StaleEntryResolution {
  readonly #tree: MergedTree;
  #parent: Uint8Array | undefined;
  #block: Block | undefined;

  constructor(tree: MergedTree) {
    this.#tree = tree;
  }

  of(path: Uint8Array): Resolution {
    const { parent, name } = splitLast(path);
    if (!this.#parent || !sameName(parent, this.#parent)) {
      this.#parent = parent;
      this.#block = this.#tree.directory(parent);
    }
    if (this.#block && name.length + WHITEOUT.length <= NAME_MAX) {
      if (this.#tree.directory(path)) return { kind: "in the way" };
      const isThere = kindIn(this.#block, name) !== undefined;
      return isThere ? { kind: "overridden" } : { kind: "removed", path };
    }
    return resolve(this.#tree, path);
  }
}

function resolve(tree: MergedTree, path: Uint8Array): Resolution {
  for (let at = 0; at < path.length;) {
    const slash = path.indexOf(SLASH, at);
    const end = slash < 0 ? path.length : slash;
    const kind = tree.kindAt(path.subarray(0, end));
    if (kind !== KIND.directory) {
      if (kind !== undefined && end === path.length) return { kind: "overridden" };
      // A file is in a layer below the tail, where a whiteout would come too late.
      if (kind === KIND.file || end - at + WHITEOUT.length > NAME_MAX) {
        return { kind: "in the way" };
      }
      return { kind: "removed", path: path.subarray(0, end) };
    }
    at = end + 1;
  }
  return { kind: "in the way" };
}
