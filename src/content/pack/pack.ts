/**
 * Runs a pack from the daemon's own thread: starts a part on one Worker, and on the others once
 * there is work for them; passes finished layers on as they come; and has one Worker merge
 * everything.
 */

import { DaemonError } from "../../errors.ts";
import type { PackOptions, PackResult, PackStats } from "./pack_result.ts";
import type { SpooledBlob } from "../../spool.ts";
import type { Tree } from "../tree.ts";
import type { Dispatcher } from "../dispatcher.ts";
import { descriptorOf } from "../../image/mod.ts";
import type { FrozenTree } from "../operations/freeze.ts";
import type { FinishResult } from "./merge/finish.ts";
import type { SealedLayer } from "./write/layer_writer.ts";
import { type PackJob, type PartEvent, type PartResult, transferables } from "./pack_job.ts";
import { sumTotals } from "./part_stats.ts";
import { groupOf, newTreeName } from "../tree_names.ts";
import { devicesInBaseline, isSameName } from "../volume/device_names.ts";
import type { PackStatePool } from "./pack_state_pool.ts";
import type { SharedPackState } from "./shared_state.ts";

/** The options of a pack of a tree that is frozen, if it can be. */
interface RunOptions extends PackOptions {
  /** Called once nothing of the tree is read any more. */
  onTreeRead(): void;
}

/** The Workers of packs, and the memory that they share. */
export interface PackServices {
  readonly dispatcher: Dispatcher;
  readonly states: PackStatePool;
}

/** Packs a tree, frozen where its file system can do that; see {@link Content.pack}. */
export async function pack(
  services: PackServices,
  tree: Tree,
  options: PackOptions,
): Promise<PackResult> {
  const { dispatcher } = services;
  const frozen = await freeze(dispatcher, tree, options.signal);
  const { problem, state, aliases } = frozen;
  const isWanted = options.keepFrozen === true;
  let removal: Promise<void> | undefined;
  // What cannot be deleted now is a leftover of the next start's.
  const remove = () =>
    removal ??= dispatcher.run("removeBase", { name: frozen.tree.name }).then(() => {}, () => {});
  let isKept = false;
  try {
    const onTreeRead = () => {
      if (aliases !== undefined && !isWanted) remove();
    };
    const result = await packFrozen(services, frozen, { ...options, onTreeRead });
    isKept = aliases !== undefined && isWanted;
    return {
      ...result,
      ...(state === undefined ? {} : { state }),
      ...(problem === undefined ? {} : { freezeProblem: problem }),
      ...(isKept ? { frozen: { tree: frozen.tree, aliases: aliases! } } : {}),
    };
  } finally {
    if (aliases !== undefined && !isKept) await remove();
  }
}

async function freeze(
  dispatcher: Dispatcher,
  tree: Tree,
  signal: AbortSignal | undefined,
): Promise<FrozenTree> {
  const name = newTreeName(groupOf(tree.name));
  try {
    return await dispatcher.run("freezeTree", { tree, name }, { signal });
  } catch (error) {
    // An error that nothing caught fails a request whatever it has done by then.
    await dispatcher.run("removeBase", { name }).catch(() => {});
    throw error;
  }
}

async function packFrozen(
  { dispatcher, states }: PackServices,
  { tree, frozenAt, devices, state }: FrozenTree,
  options: RunOptions,
): Promise<PackResult> {
  const { baseline, reuse, signal } = options;
  const isKnown = baseline !== undefined && reuse.length > 0;
  const layers = reuse.map(({ digest }) => digest);
  const prepared = await dispatcher
    .run(
      "packPrepare",
      {
        tree,
        devices,
        reuse: layers,
        ...(isKnown ? { baseline } : {}),
        ...(frozenAt === undefined ? {} : { frozenAt }),
        ...(options.excludes ? { excludes: options.excludes } : {}),
      },
      { signal },
    );
  const { directories, syncedAt, problem, revisit, walkReason, aliases = [] } = prepared;
  const { excludes, ignoreFileProblem, memory } = prepared;
  const shared = states.acquire(directories ?? 0);
  const job: PackJob = {
    tree,
    name: `pack-${crypto.randomUUID()}`,
    parts: states.parts,
    ...(baseline !== undefined && directories !== undefined ? { baseline } : {}),
    ...(memory === undefined ? {} : { baselineMemory: memory }),
    ...(options.reuseIndex === undefined ? {} : { index: options.reuseIndex }),
    reuse: layers,
    syncedAt,
    isFrozen: frozenAt !== undefined,
    devices: devicesInBaseline(devices, aliases),
    aliases: aliases.filter(({ name }) => devices.some((device) => isSameName(device, name))),
    ...(state === undefined ? {} : { state }),
    ...(revisit === undefined ? {} : { revisit }),
    ...(excludes === undefined ? {} : { excludes }),
    ...(options.chunkMinBytes === undefined ? {} : { chunkMinBytes: options.chunkMinBytes }),
    shared: shared.memory,
  };
  const run = new PackRun(dispatcher, { job, shared, options });
  try {
    const result = await run.result();
    return {
      ...result,
      ...(problem === undefined ? {} : { baselineProblem: problem }),
      ...(walkReason === undefined ? {} : { walkReason }),
      ...(ignoreFileProblem === undefined ? {} : { ignoreFileProblem }),
    };
  } catch (error) {
    await run.discard();
    throw run.cause ?? error;
  } finally {
    // Every part has ended by now, and every layer was stored or failed to be.
    states.release(shared);
  }
}

/** One pack: its parts, and the layers that are on their way to the store. */
class PackRun {
  readonly #dispatcher: Dispatcher;
  readonly #job: PackJob;
  readonly #shared: SharedPackState;
  readonly #options: RunOptions;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #sealed: SealedLayer[] = [];
  readonly #stored: Promise<void>[] = [];
  /** One a part, to cancel a part that has not begun when the others have done everything. */
  readonly #unneeded: readonly AbortController[];
  /** The parts that the first part has asked for. */
  #helpers: Promise<PartResult | undefined>[] = [];
  /** The first error; everything else was cancelled because of it. */
  cause: unknown;
  #finished: FinishResult | undefined;
  #newIndex: SpooledBlob | undefined;

  constructor(
    dispatcher: Dispatcher,
    { job, shared, options }: { job: PackJob; shared: SharedPackState; options: RunOptions },
  ) {
    this.#dispatcher = dispatcher;
    this.#job = job;
    this.#shared = shared;
    this.#options = options;
    this.#unneeded = Array.from({ length: job.parts }, () => new AbortController());
    const { signal } = options;
    this.#signal = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal;
  }

  async result(): Promise<PackResult> {
    const parts = await this.#parts();
    const finished = this.#finished = await this.#dispatcher.run(
      "packFinish",
      { job: this.#job, parts, sealed: [...this.#sealed] },
      {
        signal: this.#signal,
        onEvent: (event) => this.#event(event),
        transfer: parts.flatMap(transferables),
      },
    );
    await Promise.all(this.#stored);
    const layers = finished.layers.map(descriptorOf);
    return {
      layers,
      index: finished.index,
      ...(this.#newIndex ? { newIndex: this.#newIndex } : {}),
      isNative: finished.isNative,
      newBaseline: finished.newBaseline,
      stats: this.#stats(parts, finished),
    };
  }

  /** Cancels the pack and deletes what it has made. */
  async discard(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#stored);
    const finished = this.#finished;
    const names = this.#sealed.map(({ file }) => file.path);
    await this.#dispatcher.run("discardSpool", {
      names: [...names, `${this.#job.name}-index`],
    });
    if (finished) await this.#dispatcher.run("dropBaseline", { name: finished.newBaseline });
  }

  /**
   * Runs the first part and, where it asks for help, one on every Worker that becomes free in time.
   */
  async #parts(): Promise<PartResult[]> {
    const first = this.#part(0);
    await Promise.allSettled([first]);
    // The first part cannot ask for help after its end.
    const all = [first, ...this.#helpers];
    await Promise.allSettled(all);
    const parts = (await Promise.all(all)).filter((result) => result !== undefined);
    const { announced } = this.#shared;
    const done = parts.reduce((sum, { items }) => sum + items, 0);
    if (done !== announced) {
      throw new DaemonError(
        "INTERNAL",
        `the pack came to ${done} of ${announced} folders and large files, so nothing was saved; try again`,
      );
    }
    return parts;
  }

  /** Runs a part. @returns `undefined` if the others had done everything before it began */
  async #part(part: number): Promise<PartResult | undefined> {
    const { signal } = this.#unneeded[part]!;
    let result: PartResult | undefined;
    try {
      await this.#dispatcher.run("packPart", { job: this.#job, part }, {
        signal: AbortSignal.any([this.#signal, signal]),
        onEvent: (event) => {
          if (event.kind === "result") result = event.result;
          else this.#event(event);
        },
      });
    } catch (error) {
      if (signal.aborted && !this.#signal.aborted) return undefined;
      throw this.#fail(error);
    }
    this.#unneeded.forEach((other, n) => {
      if (this.#shared.withdrawPart(n)) other.abort();
    });
    return result;
  }

  #startHelpers(): void {
    this.#helpers = this.#unneeded.slice(1).map((_, n) => this.#part(n + 1));
    // They are awaited after the first part, which may fail earlier.
    for (const helper of this.#helpers) helper.catch(() => {});
  }

  /** Cancels everything because of `error`, and returns it. */
  #fail(error: unknown): unknown {
    this.cause ??= error;
    this.#abort.abort(error);
    return error;
  }

  #event(event: PartEvent): void {
    switch (event.kind) {
      case "help":
        return this.#startHelpers();
      case "layer":
        return this.#storeLayer(event.layer);
      case "index":
        this.#options.onTreeRead();
        this.#newIndex = event.index;
        if (event.index && this.#options.onIndex) this.#store(this.#options.onIndex(event.index));
    }
  }

  #storeLayer(layer: SealedLayer): void {
    this.#sealed.push(layer);
    const stored = this.#options.onLayer({ ...descriptorOf(layer), file: layer.file });
    this.#store(stored.then(() => this.#shared.removeLayer()));
  }

  /** Fails the pack where a blob cannot be stored. */
  #store(blob: Promise<void>): void {
    const stored = blob.catch((error) => {
      throw this.#fail(error);
    });
    // It is awaited at the end; the pack may fail for another reason before.
    stored.catch(() => {});
    this.#stored.push(stored);
  }

  #stats(parts: readonly PartResult[], finished: FinishResult): PackStats {
    const totals = sumTotals([...parts.map((part) => part.totals), finished.totals]);
    const old = new Set(this.#options.reuse.map(({ digest }) => digest));
    const added = finished.layers.filter(({ digest }) => !old.has(digest));
    return {
      ...totals,
      newLayers: added.length,
      newLayerBytes: added.reduce((sum, { size }) => sum + size, 0),
    };
  }
}
