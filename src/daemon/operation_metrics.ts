/** Metrics of the operations of this node. */

import type { Clock } from "../clock.ts";
import type { Reason } from "../errors.ts";
import type {
  Operation,
  OperationKind,
  OperationObserver,
  OperationRegistry,
} from "../operations/mod.ts";
import type { Counter, Gauge, Metrics } from "../telemetry/mod.ts";
import { operationsNeedingAttention } from "./operation_attention.ts";

/** Kinds that are operations of their own; all others are steps of these. */
const KINDS: readonly OperationKind[] = [
  "init",
  "snapshot",
  "backup",
  "dispose",
  "deletion",
  "collection",
  "verification",
  "drain",
];

/**
 * Failures that are counted from 0, so that the first one after a start is an increase: those that
 * `scripts/monitoring/wsdaemon.rules.yml` names, and why saves fail.
 */
const COUNTED_FROM_ZERO: readonly Reason[] = [
  "FINAL_SAVE_FAILED",
  "INTERNAL_ERROR",
  "NODE_OUT_OF_SPACE",
  "STORED_DATA_DAMAGED",
  "STORE_FULL",
  "STORE_REFUSED",
  "STORE_UNAVAILABLE",
];

/** Counts failures and collections as they happen, and reads what runs when somebody scrapes. */
export class OperationMetrics implements OperationObserver {
  readonly #failures: Counter<"kind" | "reason">;
  readonly #lastCollection: Gauge;
  readonly #collectedBlobs: Gauge<"what">;
  readonly #collectedBytes: Gauge<"what">;

  constructor(metrics: Metrics, operations: OperationRegistry, clock: Clock) {
    this.#failures = metrics.counter(
      "wsdaemon_operation_failures_total",
      "Operations that failed in the end, by the reason that docs/api.md lists",
      ["kind", "reason"],
    );
    for (const kind of ["init", "snapshot", "backup", "dispose"] as const) {
      for (const reason of COUNTED_FROM_ZERO) this.#failures.inc({ kind, reason }, 0);
    }
    this.#lastCollection = metrics.gauge(
      "wsdaemon_collection_last_success_timestamp_seconds",
      "When a collection that this daemon ran last ended well, since the epoch; 0 for never",
    );
    this.#collectedBlobs = metrics.gauge(
      "wsdaemon_collection_blobs",
      "Blobs that the last collection which this daemon ran well found live or young, or deleted",
      ["what"],
    );
    this.#collectedBytes = metrics.gauge(
      "wsdaemon_collection_bytes",
      "The bytes of these blobs",
      ["what"],
    );
    serveRunning(metrics, operations, clock);
    serveAttention(metrics, operations, clock);
    servePending(metrics, operations, clock);
  }

  began(): void {}

  ended({ kind, parent, state, failure, figures, endedAt = 0 }: Operation): void {
    if (parent) return;
    if (state === "failed" && failure) this.#failures.inc({ kind, reason: failure.reason });
    if (state !== "succeeded" || kind !== "collection" || figures["dry_run"]) return;
    this.#lastCollection.set(endedAt / 1000);
    for (const what of ["live", "young", "deleted"] as const) {
      this.#collectedBlobs.set({ what }, figures[`${what}_blobs`] ?? 0);
      this.#collectedBytes.set({ what }, figures[`${what}_bytes`] ?? 0);
    }
  }
}

function serveRunning(metrics: Metrics, operations: OperationRegistry, clock: Clock): void {
  const byKind = (valueOf: (running: readonly Operation[]) => number) => () => {
    const running = operations.running();
    return Promise.resolve(
      KINDS.map((kind) => ({
        labels: { kind },
        value: valueOf(running.filter((one) => one.kind === kind)),
      })),
    );
  };
  metrics.observedGauges(
    "wsdaemon_operations",
    "Operations under way: running, or waiting in a queue",
    ["kind", "state"],
    () => {
      const running = operations.running();
      const count = (kind: OperationKind, isWaiting: boolean) =>
        running.filter((one) => one.kind === kind && (one.queue !== undefined) === isWaiting)
          .length;
      return Promise.resolve(KINDS.flatMap((kind) => [
        { labels: { kind, state: "running" }, value: count(kind, false) },
        { labels: { kind, state: "waiting" }, value: count(kind, true) },
      ]));
    },
  );
  metrics.observedGauges(
    "wsdaemon_operation_oldest_seconds",
    "How long the oldest operation under way has taken; 0 for none",
    ["kind"],
    byKind((running) => oldestAge(running, clock)),
  );
  metrics.observedGauges(
    "wsdaemon_operation_bytes",
    "Bytes that operations under way have done so far",
    ["kind"],
    byKind((running) => running.reduce((sum, { progress }) => sum + progress.read().bytes, 0)),
  );
}

/** Names the operations that somebody should look at. There are few of them at a time. */
function serveAttention(metrics: Metrics, operations: OperationRegistry, clock: Clock): void {
  metrics.observedGauges(
    "wsdaemon_operation_attention_info",
    "Always 1: operations that somebody should look at, at most 60",
    ["operation", "kind", "workspace", "state", "reason"],
    () =>
      Promise.resolve(
        operationsNeedingAttention(operations.all(), clock.now()).map(({ operation, state }) => ({
          labels: {
            operation: operation.id,
            kind: operation.kind,
            workspace: operation.subject.workspace ?? "",
            state,
            reason: operation.failure?.reason ?? "",
          },
          value: 1,
        })),
      ),
  );
}

/** Serves figures of promised snapshots, each of which is tried until it is stored. */
function servePending(metrics: Metrics, operations: OperationRegistry, clock: Clock): void {
  const pending = () =>
    operations.running().filter(({ kind, maxAttempts }) =>
      kind === "snapshot" && maxAttempts === Infinity
    );
  metrics.observedGauge(
    "wsdaemon_snapshots_pending",
    "Snapshots that were promised and are not stored yet",
    () => pending().length,
  );
  metrics.observedGauge(
    "wsdaemon_snapshots_pending_oldest_seconds",
    "How long the oldest of them has been tried, since the start at most; 0 for none",
    () => oldestAge(pending(), clock),
  );
}

function oldestAge(operations: readonly Operation[], clock: Clock): number {
  const starts = operations.map(({ startedAt }) => startedAt);
  return starts.length === 0 ? 0 : Math.max(0, clock.now() - Math.min(...starts)) / 1000;
}
