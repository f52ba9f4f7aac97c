/**
 * One Worker's part of a pack: it takes directories and large files from the shared queue until
 * nothing is left anywhere, and packs them into layers of its own.
 */

import type { Digest } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import { type Directory, isErrno } from "../../linux/mod.ts";
import { Abilities } from "../abilities.ts";
import type { Tree } from "../content.ts";
import { BaselineReader } from "../baseline/reader.ts";
import { Arena, BlockBuilder, blocksOf } from "../../image/block_builder.ts";
import { TEMPORARY_LAYER } from "../../image/layout.ts";
import { encodeStale, type StaleEntry } from "../../image/tree_file.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import { Backlog } from "./backlog.ts";
import { Begun } from "./begun.ts";
import { transferables } from "./buffers.ts";
import { changedDirectories } from "./scan/changed_directories.ts";
import { InodeClaims } from "./claims.ts";
import { openLongPath, splitLast } from "../../linux/long_path.ts";
import { FilePacker } from "./write/file_packer.ts";
import { PreviousTree } from "./scan/previous_tree.ts";
import { LayerWriter, type Remainder, type SealedLayer } from "./write/layer_writer.ts";
import { RestoreRights } from "./restore_rights.ts";
import { PartStats, type PartTotals } from "./part_stats.ts";
import { addPacked, Walker } from "./scan/walker.ts";
import { Visited } from "./visited.ts";
import { type WorkItem, WorkQueue } from "./work_queue.ts";

/** Files of this size and more are packed by whoever has time, apart from their directory. */
const LARGE_FILE_BYTES = 16 << 20;
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
  readonly queue: SharedArrayBuffer;
  readonly claims: SharedArrayBuffer;
  readonly visited: SharedArrayBuffer;
  readonly backlog: SharedArrayBuffer;
  readonly begun: SharedArrayBuffer;
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
  /** The last one: its buffers move rather than being copied. */
  | { readonly kind: "result"; readonly result: PartResult };

/** Does a part of a pack; a `result` is the last that it says. @throws {DaemonError} ABORTED; {SystemError} */
export function packPart(
  areas: OpenAreas,
  request: PartRequest,
  context: OperationContext<PartEvent>,
): void {
  if (!new Begun(request.job.begun).begin(request.part)) {
    throw new DaemonError("ABORTED", "the others have done all there was to do");
  }
  using top = openTree(areas, request.job.tree);
  using baseline = request.job.baseline === undefined
    ? undefined
    : areas.baselines.openFile(request.job.baseline);
  const reader = baseline && new BaselineReader(baseline);
  using part = new Part(areas, top, reader, request, context);
  const result = part.run();
  context.emit({ kind: "result", result }, transferables(result));
}

class Part implements Disposable {
  readonly #request: PartRequest;
  readonly #context: OperationContext<PartEvent>;
  readonly #top: Directory;
  readonly #queue: WorkQueue;
  readonly #layers: LayerWriter;
  readonly #packer: FilePacker;
  readonly #walker: Walker;
  readonly #known: PreviousTree | undefined;
  readonly #arena = new Arena();
  readonly #stats = new PartStats();
  /** Items that this part keeps to itself; others are given those from its start. */
  readonly #own: WorkItem[] = [];
  #ownStart = 0;
  readonly #apartArena = new Arena();
  readonly #apartKeys: number[] = [];
  #keys = 0;
  #ticks = 0;

  constructor(
    areas: OpenAreas,
    top: Directory,
    baseline: BaselineReader | undefined,
    request: PartRequest,
    context: OperationContext<PartEvent>,
  ) {
    const { job, part } = request;
    this.#request = request;
    this.#context = context;
    this.#top = top;
    this.#queue = new WorkQueue(job.queue);
    this.#layers = newLayerWriter(areas, job, part, context);
    this.#packer = new FilePacker(this.#layers, {
      syncedAt: job.syncedAt,
      tick: () => context.throwIfCancelled(),
    });
    this.#known = baseline &&
      new PreviousTree(baseline, new Visited(job.visited), new Set(job.reuse));
    this.#walker = new Walker({
      top,
      packer: this.#packer,
      builder: new BlockBuilder(this.#arena),
      claims: new InodeClaims(job.claims),
      previous: this.#known,
      stats: this.#stats,
      rights: new RestoreRights(new Abilities(areas.staging), this.#stats),
      syncedAt: job.syncedAt,
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
    while (!this.#queue.isDone) {
      this.#context.throwIfCancelled();
      const item = this.#next();
      if (!item) {
        this.#queue.wait();
        continue;
      }
      if (item.kind === "directory") this.#walker.walk(item.path);
      else this.#file(item);
      items++;
      this.#queue.complete();
    }
    const remainder = this.#layers.takeRemainder();
    this.#layers.seal();
    const dead: StaleEntry[] = this.#known?.stale ?? [];
    const walked = blocksOf(this.#arena.buffers);
    const { changed, gone } = changedDirectories(this.#top, walked, () => this.#tick());
    return {
      changed: [...changed, ...gone],
      arena: this.#arena.buffers,
      stale: { count: dead.length, bytes: encodeStale(dead) },
      largeFiles: { keys: this.#apartKeys, arena: this.#apartArena.buffers },
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
    this.#queue.announce();
    // A large file is worth a Worker of its own at once.
    if (item.kind === "file" && this.#queue.give(item)) return;
    this.#own.push(item);
  }

  #next(): WorkItem | undefined {
    this.#share();
    if (this.#own.length > this.#ownStart) return this.#own.pop();
    this.#own.length = this.#ownStart = 0;
    return this.#queue.take();
  }

  /** Gives the others the directories that were found first: they are the highest in the tree. */
  #share(): void {
    const { parts } = this.#request.job;
    while (
      parts > 1 && this.#own.length - this.#ownStart > 1 && this.#queue.isHungry(parts) &&
      this.#queue.give(this.#own[this.#ownStart]!)
    ) this.#ownStart++;
  }

  #file(item: WorkItem): void {
    const { parent, name } = splitLast(item.path);
    const packed = this.#packApart(parent, name, item.path);
    if (typeof packed === "string" || !("location" in packed)) return;
    this.#stats.addFile(packed.stat.size);
    if (packed.unstable) this.#stats.addUnstable(item.path);
    const builder = new BlockBuilder(this.#apartArena);
    builder.begin(item.path);
    addPacked(builder, name, packed);
    builder.finish();
    this.#apartKeys.push(item.key);
  }

  #packApart(parent: Uint8Array, name: Uint8Array, path: Uint8Array) {
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
  const backlog = new Backlog(job.backlog);
  return new LayerWriter({
    areas,
    name: `${job.name}-${part}`,
    firstNumber: TEMPORARY_LAYER.first + part * NUMBERS,
    onSealed: (layer) => {
      backlog.add();
      context.emit({ kind: "layer", layer });
      backlog.waitForRoom(() => context.throwIfCancelled());
    },
  });
}
