/**
 * One Worker's part of a pack: it takes directories and large files from the shared queue until
 * nothing is left anywhere, and packs them into layers of its own. The first part begins alone, and
 * asks for the others once there is work enough for several: most packs are over before that.
 */

import type { Digest } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import { Abilities } from "../abilities.ts";
import type { Tree } from "../tree.ts";
import { BaselineReader } from "../baseline/baseline_reader.ts";
import {
  Arena,
  BlockBuilder,
  blocksOf,
  encodeStale,
  type StaleEntry,
  TEMPORARY_LAYER,
} from "../../image/mod.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import { changedDirectories } from "./scan/changed_directories.ts";
import { type Directory, isErrno, openLongPath, splitLast } from "../../linux/mod.ts";
import { FilePacker } from "./write/file_packer.ts";
import { PreviousTree } from "./scan/previous_tree.ts";
import { LayerWriter, type Remainder, type SealedLayer } from "./write/layer_writer.ts";
import { RestoreRights } from "./restore_rights.ts";
import { PartStats, type PartTotals } from "./part_stats.ts";
import { addPacked, Walker } from "./scan/walker.ts";
import { syncDirtyPages } from "./sync_pages.ts";
import { SharedPackState, type WorkItem } from "./shared_state.ts";

/** Files of this size and more are packed by whoever has time, apart from their directory. */
const LARGE_FILE_BYTES = 16 << 20;
/**
 * Work that one Worker does alone before it asks for help, which costs the others' time and each of
 * them a layer: entries looked at, and bytes read.
 */
const HELP_TICKS = 512;
const HELP_BYTES = 4 << 20;
/** Layers, and large files, that one part can number. */
const NUMBERS = 1 << 20;

/** What all parts of a pack are given. */
export interface PackJob {
  readonly tree: Tree;
  /** Begins the names of its spool files. */
  readonly name: string;
  readonly parts: number;
  /** Name of the verified baseline, if there is one. */
  readonly baseline?: string;
  /** Layers of it that are still stored. */
  readonly reuse: readonly Digest[];
  /** Milliseconds since the epoch: what changed later is looked at again by the next pack. */
  readonly syncedAt: number;
  /** See {@link SharedPackState}. */
  readonly shared: SharedArrayBuffer;
}

export interface PartRequest {
  readonly job: PackJob;
  /** From 0. */
  readonly part: number;
}

/** Large files packed apart: the own record of the block with the same position is the file's. */
export interface LargeFileResults {
  readonly keys: number[];
  readonly arena: ArrayBuffer[];
}

export interface PartResult {
  readonly arena: ArrayBuffer[];
  readonly stale: { readonly count: number; readonly bytes: Uint8Array };
  readonly largeFiles: LargeFileResults;
  readonly remainder?: Remainder;
  /** Directories that changed, or went away, after this part had walked them. */
  readonly changed: readonly Uint8Array[];
  /** Items of the queue that it has done. */
  readonly items: number;
  readonly totals: PartTotals;
}

/** What a part says before it is done. */
export type PartEvent =
  | { readonly kind: "layer"; readonly layer: SealedLayer }
  /** There is work for the other parts, too. */
  | { readonly kind: "help" }
  /** The last one: its buffers move rather than being copied. */
  | { readonly kind: "result"; readonly result: PartResult };

/**
 * Does a part of a pack; a `result` is the last that it says.
 * @throws {DaemonError} ABORTED; {SystemError}
 */
export function packPart(
  areas: OpenAreas,
  request: PartRequest,
  context: OperationContext<PartEvent>,
): void {
  const shared = new SharedPackState(request.job.shared, request.job.parts);
  if (!shared.beginPart(request.part)) {
    throw new DaemonError("ABORTED", "the others have done all there was to do");
  }
  using top = openTree(areas, request.job.tree);
  using baseline = request.job.baseline === undefined
    ? undefined
    : areas.baselines.openFile(request.job.baseline);
  const reader = baseline && new BaselineReader(baseline);
  using part = new Part({ areas, top, baseline: reader, shared, request, context });
  const result = part.run();
  context.emit({ kind: "result", result }, transferables(result));
}

/** The memory of a result, to be moved with it rather than copied. */
export function transferables({ arena, largeFiles }: PartResult): ArrayBuffer[] {
  return [...arena, ...largeFiles.arena];
}

interface PartOptions {
  readonly areas: OpenAreas;
  readonly top: Directory;
  readonly baseline: BaselineReader | undefined;
  readonly shared: SharedPackState;
  readonly request: PartRequest;
  readonly context: OperationContext<PartEvent>;
}

class Part implements Disposable {
  readonly #request: PartRequest;
  readonly #context: OperationContext<PartEvent>;
  readonly #top: Directory;
  readonly #shared: SharedPackState;
  readonly #layers: LayerWriter;
  readonly #packer: FilePacker;
  readonly #walker: Walker;
  readonly #previous: PreviousTree | undefined;
  readonly #arena = new Arena();
  readonly #stats = new PartStats();
  /** Items that this part keeps to itself; others are given those from its start. */
  readonly #own: WorkItem[] = [];
  #ownStart = 0;
  readonly #largeFileArena = new Arena();
  readonly #largeFileKeys: number[] = [];
  #keys = 0;
  #ticks = 0;

  /** Whether other parts have been asked for, or cannot be. */
  #hasHelp: boolean;

  constructor({ areas, top, baseline, shared, request, context }: PartOptions) {
    const { job, part } = request;
    this.#hasHelp = job.parts === 1 || part > 0;
    this.#request = request;
    this.#context = context;
    this.#top = top;
    this.#shared = shared;
    this.#layers = newLayerWriter(areas, job, part, context);
    this.#packer = new FilePacker(this.#layers, {
      syncedAt: job.syncedAt,
      resync: () => syncDirtyPages(top),
      tick: () => context.throwIfCancelled(),
    });
    this.#previous = baseline &&
      new PreviousTree(baseline, shared, new Set(job.reuse));
    this.#walker = new Walker({
      top,
      packer: this.#packer,
      builder: new BlockBuilder(this.#arena),
      claims: shared,
      previous: this.#previous,
      stats: this.#stats,
      rights: new RestoreRights(new Abilities(areas.staging), this.#stats),
      largeFileBytes: job.parts > 1 ? LARGE_FILE_BYTES : Infinity,
      onDirectory: (path) => this.#add({ kind: "directory", key: 0, path }),
      onLarge: (path) => {
        const key = part * NUMBERS + this.#keys++;
        this.#add({ kind: "file", key, path });
        return key;
      },
      tick: () => this.#tick(),
    });
  }

  run(): PartResult {
    let items = 0;
    while (!this.#shared.isDone) {
      this.#context.throwIfCancelled();
      const item = this.#next();
      if (!item) {
        this.#shared.wait();
        continue;
      }
      if (item.kind === "directory") this.#walker.walk(item.path);
      else this.#file(item);
      items++;
      this.#shared.complete();
    }
    const remainder = this.#layers.takeRemainder();
    this.#layers.seal();
    const dead: StaleEntry[] = this.#previous?.stale ?? [];
    const walked = blocksOf(this.#arena.buffers);
    const { changed, gone } = changedDirectories(this.#top, walked, () => this.#tick());
    return {
      changed: [...changed, ...gone],
      arena: this.#arena.buffers,
      stale: { count: dead.length, bytes: encodeStale(dead) },
      largeFiles: { keys: this.#largeFileKeys, arena: this.#largeFileArena.buffers },
      ...(remainder ? { remainder } : {}),
      items,
      totals: this.#stats.done(this.#packer),
    };
  }

  [Symbol.dispose](): void {
    this.#layers[Symbol.dispose]();
  }

  #tick(): void {
    if ((++this.#ticks & 63) === 0) {
      this.#context.throwIfCancelled();
      this.#share();
    }
  }

  #add(item: WorkItem): void {
    this.#shared.announce();
    // A large file is worth a Worker of its own at once.
    if (item.kind === "file") {
      this.#askForHelp();
      if (this.#shared.offer(item)) return;
    }
    this.#own.push(item);
  }

  #askForHelp(): void {
    if (this.#hasHelp) return;
    this.#hasHelp = true;
    this.#context.emit({ kind: "help" });
  }

  #next(): WorkItem | undefined {
    this.#share();
    if (this.#own.length > this.#ownStart) return this.#own.pop();
    this.#own.length = this.#ownStart = 0;
    return this.#shared.take();
  }

  /** Gives the others the directories that were found first: they are the highest in the tree. */
  #share(): void {
    const { parts } = this.#request.job;
    const hasMore = this.#own.length - this.#ownStart > 1;
    if (hasMore && (this.#ticks >= HELP_TICKS || this.#packer.bytesRead >= HELP_BYTES)) {
      this.#askForHelp();
    }
    while (
      parts > 1 && this.#hasHelp && this.#own.length - this.#ownStart > 1 &&
      this.#shared.isRunningLow(parts) &&
      this.#shared.offer(this.#own[this.#ownStart]!)
    ) this.#ownStart++;
  }

  #file(item: WorkItem): void {
    const { parent, name } = splitLast(item.path);
    const packed = this.#packLargeFile(parent, name, item.path);
    if (typeof packed === "string" || !("location" in packed)) return;
    this.#stats.addFile(packed.stat.size);
    if (packed.unstable) this.#stats.addUnstable(item.path);
    const builder = new BlockBuilder(this.#largeFileArena);
    builder.begin(item.path);
    addPacked(builder, name, packed);
    builder.finish();
    this.#largeFileKeys.push(item.key);
  }

  #packLargeFile(parent: Uint8Array, name: Uint8Array, path: Uint8Array) {
    let dir: Directory;
    try {
      dir = openLongPath(this.#top, parent);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return "gone";
      throw error;
    }
    try {
      return this.#packer.pack(dir, name, path);
    } finally {
      dir.close();
    }
  }
}

/** A writer whose layers are announced, and wait for the store where it is behind. */
export function newLayerWriter(
  areas: OpenAreas,
  job: PackJob,
  part: number,
  context: OperationContext<PartEvent>,
): LayerWriter {
  const shared = new SharedPackState(job.shared, job.parts);
  return new LayerWriter({
    areas,
    name: `${job.name}-${part}`,
    firstNumber: TEMPORARY_LAYER.first + part * NUMBERS,
    onSealed: (layer) => {
      shared.addLayer();
      context.emit({ kind: "layer", layer });
      shared.waitForStore(() => context.throwIfCancelled());
    },
  });
}
