/**
 * Removes leftovers from the store while the daemon runs. Unfinished uploads, of writers that died or
 * never got the answer that began the upload, are not listed as objects but take space that is paid
 * for. Garbage collection removes them too, but runs only when an operator starts it.
 */

import { repeat } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import type { DaemonMetrics } from "./daemon_metrics.ts";

const log = logger("daemon");

const HOUR_MS = 3600_000;
/** Milliseconds from one sweep to the next; with {@link MAX_AGE_MS} less than a day. */
const INTERVAL_MS = 4 * HOUR_MS;
/**
 * An upload that began longer ago is taken for abandoned. Where its writer is still alive after all, it
 * begins the upload again.
 */
const MAX_AGE_MS = 18 * HOUR_MS;

/** Sweeps one store at intervals until it is disposed of. */
export class LeftoverSweeper implements AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #metrics: DaemonMetrics;
  readonly #stop = new AbortController();
  #sweeping: Promise<void> = Promise.resolve();

  constructor(store: ObjectStore, clock: Clock, metrics: DaemonMetrics) {
    this.#store = store;
    this.#clock = clock;
    this.#metrics = metrics;
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
    await repeat(async () => {
      await this.#sweep(signal);
      return INTERVAL_MS;
    }, { clock: this.#clock, signal, delay: Math.random() * INTERVAL_MS });
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    try {
      const olderThan = await this.#store.now({ signal }) - MAX_AGE_MS;
      const { count } = await this.#store.sweepLeftovers(olderThan, { signal });
      this.#metrics.leftoversRemoved(count);
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
