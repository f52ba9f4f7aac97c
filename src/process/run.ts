/** Runs the daemon's process from its config to its exit. */

import type { Config, LoadedConfig } from "../config/mod.ts";
import { StartError } from "../errors.ts";
import { configureQueuedLogging, logger, type LogOptions } from "../log/mod.ts";
import { openLibc } from "../linux/mod.ts";
import { formatAddress, parseAddress, resolveAddress } from "../address.ts";
import { confineProcess } from "./confine_process.ts";
import { groupId } from "./group_id.ts";
import { launch, type Launched } from "./launch.ts";
import { libcPath } from "./libc.ts";
import { lockRoot } from "./lock.ts";
import { findGit } from "./find_program.ts";
import { isJournal } from "./journal_stream.ts";
import { reloadLog } from "./reload_log.ts";
import { inWords } from "./preflight/check.ts";
import { startChecks } from "./preflight/preflight.ts";
import { makeAreas, prepareRoot } from "./root.ts";
import { ServiceManager } from "./service_manager.ts";
import { onSignals } from "./signals.ts";
import { handleUncaught } from "../uncaught.ts";
import { collectAfterStart } from "../memory.ts";

/** Milliseconds after the grace period in which the daemon Worker may finish what must not be left undone. */
const STOP_MARGIN = 10_000;

/** Options of {@link runDaemon}. */
export interface RunOptions {
  config: Config;
  /** The version of wsdaemon. */
  version: string;
  /** The commit that it was compiled from. */
  revision: string;
  /** Warnings about the config, for the log. */
  warnings: readonly string[];
  /** Prints a line for people and for the parent process. Must return at once. */
  print(line: string): void;
  /** Absolute path of the config file, which SIGHUP has read again; absent where there is none. */
  configFile?: string | undefined;
  /** Loads the config again from the text of its file. @throws {ConfigError} */
  reload(text: string): LoadedConfig;
}

/**
 * Serves until a signal ends it. Returns whether it stopped in an orderly way.
 * @throws {StartError} where it cannot start; nothing is half-started then
 */
export async function runDaemon(
  { config: loaded, version, revision, warnings, print, configFile, reload }: RunOptions,
): Promise<boolean> {
  const droppedLines = new SharedArrayBuffer(4);
  const configureLog = logConfigurer(droppedLines);
  const logOptions = configureLog(loaded.log);
  const log = logger("process");
  using _uncaught = handleUncaught(({ kind, error }) =>
    log.error("A bug, to be reported: nothing caught the {kind} {error}", { kind, error })
  );
  for (const warning of warnings) log.warn("{warning}", { warning });
  if (configFile !== undefined) log.info("The config is {file}", { file: configFile });
  for (const check of startChecks(loaded)) {
    if (check.outcome === "failed") throw new StartError(inWords(check));
    if (check.outcome === "warning") log.warn("{warning}", { warning: inWords(check) });
  }
  const config = prepareRoot(resolveGroup(await resolveListeners(loaded)));
  using _lock = lockRoot(config.root);
  const areas = makeAreas(config);
  const libc = libcPath();
  openLibc(libc);
  const env = Deno.env.toObject();
  const git = await findGit(env["PATH"] ?? "");
  using manager = ServiceManager.of(env, Deno.pid);
  const confinement = confineProcess({ config, git, env, configFile });
  using launched = launch({
    config,
    env,
    configFile,
    log: logOptions,
    areas,
    libc,
    confinement,
    git,
    version,
    revision,
    droppedLines,
    onListening: (address) => print(`listening on ${address}`),
    onConfigRead: (read) => launched.configureLog(configureLog(reloadLog(loaded, read, reload))),
    onAlive: (status) => manager.alive(status),
    onPriorityRefused: (problem) => log.warn("{problem}", { problem }),
    onReloaded: () => manager.reloaded(),
  });
  launched.serving.then(() => {
    revokePermissions();
    manager.ready();
    collectAfterStart();
    launched.ping();
  });
  launched.ping();
  return await untilEnded(launched, manager, config.shutdown.grace);
}

/** Returns a function that has this thread write records so, and returns what a Worker is to be told. */
function logConfigurer(droppedLines: SharedArrayBuffer): (log: Config["log"]) => LogOptions {
  const journal = isJournal();
  return (log) => {
    const options = { ...log, journal };
    configureQueuedLogging(options, droppedLines);
    return options;
  };
}

/** Gives up what the main thread, which passes signals on and waits, no longer needs. Its Workers keep
 * their own permissions. */
function revokePermissions(): void {
  for (const name of ["env", "ffi", "import", "net", "read", "run", "sys", "write"] as const) {
    Deno.permissions.revokeSync({ name });
  }
}

async function untilEnded(
  launched: Launched,
  manager: ServiceManager,
  grace: number,
): Promise<boolean> {
  const log = logger("process");
  const { promise: aborted, resolve: abort } = Promise.withResolvers<boolean>();
  let limit: ReturnType<typeof setTimeout> | undefined;
  const pings = manager.interval === undefined
    ? undefined
    : setInterval(() => launched.ping(), manager.interval);
  using _signals = onSignals({
    stop(signal) {
      log.info("stopping on {signal}; a second one stops at once", { signal });
      manager.stopping(grace + STOP_MARGIN);
      limit = setTimeout(() => {
        log.error("the daemon did not stop in time");
        abort(false);
      }, grace + STOP_MARGIN);
      launched.stop(grace);
    },
    abort(signal) {
      log.warn("stopping at once on a second {signal}", { signal });
      abort(false);
    },
    reload() {
      manager.reloading();
      launched.reload();
    },
  });
  try {
    return await Promise.race([launched.ended.then(() => true), aborted]);
  } catch (error) {
    if (error instanceof StartError) throw error;
    log.fatal("{error}", { error });
    return false;
  } finally {
    clearTimeout(limit);
    clearInterval(pings);
  }
}

/** Returns the config with the id of its sockets' group, whose name the daemon Worker cannot look up. */
function resolveGroup(config: Config): Config {
  const { group } = config.unixSocket;
  if (group === undefined) return config;
  return { ...config, unixSocket: { ...config.unixSocket, group: String(groupId(group)) } };
}

/** Returns the config with its listeners' names looked up: permissions are given for what is bound. */
async function resolveListeners(config: Config): Promise<Config> {
  const resolved = (listen: readonly string[]) =>
    Promise.all(
      listen.map(async (text) => formatAddress(await resolveAddress(parseAddress(text)))),
    );
  const { listen: own } = config.operations;
  return {
    ...config,
    listen: await resolved(config.listen),
    operations: { ...config.operations, ...(own ? { listen: await resolved(own) } : {}) },
  };
}
