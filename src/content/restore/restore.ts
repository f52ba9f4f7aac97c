/**
 * Restoring, as the daemon's own thread sees it: by the index, side by side on all Workers, where
 * there is one; layer after layer on one Worker where there is none.
 */

import type { Digest } from "../../digest.ts";
import type { LeasedFile, LocalFile } from "../../spool.ts";
import type { Omissions } from "../omissions.ts";
import type { RestoreOptions, RestoreResult } from "./restore_result.ts";
import type { Tree } from "../tree.ts";
import type { Dispatcher } from "../dispatcher.ts";
import { checkLayersOfIndex } from "../../image/mod.ts";
import { sumOmissions } from "../omissions.ts";
import type { RestorePlan } from "./restore_plan.ts";

/** Restores an image; see {@link Content.restore}. */
export async function restore(
  dispatcher: Dispatcher,
  tree: Tree,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const run = new RestoreRun(dispatcher, tree, options);
  return options.index ? await run.byIndex(options.index) : await run.byLayers();
}

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

  async byIndex(index: { digest: Digest; size: number }): Promise<RestoreResult> {
    const { limitBytes, trusted } = this.#options;
    const plan = await this.#withBlob(
      index,
      (file) =>
        this.#dispatcher.run("restorePlan", { file, blob: index, limitBytes }, this.#cancel()),
    );
    checkLayersOfIndex(index.digest, plan.layers, this.#options.layers);
    const request = {
      tree: this.#tree,
      trusted,
      plan: {
        index: plan.index,
        blocks: plan.blocks,
        files: plan.files,
        indexDigest: plan.indexDigest,
      },
    };
    const eachRange = (operation: "restoreDirectories" | "restoreOthers") =>
      plan.ranges.map((range) =>
        this.#dispatcher.run(operation, { ...request, range }, this.#cancel())
      );
    const omitted = await this.#all(eachRange("restoreDirectories"));
    const entries = [...eachRange("restoreOthers"), ...this.#layers(plan, request)];
    omitted.push(...await this.#all(entries));
    if (plan.linkCount > 0) {
      omitted.push(await this.#dispatcher.run("restoreLinks", request, this.#cancel()));
    }
    const finished = await this.#all(
      plan.ranges.map((range) =>
        this.#dispatcher.run("restoreMetadata", { ...request, range }, this.#cancel())
      ),
    );
    omitted.push(...finished.map((range) => range.omitted));
    const directories = finished.flatMap(({ later }) => later);
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
    const held: LeasedFile[] = [];
    try {
      for (const layer of layers) held.push(await this.#options.fetch(layer));
      const files = held.map(({ area, path }): LocalFile => ({ area, path }));
      return await this.#dispatcher.run(
        "restoreLayers",
        { tree: this.#tree, layers, files, limitBytes, trusted },
        this.#cancel(),
      );
    } finally {
      await Promise.all(held.map((file) => file.release()));
    }
  }

  /** Restores the files of every layer that has any; a few layers are within reach at a time. */
  #layers(plan: RestorePlan, request: StepOptions): Promise<Omissions>[] {
    const needed = plan.layers.map((_, layer) => layer)
      .filter((layer) => plan.units.some((unit) => unit.layer === layer));
    const lanes = Math.min(needed.length, this.#dispatcher.workers + 1);
    return Array.from({ length: lanes }, async () => {
      const omitted: Omissions[] = [];
      for (let layer = needed.shift(); layer !== undefined; layer = needed.shift()) {
        omitted.push(...await this.#layer(plan, request, layer));
      }
      return sumOmissions(omitted);
    });
  }

  async #layer(plan: RestorePlan, request: StepOptions, number: number): Promise<Omissions[]> {
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

  async #withBlob<T>(
    blob: { digest: Digest; size: number },
    use: (file: LocalFile) => Promise<T>,
  ): Promise<T> {
    this.#signal.throwIfAborted();
    const held = await this.#options.fetch(blob);
    try {
      return await use({ area: held.area, path: held.path });
    } finally {
      await held.release();
    }
  }

  /** Waits for all; when one fails the others are cancelled, waited for, and its error thrown. */
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

interface StepOptions {
  readonly tree: Tree;
  readonly trusted: boolean;
  readonly plan: Pick<RestorePlan, "index" | "blocks" | "files" | "indexDigest">;
}
