/** Starts the Workers of the daemon and joins them by MessagePorts. */

import type { Config } from "../config/mod.ts";
import type { Areas } from "../content/mod.ts";
import type { LogOptions } from "../log/mod.ts";
import { programsOf } from "../git/mod.ts";
import type {
  ConfigRead,
  DaemonWorkerLog,
  DaemonWorkerPing,
  DaemonWorkerReload,
  DaemonWorkerStart,
  DaemonWorkerStop,
  FromDaemonWorker,
} from "./messages.ts";
import { daemonPermissions } from "./worker_permissions.ts";
import type { FoundGit } from "../git/mod.ts";
import type { ConfinementSupport } from "../linux/mod.ts";
import { fileSystemsOf, readFileSystems } from "../mounts.ts";
import { StartError } from "../errors.ts";
import { startContentWorkers } from "./content_workers.ts";
import { spawnWorker } from "./spawn_worker.ts";
import { workerModule } from "../program_files.ts";

/** Options of {@link launch}. */
export interface LaunchOptions {
  config: Config;
  /** The process's environment, which says where credentials are. */
  env: Readonly<Record<string, string>>;
  /** Absolute path of the config file; absent where there is none. */
  configFile?: string | undefined;
  /** How records are written; as the config says unless given. */
  log?: LogOptions;
  areas: Areas;
  /** Absolute path of libc. */
  libc: string;
  /** What the content Workers bind their threads by; nothing but Deno's permissions if absent. */
  confinement?: ConfinementSupport | undefined;
  git: FoundGit;
  /** The version of wsdaemon. */
  version: string;
  /** The commit that it was compiled from; "unknown" unless given. */
  revision?: string;
  /** One Int32 in which dropped lines of the log are counted. */
  droppedLines: SharedArrayBuffer;
  onListening(address: string): void;
  /** Receives the text of the config file, read again, or why it could not be read. */
  onConfigRead?(read: ConfigRead): void;
  /** Called when the daemon Worker answers {@link Launched.ping}, with what it is doing in a line. */
  onAlive?(status: string): void;
  /** Called with why content Workers do not have the priority that the config says. */
  onPriorityRefused?(problem: string): void;
  /** Called when the certificates have been read again. */
  onReloaded?(): void;
  /** What the Workers run; the daemon's own unless given. */
  modules?: WorkerModules;
}

/** Modules that Workers run. */
export interface WorkerModules {
  daemon: URL;
  content: URL;
}

const MODULES: WorkerModules = {
  daemon: workerModule("daemon"),
  content: workerModule("content"),
};

/** The Workers, at work; disposing of them ends them at once. */
export interface Launched extends Disposable {
  /**
   * Resolves once the daemon has stopped as it was asked to. Rejects with a {@link StartError} where
   * it could not start, and with what happened where a Worker died.
   */
  readonly ended: Promise<void>;
  /** Resolves once every Worker has loaded its modules and serves. May never do so. */
  readonly serving: Promise<void>;
  /** Asks the daemon to stop; running calls have `grace` milliseconds. */
  stop(grace: number): void;
  /** Tells the daemon to read its certificates and the config file again. */
  reload(): void;
  /** Has the daemon write records so from now on. */
  configureLog(log: LogOptions): void;
  /** Asks the daemon Worker for a sign of life. */
  ping(): void;
}

/**
 * Starts the daemon Worker and the content Workers: one for each core, and one that answers quickly
 * while those pack.
 */
export function launch(options: LaunchOptions): Launched {
  const { config, libc, confinement, areas, git, version, modules = MODULES } = options;
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const daemonServes = Promise.withResolvers<void>();

  const fileSystems = fileSystemsOf([config.root, ...Object.values(areas)], readFileSystems());
  const content = startContentWorkers({
    areas,
    libc,
    confinement,
    fileSystems,
    idMap: config.compat.idMap,
    priority: config.content.priority,
    module: modules.content,
  }, reject);
  const { ports } = content;
  const contentServes = content.serving.then((problem) => {
    if (problem !== undefined) options.onPriorityRefused?.(problem);
  });

  const permissions = daemonPermissions(
    config,
    programsOf(git),
    options.env,
    options.configFile,
  );
  const daemon = spawnWorker(modules.daemon, "daemon", permissions, reject);
  daemon.onmessage = ({ data }: MessageEvent<FromDaemonWorker>) => {
    if (data.kind === "listening") {
      daemonServes.resolve();
      options.onListening(data.address);
    }
    if (data.kind === "alive") options.onAlive?.(data.status);
    if (data.kind === "reloaded") options.onReloaded?.();
    if (data.kind === "failed") reject(new StartError(data.message));
    if (data.kind === "stopped") resolve();
    if (data.kind === "config") options.onConfigRead?.(data.read);
  };
  const message: DaemonWorkerStart = {
    kind: "start",
    config,
    configFile: options.configFile,
    log: options.log ?? config.log,
    git,
    version,
    revision: options.revision ?? "unknown",
    droppedLines: options.droppedLines,
    fileSystems,
    privileged: Deno.uid() === 0,
    confinement,
    content: ports,
  };
  daemon.postMessage(message, ports);

  return {
    ended,
    serving: Promise.all([daemonServes.promise, contentServes]).then(() => {}),
    stop(grace) {
      const stop: DaemonWorkerStop = { kind: "stop", grace };
      daemon.postMessage(stop);
    },
    reload() {
      const reload: DaemonWorkerReload = { kind: "reload" };
      daemon.postMessage(reload);
    },
    configureLog(log) {
      const configure: DaemonWorkerLog = { kind: "log", log };
      daemon.postMessage(configure);
    },
    ping() {
      const ping: DaemonWorkerPing = { kind: "ping" };
      daemon.postMessage(ping);
    },
    [Symbol.dispose]() {
      daemon.terminate();
      content[Symbol.dispose]();
    },
  };
}
