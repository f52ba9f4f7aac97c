/**
 * Lists every kind of object store. Each has a line in {@link StorageOptions}, in the schemas and in the
 * table; one or two of the three do not compile.
 */

import { z } from "zod";
import { systemClock } from "../clock.ts";
import { expected } from "../schema_fields.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { fileKind, type FileStorage } from "./file/file_kind.ts";
import { MeteredStore } from "./metered_store.ts";
import { noneKind, type NoStorage } from "./none_kind.ts";
import type { ObjectStore } from "./object_store.ts";
import { s3Kind } from "./s3/s3_kind.ts";
import type { S3Storage } from "./s3/s3_storage.ts";
import type { StorageProblem, StoreKind, StoreParts, StorePermissions } from "./store_kind.ts";
import { StoreMetrics } from "./store_metrics.ts";

/** `storage` of the config: every key decided, paths absolute. */
export type StorageOptions = FileStorage | S3Storage | NoStorage;

const SCHEMAS = [fileKind.schema, s3Kind.schema, noneKind.schema] as const;

/** `storage` of the config file. */
export const storageSchema = z.discriminatedUnion(
  "kind",
  SCHEMAS,
  expected(
    new Intl.ListFormat("en-GB", { type: "disjunction" })
      .format(SCHEMAS.map(({ shape }) => `"${shape.kind.value}"`)),
  ),
);

/** `storage` as the schema returns it: defaults are filled in, paths may be relative. */
export type WrittenStorage = z.output<typeof storageSchema>;

type Kind = WrittenStorage["kind"] | StorageOptions["kind"];
type Written<K extends Kind> = Extract<WrittenStorage, { kind: K }>;
type Options<K extends Kind> = Extract<StorageOptions, { kind: K }>;

const KINDS: { readonly [K in Kind]: StoreKind<Written<K>, Options<K>> } = {
  fs: fileKind,
  none: noneKind,
  s3: s3Kind,
};

/** Keys of `storage` whose values are never shown or repeated. */
export const SECRET_STORAGE_KEYS: readonly string[] = Object.values(KINDS)
  .flatMap<string>(({ secretKeys }) => secretKeys);

/** Keys of `storage` that name files or folders. */
export const STORAGE_PATH_KEYS: readonly string[] = Object.values(KINDS)
  .flatMap<string>(({ folderKey, fileKeys }) => folderKey ? [folderKey, ...fileKeys] : fileKeys);

/**
 * Decides what the config leaves open.
 * @param written its paths absolute
 * @param root the daemon's root, absolute
 * @param caFile what a store that can be told whom to trust trusts where it is not told otherwise
 */
export function resolveStorage<K extends Kind>(
  written: Written<K> & { kind: K },
  root: string,
  caFile?: string,
): Options<K> {
  const kind: StoreKind<Written<K>, Options<K>> = KINDS[written.kind];
  const keys: readonly string[] = kind.fileKeys;
  const trust = caFile !== undefined && keys.includes("caFile") ? { caFile } : {};
  return kind.resolve({ ...trust, ...written }, root);
}

/** Returns what is wrong with `storage` by keys that depend on each other. */
export function storageProblems<K extends Kind>(
  storage: Options<K> & { kind: K },
): StorageProblem[] {
  const kind: StoreKind<Written<K>, Options<K>> = KINDS[storage.kind];
  return kind.problems(storage);
}

/** Returns whether the store keeps anything; without, snapshots and backups are refused. */
export function keepsContent({ kind }: StorageOptions): boolean {
  return KINDS[kind].keepsContent;
}

/** Returns the patterns of an older layout of archives. */
export function legacyPatterns(storage: StorageOptions): readonly string[] {
  return "legacy" in storage ? storage.legacy ?? [] : [];
}

/** A store's folder on this node. */
export interface StoreFolder {
  /** The key of `storage` that names it. */
  key: string;
  /** Absolute. */
  path: string;
}

/** Returns the folder of a store that keeps its blobs on this node; `undefined` for another. */
export function storeFolder(storage: StorageOptions): StoreFolder | undefined {
  const key = KINDS[storage.kind].folderKey;
  return key === undefined ? undefined : { key, path: Reflect.get(storage, key) };
}

/** Returns absolute paths of the files that the config names and the store only reads. */
export function storeFiles(storage: StorageOptions): string[] {
  const keys: readonly string[] = KINDS[storage.kind].fileKeys;
  return keys.map((key): unknown => Reflect.get(storage, key))
    .filter((path) => typeof path === "string");
}

/**
 * Returns the permissions that the daemon Worker needs besides the store's folder.
 * @param env reads a variable of the main thread's environment, which tells where credentials are
 */
export function storePermissions<K extends Kind>(
  storage: Options<K> & { kind: K },
  env: (name: string) => string | undefined,
): StorePermissions {
  const kind: StoreKind<Written<K>, Options<K>> = KINDS[storage.kind];
  return kind.permissions(storage, env);
}

/** Options of {@link openStore}; the clock is the machine's unless given. */
export type OpenStoreOptions =
  & Omit<StoreParts, "clock" | "metrics">
  & Partial<Pick<StoreParts, "clock">>
  & { metrics: Metrics };

/**
 * Opens the configured store, and counts and times its use; the caller closes it. A store on the network
 * is not asked yet: that is what `probe` is for.
 * @throws {DaemonError} FAILED_PRECONDITION or RESOURCE_EXHAUSTED where it cannot be used
 */
export async function openStore<K extends Kind>(
  storage: Options<K> & { kind: K },
  { clock = systemClock, ...options }: OpenStoreOptions,
): Promise<ObjectStore> {
  const kind: StoreKind<Written<K>, Options<K>> = KINDS[storage.kind];
  const metrics = new StoreMetrics(options.metrics, storage.kind);
  const store = await kind.open(storage, { ...options, clock, metrics });
  return kind.keepsContent ? new MeteredStore(store, metrics) : store;
}
