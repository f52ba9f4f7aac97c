/**
 * Object stores: the `ObjectStore` contract, the embedded store and S3 that keep it, and collection.
 *
 * Each kind of store is a `StoreKind` (the schema of its config, the permissions that its Worker needs,
 * how it is opened) in a folder of its own, listed in `kinds.ts`. Each must pass
 * `tests/store/conformance.ts`.
 */

export { collect, type CollectProgress, DEFAULT_GRACE_MS } from "./collect.ts";
export type { CollectResult } from "./collect_tally.ts";
export { lastCollection } from "./last_collection.ts";
export { holdsStore } from "./file/object_folder.ts";
export { blobKey, isBucketName } from "./keys.ts";
export { legacyArchive } from "./legacy_pattern.ts";
export {
  keepsContent,
  legacyPatterns,
  openStore,
  type OpenStoreOptions,
  resolveStorage,
  SECRET_STORAGE_KEYS,
  STORAGE_PATH_KEYS,
  type StorageOptions,
  storageProblems,
  storageSchema,
  storeFiles,
  type StoreFolder,
  storeFolder,
  storePermissions,
} from "./kinds.ts";
export type { StorageProblem, StorePermissions } from "./store_kind.ts";
export type { ObjectInfo, ObjectStore, StoreOptions } from "./object_store.ts";
