/** Chooses what trees of this root are made of, and what limits a workspace's own processes. */

import type { Config } from "../config/mod.ts";
import type { Content, VolumeChoice } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { QuotaMetrics, type WorkspaceUsage } from "./quota_metrics.ts";

const log = logger("daemon");

/**
 * Decides on the driver, logs what was chosen and why, serves metrics of what workspaces take, and
 * returns the choice. What the daemon itself writes into a workspace is limited always; limits on what
 * runs in the workspace need
 * the file system.
 * @throws {DaemonError} FAILED_PRECONDITION where the config names a driver that cannot work
 */
export async function chooseQuotaDriver(
  driver: Config["quota"]["driver"],
  content: Content,
  metrics: Metrics,
): Promise<VolumeChoice> {
  if (driver === "xfs" || driver === "loop") {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot enforce quotas with quota.driver ${driver}, which this version does not have; use ` +
        '"auto", "btrfs" or "none"',
    );
  }
  const choice = await content.chooseVolume(driver);
  report(choice);
  new QuotaMetrics(metrics, () => usages(content)).chosen(choice);
  return choice;
}

function report({ kind, quota, reason }: VolumeChoice): void {
  log.info("Workspaces are {what}, because {reason}", {
    what: kind === "btrfs" ? "subvolumes of btrfs" : "plain folders",
    reason,
  });
  if (quota !== "none") {
    log.info("Quotas limit the processes of a workspace, too: {quota} quotas of btrfs", { quota });
  } else {
    log.warn(
      "Quotas limit what the daemon itself writes into a workspace, and not what runs there " +
        "(docs/operations.md, Quotas)",
    );
  }
}

async function usages(content: Content): Promise<WorkspaceUsage[]> {
  return [...await content.usages()].map(([workspace, { bytes }]) => ({ workspace, bytes }));
}
