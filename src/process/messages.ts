/** The messages between the main thread and the daemon Worker. */

import type { Config } from "../config/mod.ts";
import type { FileSystem } from "../errors.ts";
import type { LogOptions } from "../log/mod.ts";
import type { FoundGit } from "../git/mod.ts";
import type { ConfinementSupport } from "../linux/mod.ts";

/** Everything the daemon Worker starts from. It is sent once, before any other message. */
export interface DaemonWorkerStart {
  kind: "start";
  config: Config;
  /** Absolute path of the config file; absent where there is none. */
  configFile: string | undefined;
  /** How records are written. */
  log: LogOptions;
  git: FoundGit;
  /** The version of wsdaemon, for the logs, the metrics and the archives. */
  version: string;
  /** The commit that it was compiled from. */
  revision: string;
  /** Whether the process is root; the Worker has no permission to ask. */
  privileged: boolean;
  /** What every thread is bound by, for the log and the metrics; absent where nothing binds them. */
  confinement: ConfinementSupport | undefined;
  /** The file systems of the root and the store, for error messages; the Worker cannot read them. */
  fileSystems: FileSystem[];
  /** One Int32 in which every thread counts the log lines that it had to drop. */
  droppedLines: SharedArrayBuffer;
  /** One port to each content Worker. */
  content: MessagePort[];
}

/** Asks the daemon Worker to let running calls end, and to stop. */
export interface DaemonWorkerStop {
  kind: "stop";
  /** Milliseconds that running calls have left. */
  grace: number;
}

/** Asks the daemon Worker to read its TLS certificates and the config file again. */
export interface DaemonWorkerReload {
  kind: "reload";
}

/** Asks the daemon Worker for a sign of life. */
export interface DaemonWorkerPing {
  kind: "ping";
}

/** Tells the daemon Worker how to write records from now on. */
export interface DaemonWorkerLog {
  kind: "log";
  log: LogOptions;
}

/** The text of the config file, or why it cannot be read. */
export type ConfigRead = { text: string } | { problem: string };

/** What the main thread sends to the daemon Worker. */
export type ToDaemonWorker =
  | DaemonWorkerStart
  | DaemonWorkerLog
  | DaemonWorkerReload
  | DaemonWorkerPing
  | DaemonWorkerStop;

/** What the daemon Worker reports to the main thread. */
export type FromDaemonWorker =
  /** It serves at `address`. */
  | { kind: "listening"; address: string }
  /** It answers a ping, and is doing what `status` says in a line. */
  | { kind: "alive"; status: string }
  /** It was asked to read its certificates again, and has done so, or kept the old ones. */
  | { kind: "reloaded" }
  /** It could not start, and has released everything. */
  | { kind: "failed"; message: string }
  /** It has read the config file again; the main thread, which may not, decides on it. */
  | { kind: "config"; read: ConfigRead }
  /** It was asked to stop, and has stopped. */
  | { kind: "stopped" };
