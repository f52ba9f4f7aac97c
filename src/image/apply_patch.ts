/** Applies a patch to the tree file below it. */

import { binaryString, compareBytes } from "../archive/mod.ts";
import { Block, Memory } from "./block.ts";
import type { ChunkList } from "./chunk_list.ts";
import { KIND, RECORD } from "./layout.ts";
import type { ParsedTree } from "./parse_tree.ts";
import {
  blocksAt,
  encodeHeader,
  encodeStale,
  type LayerInfo,
  REMOVED_DIRECTORY,
  type StaleEntry,
  treeFileSize,
} from "./tree_file.ts";

/**
 * Returns what a patch makes of a whole tree.
 * @throws {RangeError} where the patch does not fit the tree
 */
export function applyPatch(tree: ParsedTree, patch: ParsedTree): ParsedTree {
  const { layers } = patch.header;
  checkTable(tree.header.layers, layers);
  const removed = new Removals(patch.removals);
  const stale = mergeStale(
    tree.stale.filter((entry) => isInUse(layers, entry.layer) && !removed.takeStale(entry)),
    patch.stale,
  );
  const blocks = mergeBlocks(
    tree.blocks.filter(({ path }) => !removed.takeDirectory(path)),
    patch.blocks,
  );
  removed.checkEmpty();
  const header = {
    layers,
    blocks: blocks.length,
    blockBytes: blocks.reduce((sum, { length }) => sum + length, 0),
    stale: stale.length,
    staleBytes: encodeStale(stale).length,
  };
  return { header, blocks, stale, removals: [] };
}

/** Returns a whole tree in memory of its own that Workers can share, in the form of a tree file. */
export function gatherTree({ header, blocks, stale }: ParsedTree): ParsedTree & { memory: Memory } {
  const memory = new Memory(new SharedArrayBuffer(treeFileSize(header)));
  memory.bytes.set(encodeHeader(header));
  let at = blocksAt(header);
  const gathered = blocks.map((block) => {
    memory.bytes.set(block.bytes, at);
    const copy = new Block(memory, at);
    at += block.length;
    return copy;
  });
  memory.bytes.set(encodeStale(stale), at);
  return { memory, header, blocks: gathered, stale, removals: [] };
}

/**
 * Checks that no file is in a layer that is no longer in use: those that patches have taken over were only
 * checked against an older table.
 * @throws {RangeError}
 */
export function checkLayersOfFiles({ header: { layers }, blocks }: ParsedTree): void {
  if (layers.every(({ isUnused }) => !isUnused)) return;
  for (const block of blocks) {
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      if (block.kind(record) !== KIND.file) continue;
      const isThere = block.isChunked(record)
        ? everyPack(block.chunks(record), (pack) => isInUse(layers, pack))
        : isInUse(layers, block.layer(record));
      if (!isThere) throw new RangeError("a file is in a layer that the image no longer has");
    }
  }
}

function isInUse(layers: readonly LayerInfo[], layer: number): boolean {
  return layers[layer] !== undefined && !layers[layer].isUnused;
}

function everyPack(list: ChunkList, test: (pack: number) => boolean): boolean {
  for (let n = 0; n < list.count; n++) if (!test(list.pack(n))) return false;
  return true;
}

/** Checks that every layer has kept its number. @throws {RangeError} */
function checkTable(before: readonly LayerInfo[], now: readonly LayerInfo[]): void {
  const isKept = before.every((layer, n) =>
    now[n]?.isUnused || now[n]?.digest === layer.digest &&
      now[n].isMetadata === layer.isMetadata && now[n].isChunks === layer.isChunks
  );
  if (!isKept) throw new RangeError("its layers have other numbers than in the index below it");
}

/** What a patch removes; each is to be taken once. */
class Removals {
  readonly #directories = new Set<string>();
  readonly #stale = new Set<string>();

  constructor(removals: readonly StaleEntry[]) {
    for (const entry of removals) {
      if (entry.layer === REMOVED_DIRECTORY) this.#directories.add(binaryString(entry.path));
      else this.#stale.add(keyOf(entry));
    }
  }

  takeDirectory(path: Uint8Array): boolean {
    return this.#directories.size > 0 && this.#directories.delete(binaryString(path));
  }

  takeStale(entry: StaleEntry): boolean {
    return this.#stale.size > 0 && this.#stale.delete(keyOf(entry));
  }

  /** @throws {RangeError} where something was to be removed that is not there */
  checkEmpty(): void {
    if (this.#directories.size + this.#stale.size === 0) return;
    throw new RangeError("it removes what the index below it does not have");
  }
}

function keyOf({ layer, path }: StaleEntry): string {
  return `${layer}/${binaryString(path)}`;
}

/** Merges two lists that are ordered by path; of two blocks with one path, `over` is taken. */
function mergeBlocks(under: readonly Block[], over: readonly Block[]): Block[] {
  const merged: Block[] = [];
  let at = 0;
  for (const block of over) {
    const { path } = block;
    let order = -1;
    while (at < under.length && (order = compareBytes(under[at]!.path, path)) < 0) {
      merged.push(under[at++]!);
    }
    if (order === 0) at++;
    merged.push(block);
  }
  return [...merged, ...under.slice(at)];
}

function mergeStale(a: readonly StaleEntry[], b: readonly StaleEntry[]): StaleEntry[] {
  return b.length === 0 ? [...a] : sortStale([...a, ...b]);
}

/** Sorts stale entries by path and layer, in place, so that images of equal trees are equal. */
export function sortStale(stale: StaleEntry[]): StaleEntry[] {
  return stale.sort((a, b) => compareBytes(a.path, b.path) || a.layer - b.layer);
}
