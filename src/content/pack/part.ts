/**
 * One Worker's part of a pack: it takes directories and large files from the queue until nothing is
 * left anywhere, and packs them into layers of its own. The first part begins alone, and asks for
 * the others once there is work for several: most packs are over before that.
 */

import { DaemonError } from "../../errors.ts";
import { Arena, BlockBuilder, blocksOf, encodeStale } from "../../image/mod.ts";
import { type Directory, isErrno, nameDevices, openLongPath, splitLast } from "../../linux/mod.ts";
import { Abilities } from "../abilities.ts";
import { type OpenAreas, openTree } from "../areas.ts";
import type { BaselineReader } from "../baseline/baseline_reader.ts";
import { withContainerIds } from "../id_map.ts";
import type { OperationContext } from "../operation.ts";
import {
  type PartEvent,
  type PartRequest,
  type PartResult,
  type SharedChunks,
  transferables,
} from "./pack_job.ts";
import { Excludes } from "./exclude/excludes.ts";
import { type OpenBaseline, openBaseline } from "./open_baseline.ts";
import { PartQueue } from "./part_queue.ts";
import { PartStats } from "./part_stats.ts";
import { RestoreRights } from "./restore_rights.ts";
import { Changes, RESOLUTION } from "./revisit/revisit_plan.ts";
import { changedDirectories } from "./scan/changed_directories.ts";
import { addPackedFile } from "./scan/entry_recorder.ts";
import { KnownContent } from "./scan/known_content.ts";
import { PathFirst, type PreviousFile } from "./scan/previous_file.ts";
import { PreviousTree, reusableLayers } from "./scan/previous_tree.ts";
import { Walker } from "./scan/walker.ts";
import { SharedPackState, type WorkItem } from "./shared_state.ts";
import { syncDirtyPages } from "./sync_pages.ts";
import { FilePacker, type PackedFile } from "./write/file_packer.ts";
import type { ChunkPackWriter } from "./write/chunk_pack_writer.ts";
import type { LayerWriter } from "./write/layer_writer.ts";
import {
  decodeSegment,
  encodeSegment,
  type FileSegment,
  type StoredSegment,
} from "./write/file_segment.ts";
import { openChunker } from "./write/open_chunker.ts";
import { NUMBERS_PER_PART, openPartLayers, openPartPacks } from "./write/part_layers.ts";

/** Files of this size and more are items of the queue, for the next part that is free. */
const LARGE_FILE_BYTES = 16 << 20;

/**
 * Does a part of a pack; the last event is its result.
 * @throws {DaemonError} ABORTED if the pack is cancelled, or the part was withdrawn
 * @throws {SystemError}
 */
export function packPart(
  areas: OpenAreas,
  request: PartRequest,
  context: OperationContext<PartEvent>,
): void {
  const shared = new SharedPackState(request.job.shared, request.job.parts);
  if (!shared.beginPart(request.part)) {
    throw new DaemonError("ABORTED", "the other parts have done everything");
  }
  using _names = nameDevices(request.job.devices);
  using _owners = withContainerIds();
  using top = openTree(areas, request.job.tree);
  using baseline = openBaseline(areas, request.job);
  const known = baseline && new KnownContent(baseline.reader.header.blockBytes, () => {
    // The blocks of a reader are valid only until its next call.
    const tree = baseline.another();
    return { tree, reusable: reusableLayers(tree, new Set(request.job.reuse)) };
  });
  using part = new Part({ areas, top, baseline, known, shared, request, context });
  const result = part.run();
  context.emit({ kind: "result", result }, transferables(result));
}

interface PartOptions {
  readonly areas: OpenAreas;
  readonly top: Directory;
  readonly baseline: OpenBaseline | undefined;
  readonly known: KnownContent | undefined;
  readonly shared: SharedPackState;
  readonly request: PartRequest;
  readonly context: OperationContext<PartEvent>;
}

class Part implements Disposable {
  readonly #context: OperationContext<PartEvent>;
  readonly #request: PartRequest;
  readonly #baseline: BaselineReader | undefined;
  readonly #known: KnownContent | undefined;
  readonly #top: Directory;
  readonly #shared: SharedPackState;
  readonly #queue: PartQueue;
  readonly #layers: LayerWriter;
  readonly #packs: ChunkPackWriter;
  readonly #packer: FilePacker;
  readonly #walker: Walker;
  readonly #previous: PreviousTree | undefined;
  readonly #excludes: Excludes | undefined;
  #changes: Changes | undefined;
  readonly #arena = new Arena();
  readonly #stats = new PartStats();
  readonly #largeFileArena = new Arena();
  readonly #largeFileKeys: number[] = [];
  readonly #sharedChunks = new Map<number, SharedChunks>();
  readonly #segments: StoredSegment[] = [];
  /** Large files that this part has found. */
  #largeFiles = 0;
  /** Attempts to read a large file whose segments others may store. */
  #attempts = 0;
  #ticks = 0;

  constructor(options: PartOptions) {
    const { areas, top, known, shared, request, context } = options;
    const baseline = options.baseline?.reader;
    const { job, part } = request;
    this.#context = context;
    this.#request = request;
    this.#baseline = baseline;
    this.#known = known;
    this.#top = top;
    this.#shared = shared;
    this.#layers = openPartLayers(areas, job, part, context);
    this.#packs = openPartPacks(areas, job, part, context);
    this.#packer = new FilePacker(this.#layers, {
      chunker: openChunker(job, this.#packs, options.baseline, {
        isWanted: () => job.parts > 1 && shared.isRunningLow(job.parts),
        nextId: () => part * NUMBERS_PER_PART + ++this.#attempts,
        offer: (segment) =>
          this.#queue.add({ kind: "segment", key: 0, path: encodeSegment(segment) }),
      }),
      syncedAt: job.syncedAt,
      resync: () => job.isFrozen ? job.syncedAt : syncDirtyPages(top),
      tick: () => this.#report(),
    });
    this.#queue = new PartQueue({
      shared,
      parts: job.parts,
      mayAskForHelp: job.parts > 1 && part === 0,
      onHelp: () => context.emit({ kind: "help" }),
      progress: () => ({ entries: this.#ticks, bytesRead: this.#packer.bytesRead }),
    });
    this.#previous = baseline && new PreviousTree(baseline, shared, new Set(job.reuse));
    this.#excludes = job.excludes && new Excludes(job.excludes);
    this.#walker = new Walker({
      top,
      packer: this.#packer,
      builder: new BlockBuilder(this.#arena),
      claims: shared,
      known,
      previous: this.#previous,
      excludes: this.#excludes,
      stats: this.#stats,
      rights: new RestoreRights(new Abilities(areas.staging), this.#stats),
      largeFileBytes: Math.min(
        job.parts > 1 ? LARGE_FILE_BYTES : Infinity,
        job.chunkMinBytes ?? Infinity,
      ),
      onDirectory: (path) => this.#queue.add({ kind: "directory", key: 0, path }),
      onLarge: (path) => {
        const key = part * NUMBERS_PER_PART + this.#largeFiles++;
        this.#queue.add({ kind: "file", key, path });
        return key;
      },
      tick: () => this.#tick(),
    });
  }

  run(): PartResult {
    let items = 0;
    if (this.#request.part === 0) this.#addFirstItems();
    while (!this.#shared.isDone) {
      this.#context.throwIfCancelled();
      const item = this.#queue.next();
      if (!item) {
        this.#shared.wait();
        continue;
      }
      if (item.kind === "file") this.#largeFile(item);
      else if (item.kind === "segment") this.#segment(decodeSegment(item.path));
      else if (item.key === 0) this.#walker.walk(item.path);
      else this.#revisit(item.key - 1, item.path);
      items++;
      this.#shared.complete();
    }
    this.#report();
    const remainder = this.#layers.takeRemainder();
    this.#layers.seal();
    this.#packs.seal();
    const stale = this.#previous?.stale ?? [];
    return {
      changed: this.#changedSinceWalked(),
      arena: this.#arena.buffers,
      stale: { count: stale.length, bytes: encodeStale(stale) },
      largeFiles: {
        keys: this.#largeFileKeys,
        arena: this.#largeFileArena.buffers,
        shared: this.#sharedChunks,
        segments: this.#segments,
      },
      ...(remainder ? { remainder } : {}),
      items,
      totals: this.#stats.done(this.#packer),
    };
  }

  [Symbol.dispose](): void {
    this.#layers[Symbol.dispose]();
    this.#packs[Symbol.dispose]();
  }

  /** Adds what the pack begins with: the tree's top, or what has changed since the last image. */
  #addFirstItems(): void {
    const { revisit } = this.#request.job;
    if (!revisit) {
      return this.#queue.add({ kind: "directory", key: 0, path: new Uint8Array(0) });
    }
    new Uint8Array(revisit.resolutions).forEach((resolution, number) => {
      if (resolution !== RESOLUTION.amended && resolution !== RESOLUTION.relisted) return;
      const path = this.#baseline!.block(number).path.slice();
      this.#queue.add({ kind: "directory", key: number + 1, path });
    });
    for (const path of revisit.added) {
      // The walk of the folder that it is in has counted it.
      if (this.#excludes?.ignores(path, true)) continue;
      this.#queue.add({ kind: "directory", key: 0, path });
    }
  }

  /** Looks at a directory of the baseline whose entries, or itself, have changed. */
  #revisit(number: number, path: Uint8Array): void {
    const revisit = this.#request.job.revisit!;
    const changes = this.#changes ??= Changes.of(revisit);
    const changed = changes.of(this.#baseline!.block(number))!;
    if (new Uint8Array(revisit.resolutions)[number] === RESOLUTION.relisted) {
      this.#walker.walk(path, changed);
    } else this.#walker.amend(number, changed);
  }

  /** Returns the paths of directories that have changed since this part walked them. */
  #changedSinceWalked(): Uint8Array[] {
    if (this.#request.job.isFrozen) return [];
    const walked = blocksOf(this.#arena.buffers);
    const { changed, gone } = changedDirectories(this.#top, walked, () => this.#tick());
    return [...changed, ...gone];
  }

  #tick(): void {
    if ((++this.#ticks & 63) === 0) {
      this.#report();
      this.#queue.share();
    }
  }

  #report(): void {
    this.#context.throwIfCancelled();
    this.#context.report(this.#stats.files, this.#packer.bytesCopied);
  }

  /** Packs a large file, unless it is gone or no regular file any more. */
  #largeFile(item: WorkItem): void {
    const { parent, name } = splitLast(item.path);
    const previous = this.#previous?.file(item.path);
    const packed = this.#packLargeFile(parent, name, item.path, previous);
    const stale = packed?.isInPlace ? undefined : previous?.stale();
    if (stale) this.#previous!.stale.push(stale);
    if (!packed) return;
    this.#stats.addFile(packed.stat.size);
    if (packed.unstable) this.#stats.addUnstable(item.path);
    const builder = new BlockBuilder(this.#largeFileArena);
    builder.begin(item.path);
    addPackedFile(builder, name, packed);
    builder.finish();
    this.#largeFileKeys.push(item.key);
    if (packed.shared) this.#sharedChunks.set(item.key, packed.shared);
  }

  /** Stores a segment that this or another part has cut. */
  #segment(segment: FileSegment): void {
    const { parent, name } = splitLast(segment.path);
    const { id, first } = segment;
    using dir = this.#openParent(parent);
    const stored = dir ? this.#packer.packSegment(dir, name, segment) : { id, first };
    this.#segments.push(stored);
  }

  #packLargeFile(
    parent: Uint8Array,
    name: Uint8Array,
    path: Uint8Array,
    previous: PreviousFile | undefined,
  ): PackedFile | undefined {
    using dir = this.#openParent(parent);
    if (!dir) return undefined;
    const reusable = this.#known && new PathFirst(previous, this.#known);
    const packed = this.#packer.pack(dir, name, path, { reusable });
    return typeof packed !== "string" && "location" in packed ? packed : undefined;
  }

  /** Opens a directory of the tree; `undefined` if it is gone, or of another type by now. */
  #openParent(path: Uint8Array): Directory | undefined {
    try {
      return openLongPath(this.#top, path);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return undefined;
      throw error;
    }
  }
}
