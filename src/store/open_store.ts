/** From the config's `storage` to a store. */

import { type Clock, systemClock } from "../clock.ts";
import type { Metrics } from "../telemetry/mod.ts";
import type { ObjectStore } from "./object_store.ts";
import { FileStore } from "./file/file_store.ts";
import { MeteredStore } from "./metered_store.ts";
import { StoreMetrics } from "./store_metrics.ts";
import type { S3Options, S3Tuning } from "./s3/options.ts";

/** The embedded store. */
export interface FileStorage {
  kind: "fs";
  /** The store's folder, absolute; `<root>/store` is the caller's default. */
  path: string;
}

/** `storage` in the config; `none` is decided above. */
export type StorageOptions = FileStorage | S3Options;

export interface OpenStoreOptions {
  /** The spool's folder, absolute. */
  spoolDir: string;
  metrics: Metrics;
  clock?: Clock;
  /** How hard an S3 store tries. */
  tuning?: Partial<S3Tuning>;
}

/**
 * Opens the configured store. An S3 server is not asked yet: that is what `probe` is for.
 * @throws {DaemonError} FAILED_PRECONDITION or RESOURCE_EXHAUSTED where it cannot be used.
 */
export async function openStore(
  storage: StorageOptions,
  options: OpenStoreOptions,
): Promise<ObjectStore> {
  const { spoolDir, clock = systemClock } = options;
  const metrics = new StoreMetrics(options.metrics, storage.kind);
  if (storage.kind === "fs") {
    const store = await FileStore.open({ folder: storage.path, spoolDir, clock });
    return new MeteredStore(store, metrics);
  }
  const { S3Store } = await import("./s3/s3_store.ts");
  const tuning = options.tuning ? { tuning: options.tuning } : {};
  const store = await S3Store.open({ storage, spoolDir, clock, observer: metrics, ...tuning });
  return new MeteredStore(store, metrics);
}
