/**
 * Packing, as the daemon's own thread sees it: it starts a part on every Worker, hands finished
 * layers on as they come, and has one Worker put everything together at the end.
 */

import { DaemonError } from "../../errors.ts";
import type { PackOptions, PackResult, PackStats, Tree } from "../content.ts";
import type { Dispatcher } from "../dispatcher.ts";
import { Backlog } from "./backlog.ts";
import { Begun } from "./begun.ts";
import { InodeClaims } from "./claims.ts";
import type { FinishResult } from "./merge/finish.ts";
import { Visited } from "./visited.ts";
import type { SealedLayer } from "./write/layer_writer.ts";
import { transferables } from "./buffers.ts";
import type { PackJob, PartEvent, PartResult } from "./part.ts";
import { sumTotals } from "./part_stats.ts";
import { WorkQueue } from "./work_queue.ts";

/** Packs a tree; see {@link Content.pack}. */
export async function pack(
  dispatcher: Dispatcher,
  tree: Tree,
  options: PackOptions,
): Promise<PackResult> {
  const { job, problem } = await newJob(dispatcher, tree, options);
  const run = new PackRun(dispatcher, job, options);
  try {
    const result = await run.result();
    return problem === undefined ? result : { ...result, baselineProblem: problem };
  } catch (error) {
    await run.discard();
    throw run.cause ?? error;
  }
}

async function newJob(
  dispatcher: Dispatcher,
  tree: Tree,
  { baseline, reuse, signal }: PackOptions,
): Promise<{ job: PackJob; problem: string | undefined }> {
  const isKnown = baseline !== undefined && reuse.length > 0;
  const { directories, syncedAt: settledAt, problem } = await dispatcher.run(
    "packPrepare",
    { tree, ...(isKnown ? { baseline } : {}) },
    { signal },
  );
  const queue = WorkQueue.memory();
  const top = new WorkQueue(queue);
  top.announce();
  top.give({ kind: "directory", key: 0, path: new Uint8Array(0) });
  const job: PackJob = {
    tree,
    name: `pack-${crypto.randomUUID()}`,
    parts: dispatcher.workers,
    ...(baseline !== undefined && directories !== undefined ? { baseline } : {}),
    reuse: reuse.map(({ digest }) => digest),
    syncedAt: settledAt,
    queue,
    claims: InodeClaims.memory(),
    visited: Visited.memory(directories ?? 0),
    backlog: Backlog.memory(),
    begun: Begun.memory(dispatcher.workers),
  };
  return { job, problem };
}

class PackRun {
  readonly #dispatcher: Dispatcher;
  readonly #job: PackJob;
  readonly #options: PackOptions;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #backlog: Backlog;
  readonly #sealed: SealedLayer[] = [];
  readonly #stored: Promise<void>[] = [];
  /** What went wrong first; the rest was cancelled because of it. */
  cause: unknown;
  #finished: FinishResult | undefined;

  constructor(dispatcher: Dispatcher, job: PackJob, options: PackOptions) {
    this.#dispatcher = dispatcher;
    this.#job = job;
    this.#options = options;
    this.#backlog = new Backlog(job.backlog);
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
    const layers = finished.layers.map(({ digest, size, diffId }) => ({ digest, size, diffId }));
    return {
      layers,
      index: finished.index,
      newBaseline: finished.newBaseline,
      stats: this.#stats(parts, finished),
    };
  }

  /** Deletes what the pack has made. */
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

  /** Runs a part on every Worker that becomes free before all is done. */
  async #parts(): Promise<PartResult[]> {
    const unneeded = Array.from({ length: this.#job.parts }, () => new AbortController());
    const results = unneeded.map((_, part) => this.#part(part, unneeded));
    await Promise.allSettled(results);
    const parts = (await Promise.all(results)).filter((result) => result !== undefined);
    const { announced } = new WorkQueue(this.#job.queue);
    const done = parts.reduce((sum, { items }) => sum + items, 0);
    if (done !== announced) {
      throw new DaemonError(
        "INTERNAL",
        `the pack came to ${done} of ${announced} folders and large files, so nothing was saved; try again`,
      );
    }
    return parts;
  }

  /** @returns `undefined` where the others had done everything before this one began */
  async #part(
    part: number,
    unneeded: readonly AbortController[],
  ): Promise<PartResult | undefined> {
    const { signal } = unneeded[part]!;
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
    const begun = new Begun(this.#job.begun);
    unneeded.forEach((other, n) => {
      if (begun.withdraw(n)) other.abort();
    });
    return result;
  }

  /** Cancels everything, because of `error`. */
  #fail(error: unknown): unknown {
    this.cause ??= error;
    this.#abort.abort(error);
    return error;
  }

  #event(event: PartEvent): void {
    if (event.kind !== "layer") return;
    const { layer } = event;
    this.#sealed.push(layer);
    const { digest, size, diffId, file } = layer;
    const stored = this.#options.onLayer({ digest, size, diffId, file }).then(
      () => this.#backlog.remove(),
      (error) => {
        throw this.#fail(error);
      },
    );
    // It is awaited at the end; until then the pack may fail for another reason.
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
