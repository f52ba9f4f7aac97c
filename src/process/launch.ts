/** Starts the Workers of the daemon and joins them by MessagePorts. */

import type { Config } from "../config/mod.ts";
import type { Areas, ContentWorkerStart, FromContentWorker } from "../content/mod.ts";
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
import { contentPermissions, daemonPermissions, type Permissions } from "./worker_permissions.ts";
import type { FoundGit } from "../git/mod.ts";
import type { ConfinementSupport } from "../linux/mod.ts";
import { fileSystemsOf, readFileSystems } from "../mounts.ts";
import { StartError } from "../errors.ts";
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

  const workers: Worker[] = [];
  const start = (url: URL, name: string, permissions: Permissions) => {
    const worker = spawn(url, name, permissions, reject);
    workers.push(worker);
    return worker;
  };

  const fileSystems = fileSystemsOf([config.root, ...Object.values(areas)], readFileSystems());
  const content = Array.from({ length: navigator.hardwareConcurrency + 1 }, (_, index) => {
    const { port1: port, port2 } = new MessageChannel();
    const serves = Promise.withResolvers<string | undefined>();
    const worker = start(modules.content, `content-${index + 1}`, contentPermissions(libc));
    worker.onmessage = ({ data }: MessageEvent<FromContentWorker>) => {
      if (data.kind === "serving") serves.resolve(data.priorityRefused);
      else reject(new StartError(data.message));
    };
    const message: ContentWorkerStart = {
      kind: "start",
      libc,
      areas,
      confinement,
      fileSystems,
      idMap: config.compat.idMap,
      // The first answers quickly; see `content/dispatcher.ts`.
      priority: index === 0 ? "normal" : config.content.priority,
      port,
    };
    worker.postMessage(message, [port]);
    return { port: port2, serves: serves.promise };
  });
  const ports = content.map(({ port }) => port);
  const contentServes = Promise.all(content.map(({ serves }) => serves)).then((refusals) => {
    const [problem] = refusals.filter((refusal) => refusal !== undefined);
    if (problem !== undefined) options.onPriorityRefused?.(problem);
  });

  const permissions = daemonPermissions(
    config,
    programsOf(git),
    options.env,
    options.configFile,
  );
  const daemon = start(modules.daemon, "daemon", permissions);
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
      for (const worker of workers) worker.terminate();
    },
  };
}

function spawn(
  url: URL,
  name: string,
  permissions: Permissions,
  died: (error: Error) => void,
): Worker {
  const worker = newWorker(url, name, permissions);
  worker.onerror = (event) => {
    event.preventDefault();
    died(new Error(`The ${name} Worker died: ${event.message}`));
  };
  worker.onmessageerror = () => died(new Error(`The ${name} Worker sent what cannot be read`));
  return worker;
}

function newWorker(url: URL, name: string, permissions: Permissions): Worker {
  try {
    return new Worker(url, { type: "module", name, deno: { permissions } });
  } catch (error) {
    if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    throw new StartError(
      `Cannot start the ${name} Worker: the system gives this process no further thread; raise ` +
        "pids.max of its cgroup (TasksMax= of a systemd unit), or the user's limit (ulimit -u)",
      { cause: error },
    );
  }
}
