/** Metrics of the process under the names that every exporter of Prometheus has for them. */

import process from "node:process";
import type { Metrics } from "./metrics.ts";

/** Serves CPU time, memory and start of this process, all threads included. */
export function serveProcessMetrics(metrics: Metrics): void {
  metrics.observedCounter(
    "process_cpu_seconds_total",
    "Processor time of all threads, user and system",
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  );
  metrics.observedGauge(
    "process_resident_memory_bytes",
    "Memory that the process has in use",
    () => process.memoryUsage.rss(),
  );
  metrics.gauge("process_start_time_seconds", "When the process started, since the epoch")
    .set(Date.now() / 1000 - process.uptime());
}
