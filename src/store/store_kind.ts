/** The parts of a kind of object store. */

import type { z } from "zod";
import type { Clock } from "../clock.ts";
import type { ObjectStore } from "./object_store.ts";
import type { StoreMetrics } from "./store_metrics.ts";

/**
 * One kind of object store: a value of `storage.kind` and everything that depends on it.
 *
 * `Written` is its section of the config file with defaults filled in, `Options` the same with absolute
 * paths and nothing left to decide.
 */
export interface StoreKind<Written, Options> {
  /** The schema of its section of the config file; every key is described, and `kind` is a literal. */
  readonly schema: z.ZodType<Written>;
  /** Keys whose values are never shown or repeated. */
  readonly secretKeys: readonly (keyof Options & string)[];
  /** Keys that name files which the store reads; relative ones are made absolute before `resolve`. */
  readonly fileKeys: readonly (keyof Options & string)[];
  /**
   * The key that names the store's folder on this node, for a store that has one: the daemon makes it,
   * and the content Workers read blobs in it.
   */
  readonly folderKey?: keyof Options & string;
  /** Whether it keeps anything; without, snapshots and backups are refused. */
  readonly keepsContent: boolean;

  /** Decides what the config leaves open. @param root the daemon's root, absolute */
  resolve(written: Written, root: string): Options;

  /** Returns what is wrong by keys that depend on each other. */
  problems(options: Options): StorageProblem[];

  /**
   * Returns the permissions that the daemon Worker needs besides the store's folder.
   * @param env reads a variable of the main thread's environment, which tells where credentials are
   */
  permissions(options: Options, env: (name: string) => string | undefined): StorePermissions;

  /**
   * Opens the store; the caller closes it. A store on the network is not asked yet.
   * @throws {DaemonError} FAILED_PRECONDITION or RESOURCE_EXHAUSTED where it cannot be used
   */
  open(options: Options, parts: StoreParts): Promise<ObjectStore>;
}

/** A key of `storage` that cannot be as it is. */
export interface StorageProblem {
  key: string;
  /** In words that follow the key's path, such as "is missing". */
  problem: string;
}

/** The parts of the daemon that a store uses. */
export interface StoreParts {
  /** The spool's folder, absolute. */
  spoolDir: string;
  clock: Clock;
  metrics: StoreMetrics;
}

/** Permissions of Deno's that a store needs. */
export interface StorePermissions {
  /** `host:port` each. */
  net: string[];
  /** Variable names; a trailing `*` stands for any. */
  env: string[];
  /** Absolute paths of files besides the store's folder. */
  read: string[];
  /** Kinds of system information. */
  sys: string[];
}

/** Returns no permissions. */
export function noPermissions(): StorePermissions {
  return { net: [], env: [], read: [], sys: [] };
}
