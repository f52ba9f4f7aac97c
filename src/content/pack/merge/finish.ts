/** Ends a pack: merges what the parts made into one image. `Finish.run` is the outline. */

import {
  Arena,
  type Block,
  BlockBuilder,
  blocksOf,
  type ChunkList,
  decodeStale,
  FLAG,
  type IndexChain,
  KIND,
  type LayerInfo,
  layersInUse,
  type Location,
  sortStale,
  type StaleEntry,
  TEMPORARY_LAYER,
} from "../../../image/mod.ts";
import {
  type Directory,
  type File,
  isErrno,
  isSameBtrfs,
  joinPath,
  nameDevices,
  SystemError,
} from "../../../linux/mod.ts";
import { Abilities } from "../../abilities.ts";
import { type OpenAreas, openTree } from "../../areas.ts";
import type { BaselineReader } from "../../baseline/baseline_reader.ts";
import { DirectoryCache } from "../../directory_cache.ts";
import { withContainerIds } from "../../id_map.ts";
import type { OperationContext } from "../../operation.ts";
import { parseState, type SubvolumeState } from "../../volume/tree_state.ts";
import { type OpenBaseline, openBaseline } from "../open_baseline.ts";
import type { PackJob, PartEvent, PartResult } from "../pack_job.ts";
import { PartStats, type PartTotals } from "../part_stats.ts";
import { RestoreRights } from "../restore_rights.ts";
import { addPackedFile } from "../scan/entry_recorder.ts";
import { NOTHING_RETAINED, type RetainedTree, retainedTree } from "../revisit/retained_tree.ts";
import { PreviousTree, reusableLayers } from "../scan/previous_tree.ts";
import { SharedPackState } from "../shared_state.ts";
import { syncDirtyPages } from "../sync_pages.ts";
import { FilePacker } from "../write/file_packer.ts";
import type { LayerWriter, SealedLayer } from "../write/layer_writer.ts";
import type { ChunkPackWriter } from "../write/chunk_pack_writer.ts";
import type { FileChunker } from "../write/file_chunker.ts";
import { openChunker } from "../write/open_chunker.ts";
import { openPartLayers, openPartPacks } from "../write/part_layers.ts";
import { ENTRY_OVERHEAD } from "../revisit/retained_tree.ts";
import { DisplacedContent, type EachFile, MovedContent } from "./displaced_content.ts";
import { HardLinks } from "./hard_links.ts";
import { placeLargeFiles } from "./large_files.ts";
import { type EntryRef, EntrySet, MergedTree } from "./merged_tree.ts";
import { writeMetadataLayer } from "./metadata_layer.ts";
import { type MovedRemainder, type NewLayer, numberLayers } from "./number_layers.ts";
import { Excludes } from "../exclude/excludes.ts";
import { compactLayers, placeChunks } from "./compact_layers.ts";
import { rescan } from "./rescan.ts";
import { chooseRewrites, type LayerUse, PACKS } from "./rewrite_policy.ts";
import { hasSameMetadata } from "./same_metadata.ts";
import { conflictingLayers, pathsToRemove } from "./stale_entries.ts";
import { mayPatch, treeDifferences } from "./tree_differences.ts";
import { type TreeBefore, writeTreeFiles } from "./write_tree_files.ts";

/** Displaced content of fewer bytes in all is stored again, so that the image is one that other tools read. */
const MIN_DISPLACED_BYTES = 1 << 20;

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
  readonly #builder = new BlockBuilder(new Arena());
  readonly #stats = new PartStats();
  /** Which layers of the baseline may be reused, by number. */
  readonly #reusable: readonly boolean[];
  /** Blocks of the tree that are those of the baseline. */
  readonly #retained: ReadonlySet<Block>;
  /** Those of them in which there is nothing that most of the merge looks for. */
  readonly #plain: ReadonlySet<Block>;
  /** Bytes of layers that these have, by the numbers of the layers. */
  readonly #plainBytes: Float64Array;
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
    const retained = this.#findRetained();
    this.#retained = retained.untouched;
    this.#plain = retained.plain;
    this.#plainBytes = retained.plainBytes;
    const { blocks } = retained;
    this.#tree = new MergedTree([...blocks, ...parts.flatMap((part) => blocksOf(part.arena))]);
    this.#reusable = baseline ? reusableLayers(baseline, new Set(job.reuse)) : [];
    this.#staleBefore = baseline?.stale() ?? [];
  }

  run(): FinishResult {
    this.#rescan();
    this.#placeLargeFiles();
    const links = new HardLinks(this.#tree, this.#plain);
    const duplicates = new EntrySet(links.duplicates());
    const stale = this.#staleEntries(links);
    this.#appendRemainders();
    const rewritten = this.#layersToRewrite(stale, duplicates);
    this.#packMissing(rewritten, links, duplicates);
    links.resolve();
    this.#tree.apply();
    this.#options.layers.seal();
    this.#options.packs.seal();
    return this.#write(rewritten, stale.filter(({ layer }) => !rewritten.has(layer)));
  }

  #placeLargeFiles(): void {
    using dirs = new DirectoryCache(this.#options.top);
    placeLargeFiles(
      this.#tree,
      this.#options.request.parts.map((part) => part.largeFiles),
      { pack: (entry) => void this.#pack(dirs, entry), without: this.#plain },
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
      const block = this.#block(entry);
      if (block.isChunked(entry.record) || block.isDisplaced(entry.record)) continue;
      stale.push({ layer: block.layer(entry.record), path: this.#path(entry) });
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

  /** Returns the layers of the baseline that are not worth reusing, or cannot be. */
  #layersToRewrite(stale: readonly StaleEntry[], duplicates: EntrySet): Set<number> {
    const { layers, request: { sealed } } = this.#options;
    const baseline = this.#baseline;
    if (!baseline) return new Set<number>();
    const live = this.#liveBytes(baseline, duplicates);
    const uses: LayerUse[] = [];
    this.#reusable.forEach((isReusable, layer) => {
      if (!isReusable) return;
      const { rawSize, isChunks } = baseline.header.layers[layer]!;
      if (!isChunks) uses.push({ layer, rawSize, liveBytes: Math.min(live[layer]!, rawSize) });
    });
    const data = sealed.filter(({ isChunks }) => !isChunks);
    const bytes = data.reduce((sum, { rawSize }) => sum + rawSize, layers.position);
    const rewritten = chooseRewrites(uses, { layers: data.length, bytes });
    for (const pack of this.#packsToRewrite(duplicates)) rewritten.add(pack);
    const kept = stale.filter(({ layer }) =>
      layer < TEMPORARY_LAYER.first && !rewritten.has(layer)
    );
    for (const layer of conflictingLayers(this.#tree, kept)) rewritten.add(layer);
    return rewritten;
  }

  /** Returns how many bytes of each layer of the baseline are live. */
  #liveBytes({ header: { layers } }: BaselineReader, duplicates: EntrySet): Float64Array {
    const others: EachFile = (visit) => this.#eachReused(duplicates, visit, this.#plain);
    const displaced = new DisplacedContent(others);
    // A place that a displaced entry has may be that of any other one.
    const isEachOnce = displaced.isEmpty && this.#plain.size > 0;
    const all: EachFile = (visit) => this.#eachReused(duplicates, visit);
    const each = isEachOnce ? others : all;
    const live = isEachOnce ? this.#plainBytes.slice() : new Float64Array(layers.length);
    displaced.eachPlace(each, (block, record) => {
      live[block.layer(record)]! += block.stored(record) + ENTRY_OVERHEAD;
    });
    return live;
  }

  /** Returns the chunk packs of the baseline that are not worth reusing. */
  #packsToRewrite(duplicates: EntrySet): Set<number> {
    const { request: { sealed } } = this.#options;
    const { layers } = this.#baseline!.header;
    const live = new Float64Array(layers.length);
    this.#eachChunked((list, { directory, record }) => {
      if (duplicates.has(directory, record)) return;
      for (let n = 0; n < list.count; n++) {
        const pack = list.pack(n);
        if (pack < live.length) live[pack]! += list.length(n);
      }
    });
    const uses: LayerUse[] = [];
    layers.forEach(({ isChunks, rawSize }, layer) => {
      if (!isChunks || !this.#reusable[layer]) return;
      // A chunk that several files have is counted as often: then the pack is worth keeping, too.
      uses.push({ layer, rawSize, liveBytes: Math.min(live[layer]!, rawSize) });
    });
    const fresh = sealed.filter(({ isChunks }) => isChunks);
    const bytes = fresh.reduce((sum, { rawSize }) => sum + rawSize, 0);
    return chooseRewrites(uses, { layers: fresh.length, bytes }, PACKS);
  }

  /**
   * Returns the packs that files of the tree have chunks in. There may be others: of a file that has become
   * small, or is gone, since its chunks were stored. An image without chunks must not have any.
   */
  #packsInUse(): Set<number> {
    const packs = new Set<number>();
    this.#eachChunked((list) => {
      for (let n = 0; n < list.count; n++) packs.add(list.pack(n));
    });
    return packs;
  }

  /** Calls `visit` for every file that is a list of chunks. */
  #eachChunked(visit: (list: ChunkList, entry: EntryRef) => void): void {
    this.#tree.each((block, record, directory) => {
      if (block.kind(record) !== KIND.file || !block.isChunked(record)) return;
      visit(block.chunks(record), { directory, record });
    }, this.#plain);
  }

  /** Calls `visit` for every file whose content is in a layer of the baseline, but for duplicates. */
  #eachReused(
    duplicates: EntrySet,
    visit: (block: Block, record: number, directory: number) => void,
    except?: ReadonlySet<Block>,
  ): void {
    this.#tree.each((block, record, directory) => {
      const isFile = block.kind(record) === KIND.file;
      if (!isFile || block.layer(record) >= TEMPORARY_LAYER.first) return;
      if (!duplicates.has(directory, record)) visit(block, record, directory);
    }, except);
  }

  /**
   * Packs the live files of rewritten layers, linked files that no part has packed, and displaced ones that
   * are not worth being so.
   */
  #packMissing(rewritten: ReadonlySet<number>, links: HardLinks, duplicates: EntrySet): void {
    using dirs = new DirectoryCache(this.#options.top);
    this.#chunker.avoid(rewritten);
    const packAgain = (entry: EntryRef) => {
      if (!this.#pack(dirs, entry)) links.remove(entry);
    };
    if (rewritten.size > 0) {
      const each: EachFile = (visit) => this.#eachReused(duplicates, visit);
      const displaced = new DisplacedContent(each);
      const moved = new MovedContent();
      each((block, record, directory) => {
        if (!rewritten.has(block.layer(record))) return;
        const isShared = displaced.isShared(block, record);
        const place = isShared ? moved.placeOf(block, record) : undefined;
        const entry = { directory, record };
        if (place) return this.#displace(entry, place);
        packAgain(entry);
        const change = isShared ? this.#tree.changeOf(entry) : undefined;
        if (change?.kind === "replace") moved.add(block, record, change);
      });
      this.#eachChunked((list, entry) => {
        if (duplicates.has(entry.directory, entry.record)) return;
        if (!usesAny(list, rewritten) || this.#moveChunks(dirs, entry)) return;
        if (!this.#pack(dirs, entry)) links.remove(entry);
      });
    }
    for (const entry of this.#worthlessDisplaced(duplicates)) packAgain(entry);
    // Last: any of these may have lost the name that had the content of its inode.
    links.packMissing((entry) => this.#pack(dirs, entry));
  }

  /** Gives an entry a place of its content that belongs to another one. */
  #displace(entry: EntryRef, place: Location): void {
    const block = this.#block(entry);
    this.#builder.begin(this.#path(entry));
    this.#builder.copy(block, entry.record);
    const own = this.#builder.finish();
    own.setLocation(own.self, place);
    own.setFlags(own.self, own.flags(own.self) | FLAG.displaced);
    this.#tree.change(entry, { kind: "replace", block: own, record: own.self });
  }

  /**
   * Returns the displaced files if, without them, other tools could read the image, and all of them are few
   * bytes.
   */
  #worthlessDisplaced(duplicates: EntrySet): EntryRef[] {
    const displaced: EntryRef[] = [];
    let bytes = 0;
    this.#tree.each((block, record, directory) => {
      if (block.kind(record) !== KIND.file || bytes >= MIN_DISPLACED_BYTES) return;
      const entry = { directory, record };
      if (duplicates.has(directory, record)) return;
      const change = this.#tree.changeOf(entry);
      if (change && change.kind !== "replace") return;
      const { block: now, record: at } = change ?? { block, record };
      if (now.isChunked(at)) bytes = Infinity;
      if (!now.isDisplaced(at)) return;
      displaced.push(entry);
      bytes += now.stored(at) + ENTRY_OVERHEAD;
    }, this.#plain);
    return bytes < MIN_DISPLACED_BYTES ? displaced : [];
  }

  /**
   * Stores those chunks of a file anew that are in packs which are avoided.
   * @returns false if the file has to be read as a whole
   */
  #moveChunks(dirs: DirectoryCache, entry: EntryRef): boolean {
    const block = this.#block(entry);
    // Where in a sparse file a chunk is only its map tells.
    if (block.flags(entry.record) & FLAG.sparse) return false;
    using file = openFileIfThere(dirs, block.path, block.name(entry.record));
    if (!file) return false;
    const list = block.chunks(entry.record);
    const moved = this.#chunker.move(list, (position, into) => {
      this.#options.context.throwIfCancelled();
      for (let at = 0, count: number; at < into.length; at += count) {
        count = file.readAt(into.subarray(at), position + at);
        if (count === 0) return;
      }
    });
    if (!moved) return false;
    this.#builder.begin(this.#path(entry));
    this.#builder.copy(block, entry.record);
    const own = this.#builder.finish();
    own.chunks(own.self).bytes.set(moved);
    this.#tree.change(entry, { kind: "replace", block: own, record: own.self });
    return true;
  }

  /**
   * Packs the content of one entry, or removes the entry if there is none any more.
   * @returns whether the entry is still the inode that its record describes
   */
  #pack(dirs: DirectoryCache, entry: EntryRef): boolean {
    this.#options.context.throwIfCancelled();
    const block = this.#block(entry);
    const name = block.name(entry.record);
    const path = this.#path(entry);
    const dir = openIfThere(dirs, block.path);
    const packed = dir ? this.#packer.pack(dir, name, path) : "gone";
    if (typeof packed === "string" || !("location" in packed)) {
      this.#tree.change(entry, { kind: "remove" });
      return false;
    }
    if (packed.unstable) this.#stats.addUnstable(path);
    this.#builder.begin(path);
    addPackedFile(this.#builder, name, packed);
    const own = this.#builder.finish();
    this.#tree.change(entry, { kind: "replace", block: own, record: own.self });
    return own.ino(own.self) === block.ino(entry.record) &&
      own.devMajor(own.self) === block.devMajor(entry.record) &&
      own.devMinor(own.self) === block.devMinor(entry.record);
  }

  /** Returns the metadata layer, written anew unless the baseline's image has the same. */
  #metadataLayer(stale: readonly StaleEntry[]): NewLayer {
    const { layers, sealed, request: { job } } = this.#options;
    const baseline = this.#baseline;
    const last = baseline?.header.layers.find(({ isMetadata }) => isMetadata);
    const [tree, retained, staleBefore] = [this.#tree, this.#retained, this.#staleBefore];
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
    const packs = this.#packsInUse();
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
      isNative ||= block.isDisplaced(record) || block.isChunked(record);
      if (block.isChunked(record)) {
        return placeChunks(block.chunks(record), (pack) => numbered.destination(pack).layer);
      }
      const { layer, shift } = numbered.destination(block.layer(record));
      if (layer !== block.layer(record) || shift !== 0) {
        block.setLayer(record, layer, block.offset(record) + shift);
      }
      // The layers that these are in have kept their numbers.
    }, this.#plain);
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
      retained: this.#retained,
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

  #block(entry: EntryRef): Block {
    return this.#tree.blocks[entry.directory]!;
  }

  #path(entry: EntryRef): Uint8Array {
    const block = this.#block(entry);
    return joinPath(block.path, block.name(entry.record));
  }
}

/** Returns the state that a later pack can ask for changes since; none where it could not. */
function stateFor(areas: OpenAreas, { state }: PackJob): readonly SubvolumeState[] {
  return state === undefined || !isSameBtrfs(areas.baselines, areas.staging)
    ? []
    : parseState(state);
}

/** Whether a list has a chunk in one of these packs. */
function usesAny(list: ChunkList, packs: ReadonlySet<number>): boolean {
  for (let n = 0; n < list.count; n++) if (packs.has(list.pack(n))) return true;
  return false;
}

/** Opens a regular file of the tree; `undefined` if it is gone, or cannot be opened without waiting. */
function openFileIfThere(
  dirs: DirectoryCache,
  path: Uint8Array,
  name: Uint8Array,
): File | undefined {
  try {
    return openIfThere(dirs, path)?.openFile(name);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** Opens a directory of the tree; `undefined` if it is gone, or of another type by now. */
function openIfThere(dirs: DirectoryCache, path: Uint8Array): Directory | undefined {
  try {
    return dirs.open(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return undefined;
    throw error;
  }
}
