import { DaemonError } from "../errors.ts";
import { GitFailure } from "../git/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";

/** The initializers' metrics. */
export class InitializerMetrics {
  readonly #replaced;

  constructor(metrics: Metrics) {
    this.#replaced = metrics.counter(
      "wsdaemon_git_checkouts_replaced_total",
      "Restored checkouts that could not be updated and were cloned anew: git failed, the " +
        "repository was refused before git ran, or a bug of ours",
      ["reason"],
    );
  }

  /** Counts a checkout that was cloned anew, because of `error`. */
  replaced(error: unknown): void {
    const reason = error instanceof GitFailure
      ? "git"
      : error instanceof DaemonError && error.code !== "INTERNAL"
      ? "repository"
      : "bug";
    this.#replaced.inc({ reason });
  }
}
