import {
  type ChunkList,
  KIND,
  type LayerInfo,
  layersInUse,
  type StaleEntry,
} from "../../../image/mod.ts";
import type { MergedTree } from "./merged_tree.ts";

/** A table of layers, and stale entries by their numbers. */
interface NumberedLayers {
  readonly layers: readonly LayerInfo[];
  /** Ordered by path and layer. */
  readonly stale: readonly StaleEntry[];
}

/**
 * Gives layers new numbers, in the order of the manifest and without any that is unused, in the tree, too.
 * For an index that is written whole.
 */
export function compactLayers(tree: MergedTree, { layers, stale }: NumberedLayers): NumberedLayers {
  const compact = layersInUse(layers);
  const numbers = new Map(compact.map((layer, n) => [layers.indexOf(layer), n]));
  if (compact.length === layers.length && numbers.entries().every(([a, b]) => a === b)) {
    return { layers, stale };
  }
  tree.each((block, record) => {
    if (block.kind(record) !== KIND.file) return;
    if (block.isChunked(record)) {
      return placeChunks(block.chunks(record), (pack) => numbers.get(pack)!);
    }
    block.setLayer(record, numbers.get(block.layer(record))!, block.offset(record));
  });
  return {
    layers: compact,
    // The order of data layers stays, so that of the entries does, too.
    stale: stale.map(({ layer, path }) => ({ layer: numbers.get(layer)!, path })),
  };
}

/** Gives the packs of a list other numbers. */
export function placeChunks(list: ChunkList, numberOf: (pack: number) => number): void {
  for (let n = 0; n < list.count; n++) {
    const [pack, number] = [list.pack(n), numberOf(list.pack(n))];
    if (pack !== number) list.setPlace(n, { pack: number, offset: list.offset(n) });
  }
}
