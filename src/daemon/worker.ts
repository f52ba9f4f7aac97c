/**
 * The daemon Worker: composes the daemon when the main thread says so, tells it what is served, and
 * stops when it is asked to.
 */

import { requireConfined } from "../confinement.ts";
import { connectContent } from "../content/mod.ts";
import { configureFileSystems, DaemonError, messageOf } from "../errors.ts";
import { configureQueuedLogging, flushLog, logger } from "../log/mod.ts";
import type { DaemonWorkerStart, FromDaemonWorker, ToDaemonWorker } from "../process/mod.ts";
import { Metrics } from "../telemetry/mod.ts";
import { compose } from "./compose.ts";
import { reportUncaught } from "./uncaught_reporter.ts";

const log = logger("daemon");

type Daemon = Awaited<ReturnType<typeof compose>>;

/** The Worker's end of what it and the main thread say; `self` has no types for it here. */
interface MainThread {
  postMessage(message: FromDaemonWorker): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToDaemonWorker>) => void): void;
}

const main = self as unknown as MainThread;
const daemon = Promise.withResolvers<Daemon>();

function countDroppedLines(metrics: Metrics, counter: SharedArrayBuffer): void {
  const lines = new Int32Array(counter);
  metrics.observedCounter(
    "wsdaemon_log_lines_dropped_total",
    "Lines of the log that stderr did not take",
    () => Atomics.load(lines, 0),
  );
}

async function start(message: DaemonWorkerStart): Promise<void> {
  const { config, git, version, privileged, content, droppedLines, fileSystems } = message;
  configureFileSystems(() => fileSystems);
  try {
    configureQueuedLogging(config.log, droppedLines);
    const metrics = new Metrics();
    const report = reportUncaught(metrics);
    countDroppedLines(metrics, droppedLines);
    requireConfined(["env", "ffi", "read", "run", "sys", "write"]);
    log.info("wsdaemon {version} starts, confined to {root}", { version, root: config.root });
    daemon.resolve(
      await compose({
        config,
        content: connectContent(content, report),
        git,
        version,
        privileged,
        metrics,
        onListening: (address) => void announce(address),
      }),
    );
  } catch (error) {
    await fail(error);
  }
}

/** Says that an address is served, once the log has what was said before. */
async function announce(address: string): Promise<void> {
  await flushLog();
  main.postMessage({ kind: "listening", address });
}

/** Waits for a start that is still under way. */
async function stop(grace: number): Promise<void> {
  try {
    await (await daemon.promise).stop(grace);
  } catch (error) {
    return await fail(error);
  }
  await flushLog();
  main.postMessage({ kind: "stopped" });
}

/** Waits likewise. */
async function reload(): Promise<void> {
  (await daemon.promise).reload();
}

async function fail(error: unknown): Promise<void> {
  if (!(error instanceof DaemonError)) log.error("{error}", { error });
  await flushLog();
  main.postMessage({ kind: "failed", message: messageOf(error) });
}

main.addEventListener("message", async ({ data }) => {
  if (data.kind === "start") await start(data);
  else if (data.kind === "reload") await reload();
  else await stop(data.grace);
});
