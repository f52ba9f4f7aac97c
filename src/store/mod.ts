/**
 * Object stores: the `ObjectStore` contract, the embedded store and S3 that keep it, and collection.
 *
 * Concrete stores are opened by `openStore` alone and loaded only when used. `tests/store/conformance.ts`
 * is what each must pass.
 */

export { collect, type CollectProgress, type CollectResult, DEFAULT_GRACE_MS } from "./gc.ts";
export { blobKey } from "./keys.ts";
export { noStore } from "./no_store.ts";
export type { ObjectInfo, ObjectStore, StoreOptions } from "./object_store.ts";
export { openStore, type StorageOptions } from "./open_store.ts";
