/** The metrics of gRPC calls, `wsdaemon_grpc_*`. */

import type { Counter, Histogram, Metrics } from "../telemetry/mod.ts";

/** Why a TLS handshake failed, as the label `reason`. */
export type HandshakeFailure =
  | "bad_certificate"
  | "closed"
  | "no_certificate"
  | "not_tls"
  | "other"
  | "refused_by_client";

/** Records the calls of one server. */
export class RpcMetrics {
  readonly #metrics: Metrics;
  readonly #calls: Counter<"code" | "method">;
  readonly #seconds: Histogram<"method">;
  readonly #handshakeFailures: Counter<"reason">;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#calls = metrics.counter("wsdaemon_grpc_calls_total", "gRPC calls that have ended", [
      "method",
      "code",
    ]);
    this.#seconds = metrics.histogram(
      "wsdaemon_grpc_call_duration_seconds",
      "Time from a unary call's headers to its status",
      ["method"],
    );
    this.#handshakeFailures = metrics.counter(
      "wsdaemon_tls_handshake_failures_total",
      "TLS handshakes that failed, by what is known of why",
      ["reason"],
    );
  }

  /** Serves how many calls are under way, read when somebody scrapes. May be called once. */
  observeInFlight(read: () => number): void {
    this.#metrics.observedGauge(
      "wsdaemon_grpc_calls_in_flight",
      "gRPC calls that have not ended",
      read,
    );
  }

  /** Counts a TLS handshake that failed. */
  handshakeFailed(reason: HandshakeFailure): void {
    this.#handshakeFailures.inc({ reason });
  }

  /** Counts a call that has ended, by the name of its code. */
  ended(method: string, code: string): void {
    this.#calls.inc({ method, code });
  }

  /** Records how long a unary call took, in seconds. */
  took(method: string, seconds: number): void {
    this.#seconds.observe({ method }, seconds);
  }
}
