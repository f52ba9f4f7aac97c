/**
 * Runs a restore from the daemon's thread: by the index, concurrently on all Workers; or, if the
 * image has none, layer after layer on one Worker.
 */

import { currentOperation } from "../../operations/mod.ts";
import type { LeasedFile, LocalFile } from "../../spool.ts";
import type { Omissions } from "../omissions.ts";
import type { RestoreOptions, RestoreResult } from "./restore_result.ts";
import type { Tree } from "../tree.ts";
import type { Dispatcher } from "../dispatcher.ts";
import { type BlobId, checkLayersOfIndex, indexBlobs, type IndexChain } from "../../image/mod.ts";
import { sumOmissions } from "../omissions.ts";
import { RestoreChunks } from "./chunk_steps.ts";
import type { RestorePlan } from "./restore_plan.ts";
import type { StepRequest } from "./step.ts";

/** Restores an image; see {@link Content.restore}. */
export async function restore(
  dispatcher: Dispatcher,
  tree: Tree,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const run = new RestoreRun(dispatcher, tree, options);
  return options.index ? await run.byIndex(options.index) : await run.byLayers();
}

/** One restore, and the controller that cancels its requests when one of them fails. */
class RestoreRun {
  readonly #dispatcher: Dispatcher;
  readonly #tree: Tree;
  readonly #options: RestoreOptions;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;

  constructor(dispatcher: Dispatcher, tree: Tree, options: RestoreOptions) {
    this.#dispatcher = dispatcher;
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
    const omitted = await this.#all(eachRange("restoreDirectories"));
    const chunks = new RestoreChunks(plan, {
      request,
      dispatcher: this.#dispatcher,
      signal: this.#signal,
      withBlob: (blob, use) => this.#withBlob(blob, use),
    });
    omitted.push(...await this.#all([chunks.makeFiles()]));
    const entries = [
      ...eachRange("restoreNodes"),
      ...this.#layers(plan, request),
      ...chunks.writeFiles(),
    ];
    omitted.push(...await this.#all(entries));
    omitted.push(...await this.#all([chunks.finishFiles()]));
    if (plan.linkCount > 0) {
      omitted.push(await this.#dispatcher.run("restoreLinks", request, this.#cancel()));
    }
    const metadata = await this.#all(
      plan.ranges.map((range) =>
        this.#dispatcher.run("restoreMetadata", { ...request, range }, this.#cancel())
      ),
    );
    omitted.push(...metadata.map((range) => range.omitted));
    const directories = metadata.flatMap(({ closed }) => closed);
    if (directories.length > 0) {
      const closed = { ...request, directories };
      omitted.push(
        await this.#dispatcher.run("restoreClosedDirectories", closed, this.#cancel()),
      );
    }
    const newBaseline = await this.#dispatcher.run("restoreBaseline", request, this.#cancel());
    const { fileCount: files, contentBytes, diskBytes } = plan;
    return { files, contentBytes, diskBytes, omitted: sumOmissions(omitted), newBaseline };
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
   */
  #layers(plan: RestorePlan, request: StepRequest): Promise<Omissions>[] {
    const pending = plan.layers.map((_, layer) => layer)
      .filter((layer) => plan.units.some((unit) => unit.layer === layer));
    const lanes = Math.min(pending.length, this.#dispatcher.workers + 1);
    return Array.from({ length: lanes }, async () => {
      const omitted: Omissions[] = [];
      for (let layer = pending.shift(); layer !== undefined; layer = pending.shift()) {
        omitted.push(...await this.#layer(plan, request, layer));
      }
      return sumOmissions(omitted);
    });
  }

  async #layer(plan: RestorePlan, request: StepRequest, number: number): Promise<Omissions[]> {
    const layer = plan.layers[number]!;
    const blob = { digest: layer.digest, size: layer.size };
    return await this.#withBlob(blob, async (file) => {
      await this.#dispatcher.run("restoreVerify", { file, blob }, this.#cancel());
      const units = plan.units.filter((unit) => unit.layer === number);
      return await this.#all(
        units.map((unit) =>
          this.#dispatcher.run("restoreFiles", { ...request, unit, layer, file }, this.#cancel())
        ),
      );
    });
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

  /** Waits for all. If one fails, cancels the others, waits for them and throws its error. */
  async #all<T>(work: Promise<T>[]): Promise<T[]> {
    let failure: { error: unknown } | undefined;
    const watched = work.map((one) =>
      one.catch((error) => {
        failure ??= { error };
        this.#abort.abort(error);
        throw error;
      })
    );
    await Promise.allSettled(watched);
    if (failure) throw failure.error;
    return await Promise.all(watched);
  }

  #cancel(): { signal: AbortSignal } {
    return { signal: this.#signal };
  }
}
