/**
 * Collects the store at intervals while the daemon runs. Of several nodes on one store one does it: when
 * it was collected last is noted in the store, and the lease lets one collect at a time.
 */

import { repeat } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { type Operation, outsideOperations, withCaller } from "../operations/mod.ts";
import { lastCollection, type ObjectStore } from "../store/mod.ts";
import { SCHEDULE } from "../workspace/mod.ts";

const log = logger("daemon");

/** The part of an interval that is random, so that nodes do not begin at once. */
const JITTER = 0.2;
/** Milliseconds until another look after a failure, at most; an interval that is shorter is waited for. */
const RETRY_MS = 3600_000;
/** By how much the wall clock may differ from the monotonic one before it counts as set. Milliseconds. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

/** What a {@link CollectionSchedule} uses. */
export interface CollectionScheduleOptions {
  store: ObjectStore;
  clock: Clock;
  /** Milliseconds from the end of one collection of the store to the next. */
  every: number;
  /** Milliseconds; blobs that are younger are left alone. */
  graceMs: number;
  /** Begins a collection. */
  collect(): Promise<Operation>;
}

/** Collects one store at intervals until it is disposed of. */
export class CollectionSchedule implements AsyncDisposable {
  readonly #options: CollectionScheduleOptions;
  readonly #stop = new AbortController();
  /** The difference of both clocks when ages were right last. */
  #offset: number;
  /** The last collection of the store, and when that was seen first, by the monotonic clock. */
  #last: { endedAt: number; seenAt: number } | undefined;
  #collecting: Promise<void> = Promise.resolve();

  constructor(options: CollectionScheduleOptions) {
    this.#options = options;
    this.#offset = this.#currentOffset();
  }

  /** Collects once an interval has passed since the store's last collection, and at intervals then. */
  start(): void {
    if (this.#options.store.kind === "none") return;
    this.#collecting = outsideOperations(() =>
      withCaller({ peer: SCHEDULE }, () => this.#keepCollecting())
    );
  }

  /** Begins no collection any more. One that runs is ended by who owns its operation. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#collecting;
  }

  async #keepCollecting(): Promise<void> {
    const { clock, every } = this.#options;
    const { signal } = this.#stop;
    // Not right after a start, when the node has other work.
    const delay = Math.random() * JITTER * every;
    const collect = () =>
      this.#collectIfDue(signal).catch((error) => {
        if (signal.aborted) return 0;
        log.warn("Cannot collect the store, and will look again: {reason}", {
          reason: messageOf(error),
        });
        return Math.min(RETRY_MS, every);
      });
    await repeat(collect, { clock, signal, delay });
  }

  /** @returns milliseconds until the next look */
  async #collectIfDue(signal: AbortSignal): Promise<number> {
    const { every, graceMs } = this.#options;
    const since = await this.#sinceLast(signal);
    if (since < every) return every - since + Math.random() * JITTER * every;
    const moved = this.#currentOffset() - this.#offset;
    if (Math.abs(moved) > CLOCK_TOLERANCE_MS) {
      this.#offset += moved;
      log.warn(
        "This machine's clock was set by {seconds} s, so that ages of blobs are wrong for a while: the " +
          "store is collected after the grace of {hours} h",
        { seconds: Math.round(moved / 1000), hours: graceMs / 3600_000 },
      );
      return graceMs;
    }
    const operation = await this.#options.collect();
    await operation.ended;
    // Whoever holds the lease notes the end of its own collection.
    const isDone = operation.state === "succeeded";
    return isDone ? every * (1 + JITTER * Math.random()) : Math.min(RETRY_MS, every);
  }

  /** Returns how long ago the store was collected, at least, though clocks are set; milliseconds. */
  async #sinceLast(signal: AbortSignal): Promise<number> {
    const { store, clock } = this.#options;
    const endedAt = await lastCollection(store, { signal });
    if (endedAt === undefined) return Infinity;
    const now = clock.monotonic();
    if (this.#last?.endedAt !== endedAt) this.#last = { endedAt, seenAt: now };
    return Math.max(await store.now({ signal }) - endedAt, now - this.#last.seenAt);
  }

  #currentOffset(): number {
    const { clock } = this.#options;
    return clock.now() - clock.monotonic();
  }
}
