/** Sweeps for a collection: deletes the blobs that nothing was found to need. */

import { forEachIndex } from "../async/mod.ts";
import { type Clock, Stopwatch } from "../clock.ts";
import type { Digest } from "../digest.ts";
import type { CollectTally, ListedBlob } from "./collect_tally.ts";
import { LeaseHolder } from "./lease_holder.ts";
import type { ObjectStore } from "./object_store.ts";

/** Blobs condemned at a time. */
const BATCH_SIZE = 200;
/** Deletions under way at a time. */
const DELETE_CONCURRENCY = 8;
/** References are read again when the last reading is older; milliseconds. */
const MAX_MARK_AGE_MS = 5 * 60_000;

/** The options of a collection that a {@link Sweep} uses. */
export interface SweepBlobsOptions {
  /** Returns every blob that a live reference needs. */
  mark(signal?: AbortSignal): Promise<ReadonlySet<Digest>>;
  /** Deletions a second; as fast as it goes unless given. */
  deletesPerSecond?: number | undefined;
  clock: Clock;
  onProgress?(progress: { phase: "sweep"; done: number; total: number }): void;
  signal?: AbortSignal | undefined;
}

/** Deletes blobs that nothing needs, in batches that are announced to writers first. */
export class Sweep {
  readonly #store: ObjectStore;
  readonly #options: SweepBlobsOptions;
  readonly #cutoff: number;
  readonly #tally: CollectTally;
  readonly #lease: LeaseHolder;
  #live: ReadonlySet<Digest> = new Set();
  #marked: Stopwatch | undefined;

  constructor(
    store: ObjectStore,
    options: SweepBlobsOptions,
    cutoff: number,
    tally: CollectTally,
  ) {
    this.#store = store;
    this.#options = options;
    this.#cutoff = cutoff;
    this.#tally = tally;
    this.#lease = new LeaseHolder(store, options);
  }

  /** Deletes the blobs. Where it fails, the lease is left to expire: a deletion may still be in progress. */
  async run(unneeded: readonly ListedBlob[]): Promise<void> {
    const { clock, deletesPerSecond = Infinity, signal } = this.#options;
    // Writers that need a condemned blob wait, so a batch is not more than a second's deletions.
    const size = Math.min(BATCH_SIZE, Math.max(1, Math.floor(deletesPerSecond)));
    for (let at = 0; at < unneeded.length; at += size) {
      const begun = new Stopwatch(clock);
      await this.#sweepBatch(unneeded.slice(at, at + size));
      const done = Math.min(at + size, unneeded.length);
      this.#options.onProgress?.({ phase: "sweep", done, total: unneeded.length });
      const pause = size / deletesPerSecond * 1000 - begun.elapsed();
      if (pause > 0 && done < unneeded.length) await clock.sleep(pause, signal);
    }
    await this.#lease.withdraw();
  }

  async #sweepBatch(batch: readonly ListedBlob[]): Promise<void> {
    const { clock, mark, signal } = this.#options;
    if (!this.#marked || this.#marked.elapsed() > MAX_MARK_AGE_MS) {
      this.#marked = new Stopwatch(clock);
      this.#live = await mark(signal);
    }
    await this.#lease.condemn(batch.map(({ digest }) => digest));
    await forEachIndex(batch.length, DELETE_CONCURRENCY, signal, async (index, either) => {
      const blob = batch[index]!;
      const isDeleted = !this.#live.has(blob.digest) &&
        await this.#store.deleteBlob(blob.digest, {
          signal: either,
          olderThan: this.#cutoff,
          mayDelete: () => this.#lease.mayDelete(),
        });
      if (isDeleted) this.#tally.addDeleted(blob);
      else this.#tally.addSpared(blob);
    });
  }
}
