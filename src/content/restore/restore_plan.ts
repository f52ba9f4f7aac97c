/** Plans a restore by an index: what is to be made, and how that is divided among the Workers. */

import type { LocalFile } from "../../spool.ts";
import {
  type BlobId,
  type Block,
  KIND,
  type LayerInfo,
  type LoadedIndex,
  readIndex,
  RECORD,
} from "../../image/mod.ts";
import { Budget } from "../budget.ts";
import type { OperationContext } from "../operation.ts";
import { type OpenAreas, openLocalFile } from "../areas.ts";
import { type ChunkPlan, planChunks } from "./chunk_plan.ts";
import { countEntries } from "./count_entries.ts";
import type { FileUnit, Range, SharedPlan } from "./worker_plan.ts";

/** Uncompressed bytes of content that one request restores, about. */
const UNIT_BYTES = 16 << 20;
/** Directories that one request makes or finishes, at most. */
const RANGE_DIRECTORIES = 1000;

/** A restore by an image's index, divided into requests; sizes are bytes. */
export interface RestorePlan extends SharedPlan, ChunkPlan {
  readonly layers: readonly LayerInfo[];
  readonly units: readonly FileUnit[];
  readonly ranges: readonly Range[];
  /** Names of regular files: files and hard links. */
  readonly fileCount: number;
  /** Apparent bytes, those of hard links included. */
  readonly contentBytes: number;
  /** What the tree will take on disk. */
  readonly diskBytes: number;
  readonly linkCount: number;
}

/** The index to plan by. */
export interface PlanRequest {
  /** Its blobs, the newest first. */
  readonly chain: readonly { readonly file: LocalFile; readonly blob: BlobId }[];
  readonly limitBytes: number | undefined;
}

/**
 * Reads an index and plans the restore. Writes nothing.
 * @throws {DaemonError} DATA_LOSS where it is damaged, RESOURCE_EXHAUSTED where it exceeds the
 *   limit
 */
export function restorePlan(
  areas: OpenAreas,
  request: PlanRequest,
  context: OperationContext,
): RestorePlan {
  const { chain } = request;
  using opened = new DisposableStack();
  const indexFiles = chain.map(({ file, blob }) => ({
    file: opened.use(openLocalFile(areas, file)),
    blob,
  }));
  const index = readIndex(indexFiles, () => context.throwIfCancelled());
  const budget = new Budget({ subject: "image", trusted: true });
  const totals = countEntries(index.blocks, budget);
  budget.requireWithin(request.limitBytes ?? Infinity);
  const { files, units, chunkPlan } = orderFiles(index, totals.files);
  const blocks = new Uint32Array(new SharedArrayBuffer(4 * index.blocks.length));
  index.blocks.forEach((block, n) => blocks[n] = block.at);
  return {
    layers: index.header.layers,
    units,
    ranges: rangesOf(index.blocks.length),
    fileCount: totals.files + totals.links,
    contentBytes: totals.contentBytes,
    diskBytes: budget.diskBytes,
    linkCount: totals.links,
    index: index.memory.buffer,
    blocks: blocks.buffer,
    files: files.buffer,
    ...chunkPlan,
    indexDigest: chain[0]!.blob.digest,
  };
}

/**
 * Returns the files ordered by layer and offset, as {@link SharedPlan.files}, and their units. Those
 * that are lists of chunks come last.
 */
function orderFiles({ blocks, header }: LoadedIndex, total: number) {
  const perLayer = header.layers.map(() => 0);
  let chunked = 0;
  forEachFile(blocks, (block, record) => {
    if (block.isChunked(record)) chunked++;
    else perLayer[block.layer(record)]!++;
  });
  const files = new Uint32Array(new SharedArrayBuffer(8 * total));
  const units: FileUnit[] = [];
  let start = 0;
  const starts = perLayer.map((count) => (start += count) - count);
  const ends = [...starts];
  let lastEnd = start;
  const chunkedFiles = { start, end: start + chunked };
  forEachFile(blocks, (block, record, directory) => {
    const at = 2 * (block.isChunked(record) ? lastEnd++ : ends[block.layer(record)]!++);
    files[at] = directory;
    files[at + 1] = record;
  });
  starts.forEach((start, layer) => {
    sortByOffset(files.subarray(2 * start, 2 * ends[layer]!), blocks);
    units.push(...unitsOf({ layer, start, end: ends[layer]! }, files, blocks));
  });
  const fileAt = (n: number) => ({ block: blocks[files[2 * n]!]!, record: files[2 * n + 1]! });
  return { files, units, chunkPlan: planChunks(chunkedFiles, fileAt, header.layers.length) };
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
  const unsorted = pairs.slice();
  order.forEach((from, to) => {
    pairs[2 * to] = unsorted[2 * from]!;
    pairs[2 * to + 1] = unsorted[2 * from + 1]!;
  });
}

/** Bytes that a file counts for besides its content: an empty one costs time too. */
const FILE_OVERHEAD_BYTES = 1024;

/** Divides the files of one layer into units. */
function unitsOf(all: FileUnit, files: Uint32Array, blocks: readonly Block[]): FileUnit[] {
  const units: FileUnit[] = [];
  let { start } = all;
  let bytes = 0;
  for (let n = all.start; n < all.end; n++) {
    bytes += blocks[files[2 * n]!]!.stored(files[2 * n + 1]!) + FILE_OVERHEAD_BYTES;
    if (bytes >= UNIT_BYTES || n + 1 === all.end) {
      units.push({ layer: all.layer, start, end: n + 1 });
      start = n + 1;
      bytes = 0;
    }
  }
  return units;
}

/** Divides directories into ranges. */
function rangesOf(directories: number): Range[] {
  const ranges: Range[] = [];
  for (let start = 0; start < directories; start += RANGE_DIRECTORIES) {
    ranges.push({ start, end: Math.min(start + RANGE_DIRECTORIES, directories) });
  }
  return ranges;
}
