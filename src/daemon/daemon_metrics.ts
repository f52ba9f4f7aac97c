/** The metrics of the daemon as a whole. */

import type { Counter, Gauge, Metrics } from "../telemetry/mod.ts";
import type { Uncaught } from "../uncaught.ts";

/** Records what concerns no single workspace, call or operation of the store. */
export class DaemonMetrics {
  readonly #build: Gauge<"deno" | "revision" | "version">;
  readonly #storeUp: Gauge;
  readonly #leftoversRemoved: Counter;
  readonly #uncaught: Counter<"kind">;
  readonly #certificateExpiry: Gauge<"part">;
  readonly #certificatesReloaded: Gauge;

  /** @param droppedLines returns how many lines of the log were dropped so far */
  constructor(metrics: Metrics, droppedLines: () => number) {
    this.#build = metrics.gauge(
      "wsdaemon_build_info",
      "Always 1; its labels say what runs",
      ["version", "revision", "deno"],
    );
    this.#storeUp = metrics.gauge(
      "wsdaemon_store_up",
      "Whether the store answered the last probe",
    );
    this.#leftoversRemoved = metrics.counter(
      "wsdaemon_store_leftovers_removed_total",
      "Unfinished uploads and temporary files of interrupted writers that were removed",
    );
    this.#uncaught = metrics.counter(
      "wsdaemon_uncaught_exceptions_total",
      "Exceptions and rejections that nothing caught: bugs",
      ["kind"],
    );
    this.#uncaught.inc({ kind: "exception" }, 0);
    this.#uncaught.inc({ kind: "rejection" }, 0);
    this.#certificateExpiry = metrics.gauge(
      "wsdaemon_tls_certificate_expiry_timestamp_seconds",
      "When the first certificate of a file in use ends, in seconds since the epoch",
      ["part"],
    );
    this.#certificatesReloaded = metrics.gauge(
      "wsdaemon_tls_reload_success",
      "0 while those certificates cannot be used that the last SIGHUP has found; else 1",
    );
    this.#certificatesReloaded.set(1);
    metrics.observedCounter(
      "wsdaemon_log_lines_dropped_total",
      "Lines of the log that stderr did not take",
      droppedLines,
    );
  }

  /** Records which versions of wsdaemon and Deno run, and the commit. */
  runs(labels: { version: string; revision: string; deno: string }): void {
    this.#build.set(labels, 1);
  }

  /** Records whether the store answered the last probe. */
  storeProbed(answered: boolean): void {
    this.#storeUp.set(answered ? 1 : 0);
  }

  /** Counts what a sweep of the store removed. */
  leftoversRemoved(count: number): void {
    this.#leftoversRemoved.inc(count);
  }

  /** Records when the first certificate of a file ends. Seconds since the epoch. */
  certificateExpires(part: "cert" | "clientCa", seconds: number): void {
    this.#certificateExpiry.set({ part }, seconds);
  }

  /** Records whether the certificates that were read last are in use. */
  certificatesReloaded(succeeded: boolean): void {
    this.#certificatesReloaded.set(succeeded ? 1 : 0);
  }

  /** Counts a bug that no operation caught. */
  uncaught(kind: Uncaught["kind"]): void {
    this.#uncaught.inc({ kind });
  }
}
