/** What trees of this root are made of, and what limits a workspace's own processes. */

import type { Config } from "../config/mod.ts";
import type { Content, VolumeChoice } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";

const log = logger("daemon");

/**
 * Decides on the driver, logs what was chosen and why, and serves what workspaces take. What the
 * daemon itself writes into a workspace is limited always; limits on what runs in the workspace need
 * the file system.
 * @throws {DaemonError} FAILED_PRECONDITION where the config names a driver that cannot work.
 */
export async function chooseQuotaDriver(
  driver: Config["quota"]["driver"],
  content: Content,
  metrics: Metrics,
): Promise<void> {
  if (driver === "xfs" || driver === "loop") {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot enforce quotas with quota.driver ${driver}, which this version does not have; use ` +
        '"auto", "btrfs" or "none"',
    );
  }
  const choice = await content.chooseVolume(driver);
  report(choice);
  metrics.gauge("wsdaemon_quota_driver", "1 for the quota driver in use", ["driver"])
    .set({ driver: choice.quota === "none" ? "none" : choice.kind }, 1);
  metrics.gauge(
    "wsdaemon_volume_info",
    "Always 1; its labels say what new trees are and how the file system counts them",
    ["volume", "quota"],
  ).set({ volume: choice.kind, quota: choice.quota }, 1);
  serveUsages(content, metrics);
}

function report({ kind, quota, reason }: VolumeChoice): void {
  log.info("Workspaces are {what}, because {reason}", {
    what: kind === "btrfs" ? "subvolumes of btrfs" : "plain folders",
    reason,
  });
  if (quota !== "none") {
    log.info("Quotas limit the processes of a workspace, too: {quota} quotas of btrfs", { quota });
  } else {
    log.warn("Quotas limit only what the daemon itself writes into a workspace");
  }
}

/** Both are asked for when somebody scrapes them. */
function serveUsages(content: Content, metrics: Metrics): void {
  metrics.observedGauges(
    "wsdaemon_workspace_disk_bytes",
    "What a workspace takes on disk, as the file system's quotas count it",
    ["workspace"],
    async () =>
      [...await content.usages()].map(([workspace, { bytes }]) => ({
        labels: { workspace },
        value: bytes,
      })),
  );
}
