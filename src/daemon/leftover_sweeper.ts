/**
 * Tidies the store while the daemon runs: unfinished uploads of writers that died, or whose beginning
 * was answered into the void, are seen by nobody and paid for by somebody. Collection does the same,
 * but runs when an operator says so.
 */

import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { Counter, Metrics } from "../telemetry/mod.ts";

const log = logger("daemon");

const HOUR_MS = 3600_000;
/** From one sweep to the next; with {@link MAX_AGE_MS} less than a day. */
const INTERVAL_MS = 4 * HOUR_MS;
/** What was begun longer ago than that is taken for left; an upload that is not begins again. */
const MAX_AGE_MS = 18 * HOUR_MS;

export class LeftoverSweeper implements AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #removed: Counter;
  readonly #stop = new AbortController();
  #sweeping: Promise<void> = Promise.resolve();

  constructor(store: ObjectStore, clock: Clock, metrics: Metrics) {
    this.#store = store;
    this.#clock = clock;
    this.#removed = metrics.counter(
      "wsdaemon_store_leftovers_removed_total",
      "Unfinished uploads and temporary files of interrupted writers that were removed",
    );
  }

  /** Sweeps every {@link INTERVAL_MS}, first within that time, so that nodes do not do it at once. */
  start(): void {
    if (this.#store.kind !== "none") this.#sweeping = this.#keepSweeping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#sweeping;
  }

  async #keepSweeping(): Promise<void> {
    const { signal } = this.#stop;
    let delay = Math.random() * INTERVAL_MS;
    for (;;) {
      await this.#clock.sleep(delay, signal).catch(() => {});
      if (signal.aborted) return;
      await this.#sweep(signal);
      delay = INTERVAL_MS;
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    try {
      const olderThan = await this.#store.now({ signal }) - MAX_AGE_MS;
      const { count } = await this.#store.sweepLeftovers(olderThan, { signal });
      this.#removed.inc(count);
      if (count > 0) log.info("Removed {count} leftovers of interrupted writers", { count });
    } catch (error) {
      if (signal.aborted) return;
      log.warn("Cannot tidy the store, and will try again in {hours} h: {cause}", {
        hours: INTERVAL_MS / HOUR_MS,
        cause: messageOf(error),
      });
    }
  }
}
