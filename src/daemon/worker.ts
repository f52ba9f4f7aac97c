/**
 * The daemon Worker: composes the daemon when the main thread says so, tells it what is served, and
 * stops when it is asked to.
 */

import { requireConfined } from "../confinement.ts";
import { connectContent } from "../content/pool.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log.ts";
import { configureLogging } from "../process/logging.ts";
import type { DaemonWorkerStart, FromDaemonWorker, ToDaemonWorker } from "../process/messages.ts";
import { compose } from "./compose.ts";

const log = logger("daemon");

type Daemon = Awaited<ReturnType<typeof compose>>;

/** The Worker's end of what it and the main thread say; `self` has no types for it here. */
interface MainThread {
  postMessage(message: FromDaemonWorker): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToDaemonWorker>) => void): void;
}

const main = self as unknown as MainThread;
const daemon = Promise.withResolvers<Daemon>();

async function start(
  { config, git, version, privileged, content }: DaemonWorkerStart,
): Promise<void> {
  configureLogging(config.log);
  try {
    requireConfined(["env", "ffi", "read", "run", "sys", "write"]);
    log.info("wsdaemon {version} starts, confined to {root}", { version, root: config.root });
    daemon.resolve(
      await compose({
        config,
        content: connectContent(content),
        git,
        version,
        privileged,
        onListening: (address) => main.postMessage({ kind: "listening", address }),
      }),
    );
  } catch (error) {
    if (!(error instanceof DaemonError)) log.error("{error}", { error });
    main.postMessage({ kind: "failed", message: messageOf(error) });
  }
}

/** Waits for a start that is still under way. */
async function stop(grace: number): Promise<void> {
  await (await daemon.promise).stop(grace);
  main.postMessage({ kind: "stopped" });
}

/** Waits likewise. */
async function reload(): Promise<void> {
  (await daemon.promise).reload();
}

main.addEventListener("message", async ({ data }) => {
  if (data.kind === "start") await start(data);
  else if (data.kind === "reload") await reload();
  else await stop(data.grace);
});
