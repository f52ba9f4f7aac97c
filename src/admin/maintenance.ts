/** Runs collections and verifications of the store as operations of this daemon. */

import type { Clock } from "../clock.ts";
import type { Content } from "../content/mod.ts";
import { type Damage, verifyImages, type VerifySource } from "../inspect/mod.ts";
import { logger } from "../log/mod.ts";
import { nameSome } from "../name_some.ts";
import type { Counts, Operation, OperationRegistry } from "../operations/mod.ts";
import { liveBlobs, requireBlob } from "../snapshot/mod.ts";
import { collect, type CollectProgress, type ObjectStore } from "../store/mod.ts";

const log = logger("admin");

/** What a collection and a verification use. */
export interface MaintenanceOptions {
  content: Content;
  store: ObjectStore;
  operations: OperationRegistry;
  clock: Clock;
  /** Fires when the daemon stops. */
  stop: AbortSignal;
}

/** What a collection is asked for. */
export interface CollectionRequest {
  /** Milliseconds. */
  graceMs: number;
  dryRun: boolean;
  force: boolean;
  /** As fast as it goes unless given. */
  deletesPerSecond?: number;
}

/** What a verification is asked for. */
export interface VerificationRequest {
  /** All images where empty. */
  urls: readonly string[];
  quarantine: boolean;
}

const PHASES: Readonly<Record<CollectProgress["phase"], string>> = {
  list: "listing",
  mark: "marking",
  sweep: "deleting",
};

/** Begins a collection. @returns its operation */
export function beginCollection(
  request: CollectionRequest,
  { store, operations, clock, stop }: MaintenanceOptions,
): Promise<Operation> {
  return begin(operations, "collection", async (operation) => {
    let done: Counts = { files: 0, bytes: 0 };
    using _observed = operation.progress.observe(() => done);
    const { blobs, live, young, deleted, spared, leftovers, unknown, ...result } = await collect(
      store,
      {
        ...request,
        mark: (signal) => liveBlobs(store, signal),
        clock,
        onProgress: ({ phase, done: count, total }) => {
          operation.enter(PHASES[phase]);
          done = { files: count, bytes: 0 };
          if (total !== undefined) operation.progress.setTotal({ files: total });
        },
        signal: AbortSignal.any([stop, operation.signal]),
      },
    );
    operation.setFigures({
      blobs: blobs.count,
      blob_bytes: blobs.bytes,
      live_blobs: live.count,
      live_bytes: live.bytes,
      young_blobs: young.count,
      young_bytes: young.bytes,
      deleted_blobs: deleted.count,
      deleted_bytes: deleted.bytes,
      spared_blobs: spared.count,
      spared_bytes: spared.bytes,
      removed_leftovers: leftovers.count,
      removed_leftover_bytes: leftovers.bytes,
      unknown_objects: unknown,
      dry_run: result.dryRun ? 1 : 0,
      needs_force: result.needsForce ? 1 : 0,
    });
  });
}

/** Begins a verification. @returns its operation */
export function beginVerification(
  { urls, quarantine }: VerificationRequest,
  { content, store, operations, stop }: MaintenanceOptions,
): Promise<Operation> {
  return begin(operations, "verification", async (operation) => {
    let done: Counts = { files: 0, bytes: 0 };
    using _observed = operation.progress.observe(() => done);
    operation.enter("reading manifests");
    const result = await verifyImages(verifiedByWorkers(store, content), {
      ...(urls.length > 0 ? { urls } : {}),
      quarantine,
      onProgress: ({ blobs, ofBlobs, bytes, ofBytes }) => {
        operation.enter("checking digests");
        done = { files: blobs, bytes };
        operation.progress.setTotal({ files: ofBlobs, bytes: ofBytes });
      },
      signal: AbortSignal.any([stop, operation.signal]),
    });
    operation.setFigures({
      images: result.images,
      blobs: result.blobs,
      bytes: result.bytes,
      damaged: result.damage.length,
      quarantined: result.quarantined.length,
    });
    for (const damage of result.damage) reportDamage(damage, operation);
  });
}

function reportDamage({ what, problem, images }: Damage, operation: Operation): void {
  log.error("{what} is damaged: {problem}; needed by {images}", { what, problem, images });
  const needed = images.length > 0 ? `; needed by ${nameSome(images)}` : "";
  operation.addFinding(`${what}: ${problem}${needed}`);
}

/** Returns the store's blobs, brought to this node and checked by the content Workers. */
function verifiedByWorkers(store: ObjectStore, content: Content): VerifySource {
  return {
    store,
    async check(blob, { signal }) {
      const { digest, size } = blob;
      const held = await requireBlob(digest, store.acquireBlob(digest, size, { signal }));
      try {
        await content.verifyBlob(held, blob, { signal });
      } finally {
        await held.release();
      }
    },
  };
}

/** Runs `work` in the background as an operation, which tells how it ends. */
function begin(
  operations: OperationRegistry,
  kind: "collection" | "verification",
  work: (operation: Operation) => Promise<void>,
): Promise<Operation> {
  const began = Promise.withResolvers<Operation>();
  const done = operations.run({ kind }, (operation) => {
    began.resolve(operation);
    return work(operation);
  });
  // Its failure is the operation's, and is reported with it.
  done.catch(() => {});
  return began.promise;
}
