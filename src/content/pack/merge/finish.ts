import { binaryString } from "../../../archive/mod.ts";
import type { SpooledBlob } from "../../../spool.ts";
import { Abilities } from "../../abilities.ts";
import { BaselineReader } from "../../baseline/baseline_reader.ts";
import { BaselineWriter } from "../../baseline/baseline_writer.ts";
import {
  Arena,
  type Block,
  BlockBuilder,
  blocksOf,
  decodeStale,
  encodeHeader,
  encodeStale,
  IndexWriter,
  KIND,
  type LayerInfo,
  type StaleEntry,
  TEMPORARY_LAYER,
} from "../../../image/mod.ts";
import type { OperationContext } from "../../operation.ts";
import { newBaselineToken } from "../../baseline/tokens.ts";
import { type OpenAreas, openTree } from "../../areas.ts";
import { changedDirectories } from "../scan/changed_directories.ts";
import { conflictingLayers, pathsToRemove, sortStale } from "./stale_entries.ts";
import { type Directory, isErrno, joinPath, openLongPath } from "../../../linux/mod.ts";
import { FilePacker } from "../write/file_packer.ts";
import { PreviousTree, reusableLayers } from "../scan/previous_tree.ts";
import type { LayerWriter, SealedLayer } from "../write/layer_writer.ts";
import { HardLinks } from "./hard_links.ts";
import { type EntryRef, EntrySet, MergedTree } from "./merged_tree.ts";
import { newLayerWriter, type PackJob, type PartEvent, type PartResult } from "../part.ts";
import { RestoreRights } from "../restore_rights.ts";
import { PartStats, type PartTotals } from "../part_stats.ts";
import { chooseRewrites, type LayerUse } from "./rewrite_policy.ts";
import { writeMetadataLayer } from "./metadata_layer.ts";
import { syncDirtyPages } from "../sync_pages.ts";
import { SharedPackState } from "../shared_state.ts";
import { addPacked, Walker } from "../scan/walker.ts";

export interface FinishRequest {
  readonly job: PackJob;
  readonly parts: readonly PartResult[];
  /** Layers that the parts have finished. */
  readonly sealed: readonly SealedLayer[];
}

export interface FinishResult {
  /** The image's, lowest first. */
  readonly layers: LayerInfo[];
  readonly index: SpooledBlob;
  readonly newBaseline: string;
  /** What was read and counted here. */
  readonly totals: PartTotals;
}

/** Where a provisional layer's content has ended up. */
interface Destination {
  readonly layer: number;
  readonly shift: number;
}

/** Ends a pack. @throws {DaemonError} ABORTED; {SystemError} */
export function packFinish(
  areas: OpenAreas,
  request: FinishRequest,
  context: OperationContext<PartEvent>,
): FinishResult {
  const { job } = request;
  using top = openTree(areas, job.tree);
  using file = job.baseline === undefined ? undefined : areas.baselines.openFile(job.baseline);
  const baseline = file && new BaselineReader(file);
  const sealed = [...request.sealed];
  using layers = newLayerWriter(areas, job, job.parts, {
    ...context,
    emit: (event) => {
      if (event.kind === "layer") sealed.push(event.layer);
      context.emit(event);
    },
  });
  return new Finish({ areas, top, baseline, request, context, layers, sealed }).run();
}

interface FinishOptions {
  readonly areas: OpenAreas;
  readonly top: Directory;
  readonly baseline: BaselineReader | undefined;
  readonly request: FinishRequest;
  readonly context: OperationContext<PartEvent>;
  readonly layers: LayerWriter;
  /** Grows as layers are finished. */
  readonly sealed: SealedLayer[];
}

class Finish {
  readonly #options: FinishOptions;
  readonly #shared: SharedPackState;
  readonly #tree: MergedTree;
  readonly #packer: FilePacker;
  readonly #builder = new BlockBuilder(new Arena());
  readonly #stats = new PartStats();
  readonly #moved = new Map<number, { into: number; shift: number }>();

  constructor(options: FinishOptions) {
    this.#options = options;
    const { request: { job }, context } = options;
    this.#shared = new SharedPackState(job.shared, job.parts);
    this.#packer = new FilePacker(options.layers, {
      syncedAt: job.syncedAt,
      resync: () => syncDirtyPages(options.top),
      tick: () => context.throwIfCancelled(),
    });
    this.#tree = new MergedTree(options.request.parts.flatMap((part) => blocksOf(part.arena)));
  }

  run(): FinishResult {
    this.#rescan();
    this.#placeLargeFiles();
    const links = new HardLinks(this.#tree);
    const duplicates = new EntrySet(links.duplicates());
    const dead = this.#staleEntries(links);
    this.#appendRemainders();
    const given = this.#layersToRewrite(dead, duplicates);
    this.#packMissing(given, links, duplicates);
    links.resolve();
    this.#tree.apply();
    this.#options.layers.seal();
    return this.#write(given, dead.filter(({ layer }) => !given.has(layer)));
  }

  /**
   * Packs what has come to be where a directory changed after it was walked, until nothing does:
   * only then is everything in some directory that was walked, whatever was moved meanwhile.
   */
  #rescan(): void {
    const { request: { parts } } = this.#options;
    const gone = new Set<string>();
    let wanted: readonly Uint8Array[] = parts.flatMap((part) => part.changed);
    for (let look = 0; wanted.length > 0 && look < MAX_RESCANS; look++) {
      this.#tree.add(this.#walkAgain(wanted));
      wanted = this.#changedSinceWalked(gone);
    }
    for (const path of wanted) this.#stats.addUnstable(path);
  }

  /**
   * Of all directories those that have changed, and those that went away since the last time: where
   * they went may have been looked at before.
   * @param gone those that were not there the last time, then those that are not this time
   */
  #changedSinceWalked(gone: Set<string>): Uint8Array[] {
    const { top, context } = this.#options;
    const changes = changedDirectories(
      top,
      this.#tree.blocks,
      () => context.throwIfCancelled(),
    );
    const before = new Set(gone);
    gone.clear();
    for (const path of changes.gone) gone.add(binaryString(path));
    return [
      ...changes.changed,
      ...changes.gone.filter((path) => !before.has(binaryString(path))),
    ];
  }

  /** @returns blocks of those directories, and of new ones below, with what is new in them */
  #walkAgain(directories: readonly Uint8Array[]): Block[] {
    const { areas, top, context } = this.#options;
    const arena = new Arena();
    const found: Uint8Array[] = [];
    const walker = new Walker({
      top,
      packer: this.#packer,
      builder: new BlockBuilder(arena),
      claims: this.#shared,
      previous: undefined,
      stats: this.#stats,
      rights: new RestoreRights(new Abilities(areas.staging), this.#stats),
      largeFileBytes: Infinity,
      onDirectory: (path) => found.push(path),
      onLarge: () => {
        throw new TypeError("Cannot pack a file apart when all parts are done");
      },
      tick: () => context.throwIfCancelled(),
    });
    for (const path of directories) {
      walker.walkAgain(path, (name) => this.#tree.kindAt(joinPath(path, name)) !== undefined);
    }
    for (let path = found.pop(); path; path = found.pop()) walker.walk(path);
    return blocksOf(arena.buffers);
  }

  /** Puts the results of large files in the place of what stands for them. */
  #placeLargeFiles(): void {
    const results = new Map<number, Block>();
    for (const { largeFiles: apart } of this.#options.request.parts) {
      blocksOf(apart.arena).forEach((block, n) => results.set(apart.keys[n]!, block));
    }
    this.#tree.each((waiting, record, directory) => {
      if (
        waiting.kind(record) !== KIND.file || waiting.layer(record) !== TEMPORARY_LAYER.largeFile
      ) {
        return;
      }
      const block = results.get(waiting.offset(record));
      this.#tree.change(
        { directory, record },
        block ? { kind: "replace", block, record: block.self } : { kind: "remove" },
      );
    });
    this.#tree.apply();
  }

  /** Every path that a layer holds in vain, by the numbers that layers have while packing. */
  #staleEntries(links: HardLinks): StaleEntry[] {
    const { baseline, request: { job, parts } } = this.#options;
    const dead = parts.flatMap((part) => decodeStale(part.stale.bytes, part.stale.count));
    if (baseline) {
      const reuse = new Set(job.reuse);
      const reusable = reusableLayers(baseline, reuse);
      for (const entry of baseline.stale()) if (reusable[entry.layer]) dead.push(entry);
      const known = new PreviousTree(baseline, this.#shared, reuse);
      known.markUnvisitedStale();
      for (const entry of known.stale) dead.push(entry);
    }
    for (const entry of links.duplicates()) {
      const block = this.#block(entry);
      dead.push({ layer: block.layer(entry.record), path: this.#path(entry) });
    }
    return sortStale(dead);
  }

  /**
   * Begins this Worker's first layer with what the parts' last ones came to, where that is little.
   */
  #appendRemainders(): void {
    const { layers, request } = this.#options;
    for (const { remainder } of request.parts) {
      if (!remainder) continue;
      const shift = layers.append(remainder);
      this.#moved.set(remainder.temporary, { into: layers.layer, shift });
    }
  }

  #layersToRewrite(dead: readonly StaleEntry[], duplicates: EntrySet): Set<number> {
    const { baseline, layers, request: { job, sealed } } = this.#options;
    if (!baseline) return new Set<number>();
    const live = new Float64Array(baseline.header.layers.length);
    this.#eachReused((block, record, directory) => {
      if (duplicates.has(directory, record)) return;
      live[block.layer(record)]! += block.stored(record) + ENTRY_OVERHEAD;
    });
    const uses: LayerUse[] = [];
    reusableLayers(baseline, new Set(job.reuse)).forEach((isReusable, layer) => {
      if (!isReusable) return;
      const { rawSize } = baseline.header.layers[layer]!;
      uses.push({ layer, rawSize, liveBytes: Math.min(live[layer]!, rawSize) });
    });
    const bytes = sealed.reduce((sum, { rawSize }) => sum + rawSize, layers.position);
    const given = chooseRewrites(uses, { layers: sealed.length, bytes });
    const kept = dead.filter(({ layer }) => layer < TEMPORARY_LAYER.first && !given.has(layer));
    for (const layer of conflictingLayers(this.#tree, kept)) given.add(layer);
    return given;
  }

  /** Calls `visit` for every file whose content is in a layer of the baseline. */
  #eachReused(visit: (block: Block, record: number, directory: number) => void): void {
    this.#tree.each((block, record, directory) => {
      const isFile = block.kind(record) === KIND.file;
      if (isFile && block.layer(record) < TEMPORARY_LAYER.first) visit(block, record, directory);
    });
  }

  /** Packs what is alive in layers that are given up, and linked files that no part has packed. */
  #packMissing(
    given: ReadonlySet<number>,
    links: HardLinks,
    duplicates: EntrySet,
  ): void {
    using dirs = new LastDirectory(this.#options.top);
    if (given.size > 0) {
      this.#eachReused((block, record, directory) => {
        if (!given.has(block.layer(record)) || duplicates.has(directory, record)) return;
        const entry = { directory, record };
        if (!this.#pack(dirs, entry)) links.remove(entry);
      });
    }
    links.packMissing((entry) => this.#pack(dirs, entry));
  }

  /**
   * Packs one entry's content now, or removes the entry if there is none any more.
   * @returns whether the entry is still the inode that it was
   */
  #pack(dirs: LastDirectory, entry: EntryRef): boolean {
    this.#options.context.throwIfCancelled();
    const block = this.#block(entry);
    const name = block.name(entry.record);
    const path = this.#path(entry);
    const dir = dirs.open(entry.directory, block.path);
    const packed = dir ? this.#packer.pack(dir, name, path) : "gone";
    if (typeof packed === "string" || !("location" in packed)) {
      this.#tree.change(entry, { kind: "remove" });
      return false;
    }
    if (packed.unstable) this.#stats.addUnstable(path);
    this.#builder.begin(path);
    addPacked(this.#builder, name, packed);
    const own = this.#builder.finish();
    this.#tree.change(entry, { kind: "replace", block: own, record: own.self });
    return own.ino(own.self) === block.ino(entry.record) &&
      own.devMajor(own.self) === block.devMajor(entry.record) &&
      own.devMinor(own.self) === block.devMinor(entry.record);
  }

  #write(given: ReadonlySet<number>, dead: readonly StaleEntry[]): FinishResult {
    const { layers, sealed, context } = this.#options;
    context.throwIfCancelled();
    const data = [...sealed];
    const removed = pathsToRemove(this.#tree, dead);
    writeMetadataLayer(layers, this.#tree, removed);
    layers.seal();
    const { infos, destination } = this.#numberLayers(given, data, sealed.at(-1)!);
    this.#tree.each((block, record) => {
      if (block.kind(record) !== KIND.file) return;
      const { layer, shift } = destination(block.layer(record));
      block.setLayer(record, layer, block.offset(record) + shift);
    });
    const settled = dead.map(({ layer, path }) => ({ layer: destination(layer).layer, path }));
    return { ...this.#writeTreeFiles(infos, settled), totals: this.#stats.done(this.#packer) };
  }

  /** Gives layers their numbers in the image: reused, new, tail. */
  #numberLayers(given: ReadonlySet<number>, data: readonly SealedLayer[], tail: SealedLayer) {
    const { baseline, request: { job } } = this.#options;
    const infos: LayerInfo[] = [];
    const numbers = new Map<number, number>();
    const reusable = baseline ? reusableLayers(baseline, new Set(job.reuse)) : [];
    reusable.forEach((isReusable, layer) => {
      if (!isReusable || given.has(layer)) return;
      numbers.set(layer, infos.length);
      infos.push(baseline!.header.layers[layer]!);
    });
    for (const layer of [...data].sort((a, b) => a.temporary - b.temporary)) {
      numbers.set(layer.temporary, infos.length);
      infos.push(layerInfo(layer, false));
    }
    infos.push(layerInfo(tail, true));
    const destinations = new Map<number, Destination>();
    for (const [provisional, layer] of numbers) destinations.set(provisional, { layer, shift: 0 });
    for (const [provisional, { into, shift }] of this.#moved) {
      const layer = numbers.get(into);
      if (layer !== undefined) destinations.set(provisional, { layer, shift });
    }
    const destination = (provisional: number): Destination => {
      const found = destinations.get(provisional);
      if (!found) throw new TypeError(`Cannot place layer ${provisional}`);
      return found;
    };
    return { infos, destination };
  }

  #writeTreeFiles(layers: LayerInfo[], dead: readonly StaleEntry[]) {
    const { areas, request: { job } } = this.#options;
    const { blocks } = this.#tree;
    const deadBytes = encodeStale(dead);
    const header = encodeHeader({
      layers,
      blocks: blocks.length,
      blockBytes: blocks.reduce((sum, block) => sum + block.length, 0),
      stale: dead.length,
      staleBytes: deadBytes.length,
    });
    const newBaseline = newBaselineToken();
    const indexName = `${job.name}-index`;
    using baselineFile = areas.baselines.createFile(newBaseline);
    try {
      using indexFile = areas.spool.createFile(indexName);
      using baseline = new BaselineWriter(baselineFile);
      using index = new IndexWriter(indexFile);
      baseline.bytes(header);
      index.bytes(header);
      for (const block of blocks) {
        baseline.block(block);
        index.block(block);
      }
      baseline.bytes(deadBytes);
      index.bytes(deadBytes);
      baseline.finish();
      baselineFile.startWriteback(0, 0);
      const { digest, size } = index.seal();
      const file = { area: "spool", path: indexName } as const;
      return { layers, index: { digest, size, file }, newBaseline };
    } catch (error) {
      areas.baselines.unlink(newBaseline);
      throw error;
    }
  }

  #block(entry: EntryRef): Block {
    return this.#tree.blocks[entry.directory]!;
  }

  #path(entry: EntryRef): Uint8Array {
    const block = this.#block(entry);
    return joinPath(block.path, block.name(entry.record));
  }
}

/** How often directories that go on changing are looked at again. */
const MAX_RESCANS = 3;
/** What a file takes in a layer besides its content, about. */
const ENTRY_OVERHEAD = 1536;

function layerInfo(layer: SealedLayer, isTail: boolean): LayerInfo {
  const { digest, size, diffId, rawSize } = layer;
  return { digest, size, diffId, rawSize, isMetadata: isTail };
}

/** Keeps the directory open that was used last. */
class LastDirectory implements Disposable {
  #number: number | undefined;
  #dir: Directory | undefined;

  constructor(private readonly top: Directory) {}

  /** The directory of that number and path, until the next call; `undefined` where it is gone. */
  open(number: number, path: Uint8Array): Directory | undefined {
    if (this.#number === number) return this.#dir;
    this[Symbol.dispose]();
    try {
      this.#dir = openLongPath(this.top, path);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) throw error;
    }
    this.#number = number;
    return this.#dir;
  }

  [Symbol.dispose](): void {
    this.#dir?.close();
    this.#dir = undefined;
  }
}
