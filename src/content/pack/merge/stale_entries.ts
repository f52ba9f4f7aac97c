/**
 * Decides what becomes of stale entries: paths that a reused layer still has and that are not the
 * tree's any more. The metadata layer overrides or removes them; a layer for which it can do
 * neither is rewritten.
 */

import { compareBytes, WHITEOUT } from "../../../archive/mod.ts";
import { type Block, KIND, sortStale, type StaleEntry } from "../../../image/mod.ts";
import { NAME_MAX, sameName, SLASH, splitLast } from "../../../linux/mod.ts";
import { kindIn, type MergedTree } from "./merged_tree.ts";

type Resolution =
  /** A later layer has an entry at this path. */
  | { readonly kind: "overridden" }
  /** The layer with the stale entry cannot be reused. */
  | { readonly kind: "conflict" }
  /** A whiteout of `path`, which is the entry's or a parent's, removes it. */
  | { readonly kind: "removed"; readonly path: Uint8Array };

/** Returns the layers that cannot be reused because of a stale entry. @param stale sorted */
export function conflictingLayers(tree: MergedTree, stale: readonly StaleEntry[]): Set<number> {
  const layers = new Set<number>();
  const resolution = new StaleEntryResolution(tree);
  for (const { layer, path } of stale) {
    if (!layers.has(layer) && resolution.of(path).kind === "conflict") layers.add(layer);
  }
  return layers;
}

/** Returns the paths that need a whiteout; each once, sorted. @param stale sorted */
export function pathsToRemove(tree: MergedTree, stale: readonly StaleEntry[]): Uint8Array[] {
  const removed: Uint8Array[] = [];
  const resolution = new StaleEntryResolution(tree);
  for (const { path } of stale) {
    const last = removed.at(-1);
    if (last && isAtOrBelow(path, last)) continue;
    const resolved = resolution.of(path);
    if (resolved.kind === "removed") removed.push(resolved.path);
  }
  return removed;
}

/** Returns whether two lists of stale entries ask for the same whiteouts. @param a sorted, as `b` is */
export function haveSameWhiteouts(
  tree: MergedTree,
  a: readonly StaleEntry[],
  b: readonly StaleEntry[],
): boolean {
  return pathsToRemove(tree, sortStale([...onlyIn(a, b), ...onlyIn(b, a)])).length === 0;
}

/** Returns the entries of `a` whose paths `b` has not. */
function onlyIn(a: readonly StaleEntry[], b: readonly StaleEntry[]): StaleEntry[] {
  let at = 0;
  return a.filter(({ path }) => {
    let order = -1;
    while (at < b.length && (order = compareBytes(b[at]!.path, path)) < 0) at++;
    return order !== 0;
  });
}

function isAtOrBelow(path: Uint8Array, top: Uint8Array): boolean {
  if (path.length < top.length || compareBytes(path.subarray(0, top.length), top) !== 0) {
    return false;
  }
  return path.length === top.length || path[top.length] === SLASH;
}

/**
 * Resolves paths that come in ascending order, remembering the directory: neighbours mostly share
 * theirs.
 */
class StaleEntryResolution {
  readonly #tree: MergedTree;
  readonly #directoryAt: (path: Uint8Array) => Block | undefined;
  #parent: Uint8Array | undefined;
  #block: Block | undefined;

  constructor(tree: MergedTree) {
    this.#tree = tree;
    this.#directoryAt = tree.directoriesInOrder();
  }

  of(path: Uint8Array): Resolution {
    const { parent, name } = splitLast(path);
    if (!this.#parent || !sameName(parent, this.#parent)) {
      this.#parent = parent;
      this.#block = this.#tree.directory(parent);
    }
    if (this.#block && name.length + WHITEOUT.length <= NAME_MAX) {
      // Data layers have files below it, which cannot be applied over a file.
      if (this.#directoryAt(path)) return { kind: "conflict" };
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
      // A file is in a layer below the metadata layer, where a whiteout would come too late.
      if (kind === KIND.file || end - at + WHITEOUT.length > NAME_MAX) {
        return { kind: "conflict" };
      }
      return { kind: "removed", path: path.subarray(0, end) };
    }
    at = end + 1;
  }
  return { kind: "conflict" };
}
