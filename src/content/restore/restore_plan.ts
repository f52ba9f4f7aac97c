/** What a restore by an index has to do, in memory that all Workers share. */

import type { Digest } from "../../digest.ts";
import { DaemonError } from "../../errors.ts";
import type { LocalFile } from "../../spool.ts";
import {
  DIRECTORY_BYTES,
  EMPTY_BYTES,
  fileBytes,
  LINK_BYTES,
  symlinkBytes,
} from "../disk_usage.ts";
import {
  Block,
  KIND,
  type LayerInfo,
  type LoadedIndex,
  Memory,
  readIndex,
  RECORD,
} from "../../image/mod.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openLocalFile } from "../areas.ts";

/** Uncompressed bytes of content that one request restores, about. */
const UNIT_BYTES = 16 << 20;
/** Directories that one request makes or finishes, at most. */
const RANGE_DIRECTORIES = 1000;

/** Neighbouring files of one layer. */
export interface Unit {
  readonly layer: number;
  /** Files `[start, end)` of {@link RestorePlan.files}. */
  readonly start: number;
  readonly end: number;
}

/** Directories `[start, end)`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface RestorePlan {
  readonly layers: readonly LayerInfo[];
  readonly units: readonly Unit[];
  readonly ranges: readonly Range[];
  readonly fileCount: number;
  readonly contentBytes: number;
  /** What the tree will take on disk. */
  readonly diskBytes: number;
  readonly linkCount: number;
  /** The uncompressed index. */
  readonly index: ArrayBufferLike;
  /** Uint32: where each directory's block begins in it. */
  readonly blocks: ArrayBufferLike;
  /** Uint32 pairs, ordered by layer and place in it: a directory's number, a record's position. */
  readonly files: ArrayBufferLike;
  readonly indexDigest: Digest;
}

export interface PlanRequest {
  readonly file: LocalFile;
  readonly blob: { readonly digest: Digest; readonly size: number };
  readonly limitBytes: number | undefined;
}

/**
 * Reads an index and plans.
 * @throws {DaemonError} DATA_LOSS where it is damaged, RESOURCE_EXHAUSTED where it exceeds the
 *   limit
 */
export function restorePlan(
  areas: OpenAreas,
  request: PlanRequest,
  context: OperationContext,
): RestorePlan {
  using file = openLocalFile(areas, request.file);
  const index = readIndex(file, request.blob, () => context.throwIfCancelled());
  const totals = count(index);
  const { limitBytes } = request;
  if (limitBytes !== undefined && totals.diskBytes > limitBytes) {
    throw new DaemonError(
      "RESOURCE_EXHAUSTED",
      `the content takes ${totals.diskBytes} bytes on disk (${totals.files} files with ` +
        `${totals.storedBytes} bytes of data, ${index.blocks.length} directories) ` +
        `where ${limitBytes} are allowed`,
    );
  }
  const { files, units } = orderFiles(index, totals.files);
  const blocks = new Uint32Array(new SharedArrayBuffer(4 * index.blocks.length));
  index.blocks.forEach((block, n) => blocks[n] = block.at);
  return {
    layers: index.header.layers,
    units,
    ranges: divide(index.blocks.length),
    fileCount: totals.files + totals.links,
    contentBytes: totals.contentBytes,
    diskBytes: totals.diskBytes,
    linkCount: totals.links,
    index: index.memory.buffer,
    blocks: blocks.buffer,
    files: files.buffer,
    indexDigest: request.blob.digest,
  };
}

function count({ blocks }: LoadedIndex) {
  const totals = { files: 0, links: 0, contentBytes: 0, storedBytes: 0, diskBytes: 0 };
  for (const block of blocks) {
    // The top folder is there already.
    if (block.path.length > 0) totals.diskBytes += DIRECTORY_BYTES;
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      const kind = block.kind(record);
      if (kind === KIND.link) totals.links++;
      if (kind === KIND.file) {
        totals.files++;
        totals.storedBytes += block.stored(record);
      }
      totals.diskBytes += diskBytesOf(block, record);
      if (kind === KIND.file || kind === KIND.link) totals.contentBytes += block.size(record);
    }
  }
  return totals;
}

function diskBytesOf(block: Block, record: number): number {
  const xattrs = block.xattrBytes(record).length;
  switch (block.kind(record)) {
    case KIND.file:
      return xattrs + fileBytes(block.stored(record));
    case KIND.link:
      return LINK_BYTES;
    case KIND.symlink:
      return xattrs + symlinkBytes(block.link(record).length);
    default:
      return xattrs + EMPTY_BYTES;
  }
}

/** Files in the order of the layers, cut into units. */
function orderFiles({ blocks, header }: LoadedIndex, total: number) {
  const perLayer = header.layers.map(() => 0);
  forEachFile(blocks, (block, record) => perLayer[block.layer(record)]!++);
  const files = new Uint32Array(new SharedArrayBuffer(8 * total));
  const units: Unit[] = [];
  let start = 0;
  const starts = perLayer.map((count) => (start += count) - count);
  const ends = [...starts];
  forEachFile(blocks, (block, record, directory) => {
    const at = 2 * ends[block.layer(record)]!++;
    files[at] = directory;
    files[at + 1] = record;
  });
  starts.forEach((start, layer) => {
    sortByOffset(files.subarray(2 * start, 2 * ends[layer]!), blocks);
    units.push(...unitsOf({ layer, start, end: ends[layer]! }, files, blocks));
  });
  return { files, units };
}

function forEachFile(
  blocks: readonly Block[],
  action: (block: Block, record: number, directory: number) => void,
): void {
  blocks.forEach((block, directory) => {
    for (let record = block.first, end = block.end; record < end; record += RECORD) {
      if (block.kind(record) === KIND.file) action(block, record, directory);
    }
  });
}

function sortByOffset(pairs: Uint32Array, blocks: readonly Block[]): void {
  const count = pairs.length / 2;
  const offsets = new Float64Array(count);
  const order = new Uint32Array(count);
  for (let n = 0; n < count; n++) {
    offsets[n] = blocks[pairs[2 * n]!]!.offset(pairs[2 * n + 1]!);
    order[n] = n;
  }
  order.sort((a, b) => offsets[a]! - offsets[b]!);
  const unordered = pairs.slice();
  order.forEach((from, to) => {
    pairs[2 * to] = unordered[2 * from]!;
    pairs[2 * to + 1] = unordered[2 * from + 1]!;
  });
}

function unitsOf(all: Unit, files: Uint32Array, blocks: readonly Block[]): Unit[] {
  const units: Unit[] = [];
  let { start } = all;
  let bytes = 0;
  for (let n = all.start; n < all.end; n++) {
    bytes += blocks[files[2 * n]!]!.stored(files[2 * n + 1]!) + 1024;
    if (bytes >= UNIT_BYTES || n + 1 === all.end) {
      units.push({ layer: all.layer, start, end: n + 1 });
      start = n + 1;
      bytes = 0;
    }
  }
  return units;
}

function divide(directories: number): Range[] {
  const ranges: Range[] = [];
  for (let start = 0; start < directories; start += RANGE_DIRECTORIES) {
    ranges.push({ start, end: Math.min(start + RANGE_DIRECTORIES, directories) });
  }
  return ranges;
}

/** A plan as a Worker uses it. */
export class OpenPlan {
  readonly #memory: Memory;
  readonly #blocks: Uint32Array;
  readonly #files: Uint32Array;

  constructor(plan: Pick<RestorePlan, "index" | "blocks" | "files">) {
    this.#memory = new Memory(plan.index);
    this.#blocks = new Uint32Array(plan.blocks);
    this.#files = new Uint32Array(plan.files);
  }

  get directories(): number {
    return this.#blocks.length;
  }

  block(directory: number): Block {
    return new Block(this.#memory, this.#blocks[directory]!);
  }

  /** File `n`: its directory's number and its record's position. */
  file(n: number): { directory: number; record: number } {
    return { directory: this.#files[2 * n]!, record: this.#files[2 * n + 1]! };
  }
}
