/** Runs the steps that make files of chunks, from the daemon's thread; `restore_chunks.ts` has them. */

import { ArchiveError, SparseMapReader } from "../../archive/mod.ts";
import { type BlobId, FLAG, readingBlob } from "../../image/mod.ts";
import type { LocalFile } from "../../spool.ts";
import type { Dispatcher } from "../dispatcher.ts";
import { type Omissions, sumOmissions } from "../omissions.ts";
import type { ChunkUnit } from "./chunk_plan.ts";
import type { SparseShape } from "./restore_chunks.ts";
import type { RestorePlan } from "./restore_plan.ts";
import type { StepRequest } from "./step.ts";
import { WorkerPlan } from "./worker_plan.ts";

/** What the steps run with. */
export interface ChunkStepsOptions {
  readonly request: StepRequest;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
  /** Makes a blob a local file while it is used. */
  withBlob<T>(blob: BlobId, use: (file: LocalFile) => Promise<T>): Promise<T>;
}

/** The files of an image that are lists of chunks. */
export class RestoreChunks {
  readonly #plan: RestorePlan;
  readonly #options: ChunkStepsOptions;
  #shapes: readonly SparseShape[] = [];

  constructor(plan: RestorePlan, options: ChunkStepsOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  /** Makes the files, as holes, and finds out where the data of sparse ones goes. */
  async makeFiles(): Promise<Omissions> {
    const omitted = await this.#eachFile("makeChunkedFiles");
    this.#shapes = await this.#readShapes();
    return omitted;
  }

  /**
   * Writes the content, pack by pack. At most one pack more than there are Workers is fetched at a time,
   * which bounds what the spool holds.
   */
  writeFiles(): Promise<Omissions>[] {
    const pending = [...this.#plan.chunkUnits];
    const lanes = Math.min(pending.length, this.#options.dispatcher.workers + 1);
    return Array.from({ length: lanes }, async () => {
      const omitted: Omissions[] = [];
      for (let unit = pending.shift(); unit; unit = pending.shift()) {
        omitted.push(await this.#writePack(unit));
      }
      return sumOmissions(omitted);
    });
  }

  /** Gives the files their metadata. */
  finishFiles(): Promise<Omissions> {
    return this.#eachFile("finishChunkedFiles");
  }

  async #eachFile(operation: "makeChunkedFiles" | "finishChunkedFiles"): Promise<Omissions> {
    const { request, dispatcher, signal } = this.#options;
    const range = this.#plan.chunkedFiles;
    if (range.start === range.end) return sumOmissions([]);
    return await dispatcher.run(operation, { ...request, range }, { signal });
  }

  async #writePack(unit: ChunkUnit): Promise<Omissions> {
    const { request, dispatcher, signal, withBlob } = this.#options;
    const { chunks, positions, layers } = this.#plan;
    const pack = layers[unit.pack]!;
    const files = new Uint32Array(chunks, 8 * unit.start, 2 * (unit.end - unit.start));
    const needed = new Set<number>();
    for (let n = 0; n < files.length; n += 2) needed.add(files[n]!);
    const shapes = this.#shapes.filter(({ file }) => needed.has(file));
    return await withBlob(pack, (file) =>
      dispatcher.run(
        "restoreChunks",
        { ...request, unit, chunks: { chunks, positions }, pack, file, shapes },
        { signal },
      ));
  }

  /** Reads the maps that the streams of sparse files begin with. */
  async #readShapes(): Promise<SparseShape[]> {
    const plan = new WorkerPlan(this.#plan);
    const { start, end } = this.#plan.chunkedFiles;
    const shapes: SparseShape[] = [];
    for (let n = start; n < end; n++) {
      const { block, record } = plan.file(n);
      if ((block.flags(record) & FLAG.sparse) !== 0) shapes.push(await this.#readShape(plan, n));
    }
    return shapes;
  }

  async #readShape(plan: WorkerPlan, n: number): Promise<SparseShape> {
    const { request, dispatcher, signal, withBlob } = this.#options;
    const { block, record } = plan.file(n);
    const list = block.chunks(record);
    const map = new SparseMapReader();
    let mapBytes = 0;
    for (let chunk = 0; chunk < list.count; chunk++) {
      const pack = this.#plan.layers[list.pack(chunk)]!;
      const of = { file: n, chunk };
      const bytes = await withBlob(
        pack,
        (file) => dispatcher.run("readChunk", { ...request, of, pack, file }, { signal }),
      );
      const extents = readingBlob(pack.digest, () => {
        mapBytes += map.take(bytes);
        const extents = map.extents(block.size(record));
        const data = extents?.reduce((sum, { length }) => sum + length, 0);
        if (data !== undefined && mapBytes + data !== block.stored(record)) {
          throw new ArchiveError("malformed", "a sparse file has other data than its map says");
        }
        return extents;
      });
      if (!extents) continue;
      const pairs = extents.flatMap(({ offset, length }) => [offset, length]);
      return { file: n, mapBytes, extents: Float64Array.from(pairs) };
    }
    return readingBlob(request.plan.indexDigest, () => {
      throw new ArchiveError("truncated", "the map of a sparse file does not end");
    });
  }
}
