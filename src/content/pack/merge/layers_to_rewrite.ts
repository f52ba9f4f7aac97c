import {
  type Block,
  type LayerInfo,
  type StaleEntry,
  TEMPORARY_LAYER,
} from "../../../image/mod.ts";
import type { RetainedTree } from "../revisit/retained_tree.ts";
import { ENTRY_OVERHEAD, type SealedLayer } from "../write/layer_writer.ts";
import { DisplacedContent, type EachFile } from "./displaced_content.ts";
import type { MergedTree } from "./merged_tree.ts";
import type { ReusedFiles } from "./reused_files.ts";
import { chooseRewrites, type LayerUse, PACKS } from "./rewrite_policy.ts";
import { conflictingLayers } from "./stale_entries.ts";

/** The options of {@link layersToRewrite}. */
export interface LayersToRewriteOptions {
  /** The layers of the baseline; none where there is no baseline. */
  readonly table: readonly LayerInfo[];
  /** Which of them may be reused, by number. */
  readonly reusable: readonly boolean[];
  readonly tree: MergedTree;
  readonly files: ReusedFiles;
  readonly retained: Pick<RetainedTree, "plain" | "plainBytes">;
  /** The stale entries of all layers. */
  readonly stale: readonly StaleEntry[];
  /** Layers that this pack has sealed. */
  readonly sealed: readonly SealedLayer[];
  /** Uncompressed bytes of the layer that is open. */
  readonly openBytes: number;
}

/** Returns the layers and packs of the baseline that are not worth reusing, or cannot be, by number. */
export function layersToRewrite(options: LayersToRewriteOptions): Set<number> {
  const { table, reusable, tree, stale, sealed, openBytes } = options;
  if (table.length === 0) return new Set();
  const live = liveBytes(options);
  const data = sealed.filter(({ isChunks }) => !isChunks);
  const bytes = data.reduce((sum, { rawSize }) => sum + rawSize, openBytes);
  const uses = usesOf(table, reusable, live, false);
  const rewritten = chooseRewrites(uses, { layers: data.length, bytes });
  for (const pack of packsToRewrite(options)) rewritten.add(pack);
  const kept = stale.filter(({ layer }) => layer < TEMPORARY_LAYER.first && !rewritten.has(layer));
  for (const layer of conflictingLayers(tree, kept)) rewritten.add(layer);
  return rewritten;
}

/** Returns how many bytes of each layer are live. */
function liveBytes(
  { table, files, retained: { plain, plainBytes } }: LayersToRewriteOptions,
): Float64Array {
  const others: EachFile = (visit) => files.each(visit, plain);
  const displaced = new DisplacedContent(others);
  // A place that a displaced entry has may be that of any other one.
  const isEachOnce = displaced.isEmpty && plain.size > 0;
  const all: EachFile = (visit) => files.each(visit);
  const live = isEachOnce ? plainBytes.slice() : new Float64Array(table.length);
  displaced.eachPlace(isEachOnce ? others : all, (block: Block, record: number) => {
    live[block.layer(record)]! += block.stored(record) + ENTRY_OVERHEAD;
  });
  return live;
}

/** Returns the chunk packs that are not worth reusing. */
function packsToRewrite(
  { table, reusable, files, sealed }: LayersToRewriteOptions,
): Set<number> {
  const live = new Float64Array(table.length);
  files.eachChunked((list) => {
    for (let n = 0; n < list.count; n++) {
      const pack = list.pack(n);
      if (pack < live.length) live[pack]! += list.length(n);
    }
  });
  const fresh = sealed.filter(({ isChunks }) => isChunks);
  const bytes = fresh.reduce((sum, { rawSize }) => sum + rawSize, 0);
  // A chunk that several files have is counted as often: then the pack is worth keeping, too.
  const uses = usesOf(table, reusable, live, true);
  return chooseRewrites(uses, { layers: fresh.length, bytes }, PACKS);
}

/** Returns the uses of all reusable layers, or of all reusable chunk packs. */
function usesOf(
  table: readonly LayerInfo[],
  reusable: readonly boolean[],
  live: Float64Array,
  ofPacks: boolean,
): LayerUse[] {
  const uses: LayerUse[] = [];
  table.forEach(({ isChunks, rawSize }, layer) => {
    if (!reusable[layer] || Boolean(isChunks) !== ofPacks) return;
    uses.push({ layer, rawSize, liveBytes: Math.min(live[layer]!, rawSize) });
  });
  return uses;
}
