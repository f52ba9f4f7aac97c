/** The metrics of object stores, `wsdaemon_store_*`. */

import { asDaemonError, type ErrorCode } from "../errors.ts";
import type { Counter, Histogram, Metrics } from "../telemetry/mod.ts";

/** A failed request to an object store's server. */
export interface FailedRequest {
  /** What went wrong, one of a few constants. */
  readonly kind: string;
}

/** Records what one store does. Several stores of one process share the metrics, labelled by kind. */
export class StoreMetrics {
  readonly #kind: string;
  readonly #operations: Counter<"operation" | "store">;
  readonly #errors: Counter<"code" | "operation" | "store">;
  readonly #seconds: Histogram<"operation" | "store">;
  readonly #blobBytes: Counter<"outcome" | "store">;
  readonly #requests: Counter<"method" | "status" | "store">;
  readonly #bytes: Counter<"direction" | "store">;
  readonly #requestErrors: Counter<"kind" | "store">;
  readonly #retries: Counter<"reason" | "store">;

  constructor(metrics: Metrics, kind: string) {
    this.#kind = kind;
    this.#operations = metrics.counter(
      "wsdaemon_store_operations_total",
      "Operations on the object store that ended, well or badly",
      ["store", "operation"],
    );
    this.#errors = metrics.counter(
      "wsdaemon_store_errors_total",
      "Operations on the object store that failed for good, by gRPC code",
      ["store", "operation", "code"],
    );
    this.#seconds = metrics.histogram(
      "wsdaemon_store_operation_seconds",
      "How long operations on the object store took, their retries included",
      ["store", "operation"],
    );
    this.#blobBytes = metrics.counter(
      "wsdaemon_store_blob_bytes_total",
      "Bytes of blobs put: stored, or spared because they were there already",
      ["store", "outcome"],
    );
    this.#requests = metrics.counter(
      "wsdaemon_store_requests_total",
      "Requests that the object store's server answered, by HTTP status",
      ["store", "method", "status"],
    );
    this.#bytes = metrics.counter(
      "wsdaemon_store_transferred_bytes_total",
      "Bytes of bodies sent to and received from the object store's server",
      ["store", "direction"],
    );
    this.#requestErrors = metrics.counter(
      "wsdaemon_store_request_errors_total",
      "Requests that failed, answered or not, by kind",
      ["store", "kind"],
    );
    this.#retries = metrics.counter(
      "wsdaemon_store_retries_total",
      "Requests sent again, by what had gone wrong",
      ["store", "reason"],
    );
  }

  /** Runs an operation, and counts and times it. A failure with the code `expected` is not counted as one. */
  async measure<T>(
    operation: string,
    work: () => Promise<T>,
    expected?: ErrorCode,
  ): Promise<T> {
    const labels = { store: this.#kind, operation };
    const stop = this.#seconds.startTimer(labels);
    try {
      return await work();
    } catch (error) {
      const { code } = asDaemonError(error, "INTERNAL");
      if (code !== expected) this.#errors.inc({ ...labels, code });
      throw error;
    } finally {
      stop();
      this.#operations.inc(labels);
    }
  }

  /** Counts a blob that was put. @param stored false where it was stored already */
  onBlob(stored: boolean, size: number): void {
    this.#blobBytes.inc({ store: this.#kind, outcome: stored ? "stored" : "spared" }, size);
  }

  /** Counts an answer of the server by its HTTP status. */
  onAnswer(method: string, status: number): void {
    this.#requests.inc({ store: this.#kind, method, status: String(status) });
  }

  /** Counts bytes of bodies. */
  onBytes(direction: "received" | "sent", bytes: number): void {
    this.#bytes.inc({ store: this.#kind, direction }, bytes);
  }

  /** Counts a request that failed. */
  onFailure({ kind }: FailedRequest): void {
    this.#requestErrors.inc({ store: this.#kind, kind });
  }

  /** Counts a request that is sent again. */
  onRetry({ kind }: FailedRequest): void {
    this.#retries.inc({ store: this.#kind, reason: kind });
  }
}
