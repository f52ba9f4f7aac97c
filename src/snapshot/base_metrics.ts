import type { Metrics } from "../telemetry/mod.ts";

/**
 * How the tree of an image came about: `hit` by cloning a base that was there, `joined` by cloning one
 * that another init was restoring, `miss` by restoring it.
 */
export type BaseOutcome = "hit" | "joined" | "miss";

/** Why a base was deleted: all of them took too much, or too little of the disk was free. */
export type EvictionReason = "size" | "space";

/** The metrics of bases. */
export class BaseMetrics {
  readonly #restores;
  readonly #evictions;

  /** @param read returns how many bases there are, and the bytes that they take */
  constructor(metrics: Metrics, read: () => { count: number; bytes: number }) {
    this.#restores = metrics.counter(
      "wsdaemon_base_restores_total",
      "Images that trees were made of, by whether a base of it was cloned: hit, joined, miss",
      ["outcome"],
    );
    this.#evictions = metrics.counter(
      "wsdaemon_base_evictions_total",
      "Bases that were deleted to make room, by reason: size or space",
      ["reason"],
    );
    for (const outcome of ["hit", "joined", "miss"] as const) this.#restores.inc({ outcome }, 0);
    for (const reason of ["size", "space"] as const) this.#evictions.inc({ reason }, 0);
    metrics.observedGauge("wsdaemon_bases", "Bases on this node", () => read().count);
    metrics.observedGauge(
      "wsdaemon_base_bytes",
      "What the bases would take if they shared nothing with workspaces and each other",
      () => read().bytes,
    );
  }

  /** Counts an image that a tree was made of. */
  restored(outcome: BaseOutcome): void {
    this.#restores.inc({ outcome });
  }

  /** Counts a base that was deleted to make room. */
  evicted(reason: EvictionReason): void {
    this.#evictions.inc({ reason });
  }
}
