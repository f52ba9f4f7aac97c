/**
 * Runs a restore from the daemon's thread: by the index, concurrently on all Workers; or, if the
 * image has none, layer after layer on one Worker.
 */

import type { Semaphore } from "../../async/mod.ts";
import { currentOperation } from "../../operations/mod.ts";
import type { LeasedFile, LocalFile } from "../../spool.ts";
import type { Omissions } from "../omissions.ts";
import type { BlobStream, RestoreOptions, RestoreResult } from "./restore_result.ts";
import type { Tree } from "../tree.ts";
import type { Dispatcher } from "../dispatcher.ts";
import {
  type BlobId,
  checkLayersOfIndex,
  indexBlobs,
  type IndexChain,
  type LayerInfo,
} from "../../image/mod.ts";
import { sumOmissions } from "../omissions.ts";
import { RestoreChunks } from "./chunk_steps.ts";
import type { RestorePlan } from "./restore_plan.ts";
import type { StepRequest } from "./step.ts";
import { LayerStream, type LayerStreamOptions } from "./stream_layer.ts";
import type { FileUnit } from "./worker_plan.ts";

/** What restores run on. */
export interface RestoreMachinery {
  readonly dispatcher: Dispatcher;
  /** Bounds the parts of layers that are received at a time; {@link PARTS_UNDER_WAY}. */
  readonly permits: Semaphore;
}

/** Restores an image; see {@link Content.restore}. */
export async function restore(
  machinery: RestoreMachinery,
  tree: Tree,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const run = new RestoreRun(machinery, tree, options);
  return options.index ? await run.byIndex(options.index) : await run.byLayers();
}

/** One restore, and the controller that cancels its requests when one of them fails. */
class RestoreRun {
  readonly #dispatcher: Dispatcher;
  readonly #permits: Semaphore;
  readonly #tree: Tree;
  readonly #options: RestoreOptions;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;

  constructor(
    { dispatcher, permits }: RestoreMachinery,
    tree: Tree,
    options: RestoreOptions,
  ) {
    this.#dispatcher = dispatcher;
    this.#permits = permits;
    this.#tree = tree;
    this.#options = options;
    const { signal } = options;
    this.#signal = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal;
  }

  async byIndex(index: IndexChain): Promise<RestoreResult> {
    const { limitBytes, trusted } = this.#options;
    const blobs = indexBlobs(index);
    const plan = await this.#withBlobs(blobs, (files) => {
      const chain = files.map((file, n) => ({ file, blob: blobs[n]! }));
      return this.#dispatcher.run("restorePlan", { chain, limitBytes }, this.#cancel());
    });
    currentOperation()?.progress.setTotal({ files: plan.fileCount, bytes: plan.contentBytes });
    checkLayersOfIndex(index.digest, plan.layers, this.#options.layers);
    const request: StepRequest = {
      tree: this.#tree,
      trusted,
      plan: {
        index: plan.index,
        blocks: plan.blocks,
        files: plan.files,
        indexDigest: plan.indexDigest,
      },
    };
    const eachRange = (operation: "restoreDirectories" | "restoreNodes") =>
      plan.ranges.map((range) =>
        this.#dispatcher.run(operation, { ...request, range }, this.#cancel())
      );
    const directories = eachRange("restoreDirectories");
    const made = Promise.all(directories);
    const nodes = made.then(() => this.#all(eachRange("restoreNodes"))).then(sumOmissions);
    const layers = this.#layers(plan, request, made);
    const chunks = made.then(() => this.#chunks(plan, request));
    const omitted = await this.#all([...directories, nodes, ...layers, chunks]);
    if (plan.linkCount > 0) {
      omitted.push(await this.#dispatcher.run("restoreLinks", request, this.#cancel()));
    }
    const metadata = await this.#all(
      plan.ranges.map((range) =>
        this.#dispatcher.run("restoreMetadata", { ...request, range }, this.#cancel())
      ),
    );
    omitted.push(...metadata.map((range) => range.omitted));
    const closed = metadata.flatMap(({ closed }) => closed);
    if (closed.length > 0) {
      const rest = { ...request, directories: closed };
      omitted.push(await this.#dispatcher.run("restoreClosedDirectories", rest, this.#cancel()));
    }
    const newBaseline = await this.#dispatcher.run(
      "restoreBaseline",
      { ...request, index },
      this.#cancel(),
    );
    const { fileCount: files, contentBytes, diskBytes } = plan;
    return { files, contentBytes, diskBytes, omitted: sumOmissions(omitted), newBaseline };
  }

  /** Restores the files that are stored as chunks. */
  async #chunks(plan: RestorePlan, request: StepRequest): Promise<Omissions> {
    const chunks = new RestoreChunks(plan, {
      request,
      dispatcher: this.#dispatcher,
      signal: this.#signal,
      withBlob: (blob, use) => this.#withBlob(blob, use),
    });
    const omitted = await this.#all([chunks.makeFiles()]);
    omitted.push(...await this.#all(chunks.writeFiles()));
    omitted.push(...await this.#all([chunks.finishFiles()]));
    return sumOmissions(omitted);
  }

  async byLayers(): Promise<RestoreResult> {
    const { layers, limitBytes, trusted } = this.#options;
    const leases: LeasedFile[] = [];
    try {
      for (const layer of layers) leases.push(await this.#options.fetch(layer));
      const files = leases.map(({ area, path }): LocalFile => ({ area, path }));
      return await this.#dispatcher.run(
        "restoreLayers",
        { tree: this.#tree, layers, files, limitBytes, trusted },
        this.#cancel(),
      );
    } finally {
      await Promise.all(leases.map((lease) => lease.release()));
    }
  }

  /**
   * Restores the files of every layer that has any. At most one layer more than there are Workers is
   * fetched at a time, which bounds what the spool holds.
   * @param ready resolves once there are directories to make files in
   */
  #layers(
    plan: RestorePlan,
    request: StepRequest,
    ready: Promise<unknown>,
  ): Promise<Omissions>[] {
    const pending = plan.layers.map((_, layer) => layer)
      .filter((layer) => plan.units.some((unit) => unit.layer === layer));
    const lanes = Math.min(pending.length, this.#dispatcher.workers + 1);
    return Array.from({ length: lanes }, async () => {
      const omitted: Omissions[] = [];
      for (let layer = pending.shift(); layer !== undefined; layer = pending.shift()) {
        const units = plan.units.filter((unit) => unit.layer === layer);
        omitted.push(...await this.#layer(plan.layers[layer]!, units, request, ready));
      }
      return sumOmissions(omitted);
    });
  }

  async #layer(
    layer: LayerInfo,
    units: readonly FileUnit[],
    request: StepRequest,
    ready: Promise<unknown>,
  ): Promise<Omissions[]> {
    const blob = { digest: layer.digest, size: layer.size };
    this.#signal.throwIfAborted();
    const opened = await (this.#options.open ?? this.#options.fetch)(blob);
    if ("read" in opened) {
      const files = { start: units[0]!.start, end: units.at(-1)!.end };
      const streamed = await this.#stream(opened, { layer, files, request, ready });
      return streamed ??
        await this.#withBlob(blob, (file) => this.#units(file, layer, units, request, ready));
    }
    await using file = { ...opened, [Symbol.asyncDispose]: () => opened.release() };
    const { area, path } = file;
    return await this.#units({ area, path }, layer, units, request, ready);
  }

  /** Restores a layer's files while it is received. @returns `undefined` where it must be fetched */
  async #stream(
    stream: BlobStream,
    what: Pick<LayerStreamOptions, "layer" | "files" | "request" | "ready">,
  ): Promise<Omissions[] | undefined> {
    let omitted: Omissions[] | undefined;
    try {
      omitted = await new LayerStream({
        ...what,
        stream,
        dispatcher: this.#dispatcher,
        permits: this.#permits,
        signal: this.#signal,
      }).restore();
    } finally {
      await stream.close(omitted !== undefined);
    }
    return omitted;
  }

  /** Restores the files of a layer that is in a file. */
  async #units(
    file: LocalFile,
    layer: LayerInfo,
    units: readonly FileUnit[],
    request: StepRequest,
    ready: Promise<unknown>,
  ): Promise<Omissions[]> {
    const blob = { digest: layer.digest, size: layer.size };
    await this.#dispatcher.run("restoreVerify", { file, blob }, this.#cancel());
    await ready;
    return await this.#all(
      units.map((unit) =>
        this.#dispatcher.run("restoreFiles", { ...request, unit, layer, file }, this.#cancel())
      ),
    );
  }

  #withBlob<T>(blob: BlobId, use: (file: LocalFile) => Promise<T>): Promise<T> {
    return this.#withBlobs([blob], ([file]) => use(file!));
  }

  /** Fetches blobs one after the other, and holds them while they are used. */
  async #withBlobs<T>(
    blobs: readonly BlobId[],
    use: (files: readonly LocalFile[]) => Promise<T>,
  ): Promise<T> {
    await using leases = new AsyncDisposableStack();
    const files: LocalFile[] = [];
    for (const blob of blobs) {
      this.#signal.throwIfAborted();
      const lease = leases.adopt(
        await this.#options.fetch(blob),
        (lease: LeasedFile) => lease.release(),
      );
      files.push({ area: lease.area, path: lease.path });
    }
    return await use(files);
  }

  /** Waits for all. If one fails, cancels the others, waits for them and throws the restore's first error. */
  async #all<T>(work: Promise<T>[]): Promise<T[]> {
    const watched = work.map((one) =>
      one.catch((error) => {
        this.#abort.abort(error);
        throw error;
      })
    );
    const results = await Promise.allSettled(watched);
    // What was cancelled fails with that, and may do so first.
    if (results.some(({ status }) => status === "rejected")) throw this.#abort.signal.reason;
    return await Promise.all(watched);
  }

  #cancel(): { signal: AbortSignal } {
    return { signal: this.#signal };
  }
}
