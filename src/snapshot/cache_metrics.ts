import type { Metrics } from "../telemetry/mod.ts";

/**
 * How what was asked for came about: `hit` where it was there, `joined` where another was making it,
 * `miss` where it had to be made.
 */
export type CacheOutcome = "hit" | "joined" | "miss";

/** Why an entry was deleted: all of them took too much, or too little of the disk was free. */
export type EvictionReason = "size" | "space";

type CounterName = Parameters<Metrics["counter"]>[0];
type GaugeName = Parameters<Metrics["observedGauge"]>[0];

/** The metrics of one of the node's caches, and what is said of each. */
export interface CacheMetricsOptions {
  readonly uses: readonly [name: CounterName, help: string];
  readonly evictions: readonly [name: CounterName, help: string];
  readonly count: readonly [name: GaugeName, help: string];
  readonly bytes: readonly [name: GaugeName, help: string];
  /** Returns how many entries there are, and the bytes that they take. */
  read(): { count: number; bytes: number };
}

/** Counts the uses and evictions of a cache, and shows what is in it. */
export class CacheMetrics {
  readonly #uses;
  readonly #evictions;

  constructor(metrics: Metrics, { uses, evictions, count, bytes, read }: CacheMetricsOptions) {
    this.#uses = metrics.counter(...uses, ["outcome"]);
    this.#evictions = metrics.counter(...evictions, ["reason"]);
    for (const outcome of ["hit", "joined", "miss"] as const) this.#uses.inc({ outcome }, 0);
    for (const reason of ["size", "space"] as const) this.#evictions.inc({ reason }, 0);
    metrics.observedGauge(...count, () => read().count);
    metrics.observedGauge(...bytes, () => read().bytes);
  }

  /** Counts one use. */
  used(outcome: CacheOutcome): void {
    this.#uses.inc({ outcome });
  }

  /** Counts an entry that was deleted to make room. */
  evicted(reason: EvictionReason): void {
    this.#evictions.inc({ reason });
  }
}
