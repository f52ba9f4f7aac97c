import type { Config } from "../config/mod.ts";
import { DaemonError } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";

const log = logger("daemon");

/**
 * Decides on the driver. What the daemon itself writes into a workspace is limited always; limits on
 * what runs in the workspace need a driver of the file system, of which this version has none.
 * @throws {DaemonError} FAILED_PRECONDITION where the config names a driver that cannot work.
 */
export function chooseQuotaDriver(driver: Config["quota"]["driver"], metrics: Metrics): "none" {
  if (driver !== "auto" && driver !== "none") {
    throw new DaemonError(
      "FAILED_PRECONDITION",
      `Cannot enforce quotas with quota.driver ${driver}: this version limits only what the ` +
        'daemon itself writes; use "auto" or "none"',
    );
  }
  if (driver === "auto") {
    log.warn("Quotas limit only what the daemon itself writes into a workspace");
  }
  metrics.gauge("wsdaemon_quota_driver", "1 for the quota driver in use", ["driver"])
    .set({ driver: "none" }, 1);
  return "none";
}
