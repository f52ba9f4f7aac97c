/** Counts and times the operations of any store, as a decorator. */

import type { Digest } from "../digest.ts";
import type { LeasedFile, SpooledBlob } from "../spool.ts";
import type {
  ArchiveStoreOptions,
  BlobRange,
  DeleteBlobOptions,
  DeleteRefOptions,
  HasBlobOptions,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  StoreOptions,
  SweepOptions,
  Tally,
} from "./object_store.ts";
import type { StoreMetrics } from "./store_metrics.ts";

/** An {@link ObjectStore} that passes every operation on to another, and reports it to the metrics. */
export class MeteredStore implements ObjectStore {
  readonly kind: string;
  readonly isRemote: boolean;
  readonly minimumGraceMs: number;
  readonly #store: ObjectStore;
  readonly #metrics: StoreMetrics;

  constructor(store: ObjectStore, metrics: StoreMetrics) {
    this.kind = store.kind;
    this.isRemote = store.isRemote;
    this.minimumGraceMs = store.minimumGraceMs;
    this.#store = store;
    this.#metrics = metrics;
  }

  probe(options?: StoreOptions): Promise<void> {
    return this.#metrics.measure("probe", () => this.#store.probe(options));
  }

  async putBlob(blob: SpooledBlob, options?: StoreOptions): Promise<boolean> {
    const put = () => this.#store.putBlob(blob, options);
    const stored = await this.#metrics.measure("put_blob", put);
    this.#metrics.onBlob(stored, blob.size);
    return stored;
  }

  async putBlobBytes(digest: Digest, bytes: Uint8Array, options?: StoreOptions): Promise<boolean> {
    const put = () => this.#store.putBlobBytes(digest, bytes, options);
    const stored = await this.#metrics.measure("put_blob", put);
    this.#metrics.onBlob(stored, bytes.length);
    return stored;
  }

  hasBlob(digest: Digest, size: number, options?: HasBlobOptions): Promise<boolean> {
    return this.#metrics.measure("has_blob", () => this.#store.hasBlob(digest, size, options));
  }

  getBlobBytes(digest: Digest, maxBytes: number, options?: StoreOptions): Promise<Uint8Array> {
    const get = () => this.#store.getBlobBytes(digest, maxBytes, options);
    return this.#metrics.measure("get_blob", get);
  }

  acquireBlob(digest: Digest, size: number, options?: StoreOptions): Promise<LeasedFile> {
    return this.#metrics.measure("hold_blob", () => this.#store.acquireBlob(digest, size, options));
  }

  getBlobRange(
    digest: Digest,
    size: number,
    range: BlobRange,
    options?: StoreOptions,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const get = () => this.#store.getBlobRange(digest, size, range, options);
    return this.#metrics.measure("get_range", get);
  }

  getRef(key: string, options?: StoreOptions): Promise<Uint8Array> {
    // NOT_FOUND is no error here: this is how callers ask whether there is a backup.
    return this.#metrics.measure("get_ref", () => this.#store.getRef(key, options), "NOT_FOUND");
  }

  putRef(key: string, bytes: Uint8Array, options?: StoreOptions): Promise<void> {
    return this.#metrics.measure("put_ref", () => this.#store.putRef(key, bytes, options));
  }

  replaceRef(
    key: string,
    expected: Uint8Array | undefined,
    bytes: Uint8Array,
    options?: StoreOptions,
  ): Promise<boolean> {
    const replace = () => this.#store.replaceRef(key, expected, bytes, options);
    return this.#metrics.measure("put_ref", replace);
  }

  compareAndClaimRef(
    key: string,
    decide: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options?: StoreOptions,
  ): Promise<boolean> {
    return this.#metrics.measure(
      "claim_ref",
      () => this.#store.compareAndClaimRef(key, decide, options),
    );
  }

  deleteRef(key: string, options?: DeleteRefOptions): Promise<boolean> {
    return this.#metrics.measure("delete_ref", () => this.#store.deleteRef(key, options));
  }

  putObject(key: string, file: SpooledBlob, options?: StoreOptions): Promise<void> {
    return this.#metrics.measure("put_object", () => this.#store.putObject(key, file, options));
  }

  acquireArchive(
    object: string,
    bucket: string,
    options?: ArchiveStoreOptions,
  ): Promise<LeasedFile> {
    const hold = () => this.#store.acquireArchive(object, bucket, options);
    return this.#metrics.measure("hold_archive", hold);
  }

  /** Lists without measuring: a listing's time would include whatever its reader does meanwhile. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.#store.list(prefix, options);
  }

  deleteBlob(digest: Digest, options?: DeleteBlobOptions): Promise<boolean> {
    return this.#metrics.measure("delete_blob", () => this.#store.deleteBlob(digest, options));
  }

  sweepLeftovers(olderThan: number, options?: SweepOptions): Promise<Tally> {
    const sweep = () => this.#store.sweepLeftovers(olderThan, options);
    return this.#metrics.measure("sweep_leftovers", sweep);
  }

  now(options?: StoreOptions): Promise<number> {
    return this.#store.now(options);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
