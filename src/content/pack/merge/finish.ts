/** Ends a pack: merges what the parts made into one image. `Finish.run` is the outline. */

import {
  blocksOf,
  decodeStale,
  type IndexChain,
  KIND,
  type LayerInfo,
  layersInUse,
  sortStale,
  type StaleEntry,
} from "../../../image/mod.ts";
import { type Directory, isSameBtrfs, joinPath, nameDevices } from "../../../linux/mod.ts";
import { Abilities } from "../../abilities.ts";
import { type OpenAreas, openTree } from "../../areas.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import { withContainerIds } from "../../id_map.ts";
import type { OperationContext } from "../../operation.ts";
import { parseState, type SubvolumeState } from "../../volume/tree_state.ts";
import { Excludes } from "../exclude/excludes.ts";
import { type OpenBaseline, openBaseline } from "../open_baseline.ts";
import type { PackJob, PartEvent, PartResult } from "../pack_job.ts";
import { PartStats, type PartTotals } from "../part_stats.ts";
import { RestoreRights } from "../restore_rights.ts";
import { NOTHING_RETAINED, type RetainedTree, retainedTree } from "../revisit/retained_tree.ts";
import { PreviousTree, reusableLayers } from "../scan/previous_tree.ts";
import { SharedPackState } from "../shared_state.ts";
import { syncDirtyPages } from "../sync_pages.ts";
import type { ChunkPackWriter } from "../write/chunk_pack_writer.ts";
import type { FileChunker } from "../write/file_chunker.ts";
import { FilePacker } from "../write/file_packer.ts";
import type { LayerWriter, SealedLayer } from "../write/layer_writer.ts";
import { openChunker } from "../write/open_chunker.ts";
import { openPartLayers, openPartPacks } from "../write/part_layers.ts";
import { compactLayers, placeChunks } from "./compact_layers.ts";
import { HardLinks } from "./hard_links.ts";
import { placeLargeFiles } from "./large_files.ts";
import { layersToRewrite } from "./layers_to_rewrite.ts";
import { EntrySet, MergedTree } from "./merged_tree.ts";
import { writeMetadataLayer } from "./metadata_layer.ts";
import { type MovedRemainder, type NewLayer, numberLayers } from "./number_layers.ts";
import { packMissing } from "./pack_missing.ts";
import { packsInUse } from "./packs_in_use.ts";
import { Repacker } from "./repacker.ts";
import { rescan } from "./rescan.ts";
import { ReusedFiles } from "./reused_files.ts";
import { hasSameMetadata } from "./same_metadata.ts";
import { pathsToRemove } from "./stale_entries.ts";
import { mayPatch, treeDifferences } from "./tree_differences.ts";
import { type TreeBefore, writeTreeFiles } from "./write_tree_files.ts";

/** The request to end a pack. */
export interface FinishRequest {
  readonly job: PackJob;
  readonly parts: readonly PartResult[];
  /** Layers that the parts have sealed. */
  readonly sealed: readonly SealedLayer[];
}

/** The image, as the Worker that merged it describes it. */
export interface FinishResult {
  /** All layers of the image, lowest first. */
  readonly layers: LayerInfo[];
  readonly index: IndexChain;
  readonly isNative: boolean;
  readonly newBaseline: string;
  /** What the merge itself read and counted. */
  readonly totals: PartTotals;
}

/**
 * Merges the parts of a pack into an image.
 * @throws {DaemonError} ABORTED.
 * @throws {SystemError}
 */
export function packFinish(
  areas: OpenAreas,
  request: FinishRequest,
  context: OperationContext<PartEvent>,
): FinishResult {
  const { job } = request;
  using _names = nameDevices(job.devices);
  using _owners = withContainerIds();
  using top = openTree(areas, job.tree);
  using before = openBaseline(areas, job);
  const sealed = [...request.sealed];
  const ownContext: OperationContext<PartEvent> = {
    ...context,
    emit: (event) => {
      if (event.kind === "layer") sealed.push(event.layer);
      context.emit(event);
    },
  };
  using layers = openPartLayers(areas, job, job.parts, ownContext);
  using packs = openPartPacks(areas, job, job.parts, ownContext);
  const writers = { layers, packs, sealed };
  return new Finish({ areas, top, before, request, context, ...writers }).run();
}

interface FinishOptions {
  readonly areas: OpenAreas;
  readonly top: Directory;
  readonly before: OpenBaseline | undefined;
  readonly request: FinishRequest;
  readonly context: OperationContext<PartEvent>;
  readonly layers: LayerWriter;
  readonly packs: ChunkPackWriter;
  /** Grows as layers are sealed. */
  readonly sealed: SealedLayer[];
}

class Finish {
  readonly #options: FinishOptions;
  readonly #baseline: BaselineReader | undefined;
  readonly #shared: SharedPackState;
  readonly #tree: MergedTree;
  readonly #packer: FilePacker;
  readonly #chunker: FileChunker;
  readonly #stats = new PartStats();
  /** Which layers of the baseline may be reused, by number. */
  readonly #reusable: readonly boolean[];
  /** What is known of the directories that are the baseline's. */
  readonly #retained: Omit<RetainedTree, "blocks">;
  /** The stale entries of the baseline. */
  readonly #staleBefore: readonly StaleEntry[];
  readonly #moved = new Map<number, MovedRemainder>();

  constructor(options: FinishOptions) {
    this.#options = options;
    const { request: { job, parts }, context } = options;
    const baseline = this.#baseline = options.before?.reader;
    this.#shared = new SharedPackState(job.shared, job.parts);
    this.#chunker = openChunker(job, options.packs, options.before);
    this.#packer = new FilePacker(options.layers, {
      chunker: this.#chunker,
      syncedAt: job.syncedAt,
      resync: () => job.isFrozen ? job.syncedAt : syncDirtyPages(options.top),
      tick: () => context.throwIfCancelled(),
    });
    const { blocks, ...retained } = this.#findRetained();
    this.#retained = retained;
    this.#tree = new MergedTree([...blocks, ...parts.flatMap((part) => blocksOf(part.arena))]);
    this.#reusable = baseline ? reusableLayers(baseline, new Set(job.reuse)) : [];
    this.#staleBefore = baseline?.stale() ?? [];
  }

  run(): FinishResult {
    this.#rescan();
    this.#placeLargeFiles();
    const links = new HardLinks(this.#tree, this.#retained.plain);
    const duplicates = new EntrySet(links.duplicates());
    const stale = this.#staleEntries(links);
    this.#appendRemainders();
    const rewritten = this.#packMissing(links, duplicates, stale);
    links.resolve();
    this.#tree.apply();
    this.#options.layers.seal();
    this.#options.packs.seal();
    return this.#write(rewritten, stale.filter(({ layer }) => !rewritten.has(layer)));
  }

  #placeLargeFiles(): void {
    using repacker = this.#openRepacker();
    placeLargeFiles(
      this.#tree,
      this.#options.request.parts.map((part) => part.largeFiles),
      { pack: (entry) => void repacker.pack(entry), without: this.#retained.plain },
    );
  }

  /** Returns the directories of the baseline that no part has looked at and that are as they were. */
  #findRetained(): RetainedTree {
    const { areas, request: { job: { revisit } } } = this.#options;
    const baseline = this.#baseline;
    if (!revisit || !baseline) return NOTHING_RETAINED;
    return retainedTree(revisit, {
      baseline,
      visited: this.#shared,
      stats: this.#stats,
      rights: new RestoreRights(new Abilities(areas.staging), this.#stats),
    });
  }

  #rescan(): void {
    const { areas, top, context, request: { job, parts } } = this.#options;
    rescan({
      excludes: job.excludes && new Excludes(job.excludes),
      top,
      tree: this.#tree,
      packer: this.#packer,
      claims: this.#shared,
      stats: this.#stats,
      rights: new RestoreRights(new Abilities(areas.staging), this.#stats),
      tick: () => context.throwIfCancelled(),
    }, parts.flatMap((part) => part.changed));
  }

  /** Returns the stale entries of all layers, by the numbers that layers have while packing. */
  #staleEntries(links: HardLinks): StaleEntry[] {
    const { request: { job, parts } } = this.#options;
    const baseline = this.#baseline;
    const stale = parts.flatMap((part) => decodeStale(part.stale.bytes, part.stale.count));
    if (baseline) {
      for (const entry of this.#staleBefore) if (this.#reusable[entry.layer]) stale.push(entry);
      const previous = new PreviousTree(baseline, this.#shared, new Set(job.reuse));
      previous.markUnvisitedStale();
      for (const entry of previous.stale) stale.push(entry);
    }
    for (const entry of links.duplicates()) {
      const block = this.#tree.blocks[entry.directory]!;
      if (block.isChunked(entry.record) || block.isDisplaced(entry.record)) continue;
      stale.push({
        layer: block.layer(entry.record),
        path: joinPath(block.path, block.name(entry.record)),
      });
    }
    return sortStale(stale);
  }

  /** Begins this Worker's first layer with the parts' last ones, those too small to be sealed. */
  #appendRemainders(): void {
    const { layers, request } = this.#options;
    for (const { remainder } of request.parts) {
      if (!remainder) continue;
      const shift = layers.append(remainder);
      this.#moved.set(remainder.temporary, { into: layers.layer, shift });
    }
  }

  /**
   * Packs what has no place in the image yet.
   * @returns the layers of the baseline that are not reused
   */
  #packMissing(
    links: HardLinks,
    duplicates: EntrySet,
    stale: readonly StaleEntry[],
  ): ReadonlySet<number> {
    const { layers, sealed } = this.#options;
    const tree = this.#tree;
    const { plain } = this.#retained;
    const files = new ReusedFiles({ tree, plain, duplicates });
    const rewritten = layersToRewrite({
      ...{ tree, files, stale, sealed },
      table: this.#baseline?.header.layers ?? [],
      reusable: this.#reusable,
      retained: this.#retained,
      openBytes: layers.position,
    });
    this.#chunker.avoid(rewritten);
    using repacker = this.#openRepacker();
    packMissing(repacker, { tree, links, files, rewritten, plain, duplicates });
    return rewritten;
  }

  #openRepacker(): Repacker {
    const { top, context } = this.#options;
    return new Repacker({
      top,
      tree: this.#tree,
      packer: this.#packer,
      chunker: this.#chunker,
      stats: this.#stats,
      tick: () => context.throwIfCancelled(),
    });
  }

  /** Returns the metadata layer, written anew unless the baseline's image has the same. */
  #metadataLayer(stale: readonly StaleEntry[]): NewLayer {
    const { layers, sealed, request: { job } } = this.#options;
    const baseline = this.#baseline;
    const last = baseline?.header.layers.find(({ isMetadata }) => isMetadata);
    const [tree, retained, staleBefore] = [this.#tree, this.#retained.untouched, this.#staleBefore];
    if (baseline && last && job.reuse.includes(last.digest)) {
      if (hasSameMetadata(baseline, { tree, retained, stale, staleBefore })) return last;
    }
    writeMetadataLayer(layers, tree, pathsToRemove(tree, stale));
    layers.seal();
    return sealed.at(-1)!;
  }

  /** Completes the layers, turns temporary layer numbers into final ones, writes the index. */
  #write(rewritten: ReadonlySet<number>, stale: readonly StaleEntry[]): FinishResult {
    const { areas, sealed, context, request: { job } } = this.#options;
    context.throwIfCancelled();
    const packs = packsInUse(this.#tree, this.#retained.plain);
    const data = sealed.filter(({ isChunks, temporary }) => !isChunks || packs.has(temporary));
    const metadata = this.#metadataLayer(stale);
    const table = this.#baseline?.header.layers ?? [];
    const isReused = (number: number) =>
      this.#reusable[number] && !rewritten.has(number) &&
      (!table[number]!.isChunks || packs.has(number));
    const reused = new Set(table.keys().filter(isReused));
    const numbered = numberLayers({ table, reused, data, metadata, moved: this.#moved });
    let isNative = false;
    this.#tree.each((block, record) => {
      if (block.kind(record) !== KIND.file) return;
      isNative ||= block.isDisplaced(record) || block.isChunked(record);
      if (block.isChunked(record)) {
        return placeChunks(block.chunks(record), (pack) => numbered.destination(pack).layer);
      }
      const { layer, shift } = numbered.destination(block.layer(record));
      if (layer !== block.layer(record) || shift !== 0) {
        block.setLayer(record, layer, block.offset(record) + shift);
      }
      // The layers that these are in have kept their numbers.
    }, this.#retained.plain);
    const staleNow = stale.map(({ layer, path }) => (
      { layer: numbered.destination(layer).layer, path }
    ));
    const before = this.#before();
    const { layers, stale: written } = before
      ? { layers: numbered.layers, stale: staleNow }
      : compactLayers(this.#tree, { layers: numbered.layers, stale: staleNow });
    const files = writeTreeFiles(areas, {
      indexName: `${job.name}-index`,
      layers,
      blocks: this.#tree.blocks,
      stale: written,
      // Changes of what was left out, and of the rules, show in no record: the next pack walks.
      frozenState: this.#hasExcluded() ? [] : stateFor(areas, job),
      aliases: job.aliases,
      before,
      onIndex: (index) => context.emit({ kind: "index", ...(index ? { index } : {}) }),
    });
    const totals = this.#stats.done(this.#packer);
    return { layers: layersInUse(layers), isNative, ...files, totals };
  }

  /** Returns what index and baseline are to differ from; `undefined` where both are written whole. */
  #before(): TreeBefore | undefined {
    const { before, request: { job: { index } } } = this.#options;
    if (!before || !index || before.reader.index?.digest !== index.digest) return undefined;
    const { reader: baseline, file } = before;
    const differences = treeDifferences({
      baseline,
      tree: this.#tree,
      retained: this.#retained.untouched,
      visited: this.#shared,
    });
    if (!mayPatch(index, baseline, differences)) return undefined;
    return { index, file, baseline, stale: this.#staleBefore, differences };
  }

  #hasExcluded(): boolean {
    const { parts } = this.#options.request;
    const totals = [...parts.map((part) => part.totals), this.#stats.done(this.#packer)];
    return totals.some(({ excluded }) => excluded.entries > 0);
  }
}

/** Returns the state that a later pack can ask for changes since; none where it could not. */
function stateFor(areas: OpenAreas, { state }: PackJob): readonly SubvolumeState[] {
  return state === undefined || !isSameBtrfs(areas.baselines, areas.staging)
    ? []
    : parseState(state);
}
