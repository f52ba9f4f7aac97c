/** The metrics of quotas and of what workspaces take on disk. */

import type { VolumeChoice } from "../content/mod.ts";
import type { Gauge, Metrics } from "../telemetry/mod.ts";

/** What one workspace takes on disk. */
export interface WorkspaceUsage {
  workspace: string;
  bytes: number;
}

/** Records how trees are made and limited. */
export class QuotaMetrics {
  readonly #driver: Gauge<"driver">;
  readonly #volume: Gauge<"quota" | "volume">;

  /** @param usages reads what each workspace takes, as the file system counts it */
  constructor(metrics: Metrics, usages: () => Promise<WorkspaceUsage[]>) {
    this.#driver = metrics.gauge(
      "wsdaemon_quota_driver",
      "1 for the quota driver in use",
      ["driver"],
    );
    this.#volume = metrics.gauge(
      "wsdaemon_volume_info",
      "Always 1; its labels say what new trees are and how the file system counts them",
      ["volume", "quota"],
    );
    metrics.observedGauges(
      "wsdaemon_workspace_disk_bytes",
      "What a workspace takes on disk, as the file system's quotas count it",
      ["workspace"],
      async () =>
        (await usages()).map(({ workspace, bytes }) => ({ labels: { workspace }, value: bytes })),
    );
  }

  /** Records what was chosen at the start. */
  chosen({ kind, quota }: VolumeChoice): void {
    this.#driver.set({ driver: quota === "none" ? "none" : kind }, 1);
    this.#volume.set({ volume: kind, quota }, 1);
  }
}
