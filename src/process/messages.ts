import type { Config } from "../config/mod.ts";
import type { FileSystem } from "../errors.ts";
import type { FoundGit } from "../git/mod.ts";

export interface DaemonWorkerStart {
  kind: "start";
  config: Config;
  git: FoundGit;
  /** Of wsdaemon. */
  version: string;
  /** Whether the process is root; the Worker may not ask. */
  privileged: boolean;
  /** Those of the root and the store, for errors; the Worker may not look. */
  fileSystems: FileSystem[];
  /** Where every thread counts the lines of the log that it had to drop: one Int32. */
  droppedLines: SharedArrayBuffer;
  /** One to each content Worker. */
  content: MessagePort[];
}

export interface DaemonWorkerStop {
  kind: "stop";
  /** Milliseconds that running calls have left. */
  grace: number;
}

/** To read the certificates again. */
export interface DaemonWorkerReload {
  kind: "reload";
}

export type ToDaemonWorker = DaemonWorkerStart | DaemonWorkerReload | DaemonWorkerStop;

export type FromDaemonWorker =
  /** It serves at `address`. */
  | { kind: "listening"; address: string }
  /** It could not start, and holds nothing any more. */
  | { kind: "failed"; message: string }
  /** It was asked to stop, and did. */
  | { kind: "stopped" };
