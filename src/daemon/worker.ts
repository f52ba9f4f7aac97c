/**
 * The daemon Worker: composes the daemon when the main thread sends `start`, reports each address that
 * is served, and stops when it is asked to.
 */

import { requireConfined } from "../confinement.ts";
import { connectContent } from "../content/mod.ts";
import { configureFileSystems, DaemonError, explainPath, messageOf } from "../errors.ts";
import {
  configureQueuedLogging,
  flushLog,
  logger,
  type LogOptions,
  setLogContext,
} from "../log/mod.ts";
import { operationContext } from "./operation_reporter.ts";
import type {
  ConfigRead,
  DaemonWorkerStart,
  FromDaemonWorker,
  ToDaemonWorker,
} from "../process/mod.ts";
import { collectAfterStart } from "../memory.ts";
import { Metrics } from "../telemetry/mod.ts";
import { compose, type RunningDaemon } from "./compose.ts";
import { reportConfinement } from "./confinement_reporter.ts";
import { DaemonMetrics } from "./daemon_metrics.ts";
import { reportUncaught } from "./uncaught_reporter.ts";

const log = logger("daemon");

/** The port to the main thread: `self`, which has no types of a Worker here. */
interface MainThread {
  postMessage(message: FromDaemonWorker): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToDaemonWorker>) => void): void;
}

const main = self as unknown as MainThread;
const daemon = Promise.withResolvers<RunningDaemon>();
let configFile: string | undefined;
let configureLog: (log: LogOptions) => void = () => {};
/** Returns in a line what this Worker is doing. */
let status = () => "Starting: recovering the workspaces and their state";

async function start(message: DaemonWorkerStart): Promise<void> {
  const { config, git, version, revision, privileged, content, fileSystems } = message;
  const { droppedLines, confinement } = message;
  configureFileSystems(() => fileSystems);
  configFile = message.configFile;
  try {
    configureLog = (options) => configureQueuedLogging(options, droppedLines);
    configureLog(message.log);
    setLogContext(operationContext);
    const metrics = new Metrics();
    const dropped = new Int32Array(droppedLines);
    const daemonMetrics = new DaemonMetrics(metrics, () => Atomics.load(dropped, 0));
    daemonMetrics.runs({ version, revision, deno: Deno.version.deno });
    const report = reportUncaught(daemonMetrics);
    requireConfined(["env", "ffi", "read", "run", "sys", "write"]);
    log.info("wsdaemon {version} ({revision}) starts, confined to {root}", {
      version,
      revision,
      root: config.root,
    });
    reportConfinement(confinement, metrics);
    const running = await compose({
      config,
      content: connectContent(content, report),
      git,
      privileged,
      version,
      metrics,
      daemonMetrics,
      onListening: (address) => void announce(address),
    });
    status = () => running.status();
    daemon.resolve(running);
    collectAfterStart();
  } catch (error) {
    await fail(error);
  }
}

/** Reports that an address is served, once everything logged before is written. */
async function announce(address: string): Promise<void> {
  await flushLog();
  main.postMessage({ kind: "listening", address });
}

/** Stops the daemon; a start that is still under way ends first. */
async function stop(grace: number): Promise<void> {
  try {
    const running = await daemon.promise;
    status = () => "Stopping: letting running work end";
    await running.stop(grace);
  } catch (error) {
    return await fail(error);
  }
  await flushLog();
  main.postMessage({ kind: "stopped" });
}

async function readConfig(path: string): Promise<ConfigRead> {
  try {
    return { text: await Deno.readTextFile(path) };
  } catch (error) {
    return { problem: `Cannot read ${path}: ${explainPath(error, path)}` };
  }
}

function applyLog(options: LogOptions): void {
  configureLog(options);
  const { level, format } = options;
  log.info("From here on records of {level} and above are written as {format}", { level, format });
}

/** Reads the config file and the certificates again; a start that is still under way ends first. */
async function reload(): Promise<void> {
  if (configFile !== undefined) {
    main.postMessage({ kind: "config", read: await readConfig(configFile) });
  }
  (await daemon.promise).reload();
  main.postMessage({ kind: "reloaded" });
}

async function fail(error: unknown): Promise<void> {
  if (!(error instanceof DaemonError)) log.error("{error}", { error });
  await flushLog();
  main.postMessage({ kind: "failed", message: messageOf(error) });
}

main.addEventListener("message", async ({ data }) => {
  if (data.kind === "start") await start(data);
  else if (data.kind === "reload") await reload();
  else if (data.kind === "log") applyLog(data.log);
  else if (data.kind === "ping") main.postMessage({ kind: "alive", status: status() });
  else await stop(data.grace);
});
