/** Metrics of the process under the names that every exporter of Prometheus has for them. */

import process from "node:process";
import type { Metrics } from "./metrics.ts";

/** What is read of a process; absent is what the kernel does not say, or does not limit. */
export interface ReadUsage {
  openFiles?: number;
  maxOpenFiles?: number;
  threads?: number;
}

/**
 * Serves CPU time, memory, threads, descriptors and start of this process, all threads included. What
 * cannot be read has no value.
 * @param readUsage asks a thread that may
 */
export function serveProcessMetrics(metrics: Metrics, readUsage: () => Promise<ReadUsage>): void {
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
  serveUsage(metrics, readUsage);
}

function serveUsage(metrics: Metrics, readUsage: () => Promise<ReadUsage>): void {
  let reading: Promise<ReadUsage> | undefined;
  // One scrape reads all of them at once.
  const read = () => reading ??= readUsage().finally(() => reading = undefined);
  const gauges = [
    ["process_open_fds", "Open file descriptors", "openFiles"],
    ["process_max_fds", "How many file descriptors may be open", "maxOpenFiles"],
    ["process_threads", "Threads of the process", "threads"],
  ] as const;
  for (const [name, help, key] of gauges) {
    metrics.observedGauges(name, help, [], async () => {
      const value = (await read())[key];
      return value === undefined ? [] : [{ labels: {}, value }];
    });
  }
}
