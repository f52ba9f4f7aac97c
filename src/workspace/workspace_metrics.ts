import type { Omissions, PackStats } from "../content/mod.ts";
import { GaveWay } from "../async/mod.ts";
import { DaemonError } from "../errors.ts";
import type { OtherLineages } from "../snapshot/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";

/** An operation that is timed, as the label `operation`. */
export type Operation = "init" | "snapshot" | "backup" | "dispose";

/** What became of a scheduled backup, or of an attempt at one; as the label `outcome`. */
export type ScheduledOutcome = "stored" | "unchanged" | "superseded" | "failed" | "late";

const SCHEDULED_OUTCOMES: readonly ScheduledOutcome[] = [
  "stored",
  "unchanged",
  "superseded",
  "failed",
  "late",
];

/** The lifecycle's metrics, all named `wsdaemon_workspace…`; counts only, nothing durable. */
export class WorkspaceMetrics {
  readonly #seconds;
  readonly #bytesRead;
  readonly #bytesStored;
  readonly #unstable;
  readonly #workspaces;
  readonly #awaitingDeletion;
  readonly #deletionFailures;
  readonly #terminalLogs;
  readonly #notRestored;
  readonly #unrestorable;
  readonly #overQuota;
  readonly #scheduled;
  readonly #otherLineages;

  constructor(metrics: Metrics) {
    this.#seconds = metrics.histogram(
      "wsdaemon_workspace_operation_seconds",
      "Duration of operations on workspaces by outcome, OK or an error's code",
      ["operation", "outcome"],
    );
    this.#bytesRead = metrics.counter(
      "wsdaemon_workspace_read_bytes_total",
      "Content bytes read for snapshots and backups",
    );
    this.#bytesStored = metrics.counter(
      "wsdaemon_workspace_stored_bytes_total",
      "Compressed bytes of new layers",
    );
    this.#unstable = metrics.counter(
      "wsdaemon_workspace_unstable_files_total",
      "Files and folders that would not hold still while they were packed",
    );
    this.#workspaces = metrics.gauge(
      "wsdaemon_workspaces",
      "Workspaces on this node by state",
      ["state"],
    );
    this.#awaitingDeletion = metrics.gauge(
      "wsdaemon_workspace_deletions_pending",
      "Trees and groups of temporary files that are being deleted, or could not be and are tried again",
    );
    this.#deletionFailures = metrics.counter(
      "wsdaemon_workspace_deletion_failures_total",
      "Attempts at deleting content that left something behind",
    );
    this.#notRestored = metrics.counter(
      "wsdaemon_workspace_not_restored_total",
      "What initialisations did not restore or extract as it was, by kind",
      ["kind"],
    );
    this.#unrestorable = metrics.counter(
      "wsdaemon_workspace_unrestorable_total",
      "What images have that a daemon with the rights of this one could not restore, by kind",
      ["kind"],
    );
    this.#overQuota = metrics.counter(
      "wsdaemon_workspace_restored_over_quota_total",
      "Workspaces whose own content was restored though it exceeds their quota",
    );
    this.#scheduled = metrics.counter(
      "wsdaemon_workspace_scheduled_backups_total",
      "Scheduled backups by outcome; failed counts attempts, late those that took longer than backup.every",
      ["outcome"],
    );
    for (const outcome of SCHEDULED_OUTCOMES) this.#scheduled.inc({ outcome }, 0);
    this.#otherLineages = metrics.counter(
      "wsdaemon_workspace_other_lineages_total",
      "Backups that nobody went on from and a backup of another workspace of the identity met: kept " +
        "beside it, or dropped because there were too many",
      ["outcome"],
    );
    this.#terminalLogs = metrics.counter(
      "wsdaemon_workspace_terminal_logs_total",
      "Terminal logs of disposed workspaces: stored, cut (stored in part), failed, excess (too many)",
      ["outcome"],
    );
  }

  /** Counts terminal logs that a disposal was asked to store. */
  terminalLog(outcome: "stored" | "cut" | "failed" | "excess", count = 1): void {
    this.#terminalLogs.inc({ outcome }, count);
  }

  /** Counts a scheduled backup, or a failed attempt at one. */
  scheduled(outcome: ScheduledOutcome): void {
    this.#scheduled.inc({ outcome });
  }

  /** Times `work` as one operation, unless it gives way; returns or throws what it does. */
  async time<T>(operation: Operation, work: Promise<T>): Promise<T> {
    const end = this.#seconds.startTimer({ operation });
    try {
      const result = await work;
      end({ outcome: "OK" });
      return result;
    } catch (error) {
      if (error instanceof GaveWay) throw error;
      end({ outcome: error instanceof DaemonError ? error.code : "INTERNAL" });
      throw error;
    }
  }

  /** Counts what a restore or an extraction left out. */
  restored({ counts }: Omissions): void {
    for (const [kind, count] of Object.entries(counts)) this.#notRestored.inc({ kind }, count);
  }

  /** Counts a workspace that was restored over its quota. */
  overQuota(): void {
    this.#overQuota.inc();
  }

  /** Counts what a backup met of other lineages. */
  otherLineages({ displaced, dropped }: OtherLineages): void {
    if (displaced !== undefined) this.#otherLineages.inc({ outcome: "kept" });
    this.#otherLineages.inc({ outcome: "dropped" }, dropped.length);
  }

  /** Counts what a pack read, stored, and found unstable or unrestorable. */
  packed(stats: PackStats): void {
    const { counts } = stats.unrestorable;
    for (const [kind, count] of Object.entries(counts)) this.#unrestorable.inc({ kind }, count);
    this.#bytesRead.inc(stats.bytesRead);
    this.#bytesStored.inc(stats.newLayerBytes);
    this.#unstable.inc(stats.unstableCount);
  }

  /** Records that a workspace went from one state to another; `NONE` is not counted. */
  moved(from: string, to: string): void {
    if (from !== "NONE") this.#workspaces.dec({ state: from });
    if (to !== "NONE") this.#workspaces.inc({ state: to });
  }

  /** Records that one more thing is to be deleted, or one fewer. */
  awaitingDeletion(change: 1 | -1): void {
    if (change > 0) this.#awaitingDeletion.inc();
    else this.#awaitingDeletion.dec();
  }

  /** Counts an attempt that could not delete everything. */
  deletionFailed(): void {
    this.#deletionFailures.inc();
  }
}
