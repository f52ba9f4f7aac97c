/**
 * Collection: deletes blobs that nothing refers to, while other nodes write.
 *
 * Why no blob that is needed is ever deleted:
 * - Only blobs stored or touched before `now - grace` are candidates, and they are listed before
 *   the references are read. A writer touches every blob that it builds upon, so what a reference
 *   that is still to be written needs is young, as long as a backup takes less than half the grace.
 * - A blob that nothing needs is condemned in the store before it is deleted, by one collection at a
 *   time, and its age is read once more after that: see `lease.ts` and `lease_holder.ts`.
 * - References are read a second time right before the deletions, and again whenever that has
 *   become old.
 * - A reference or manifest that is listed and cannot be read stops the collection: what it needs is
 *   unknown.
 * - A collection that would leave nothing, or delete most blobs, deletes nothing unless the caller
 *   insists: references that are hidden, by a fault or by mistake, look the same.
 *
 * A collection can be stopped at any moment and started anew: it keeps no state outside the store.
 */

import type { Clock } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import { bytesOf, type CollectResult, CollectTally, type ListedBlob } from "./collect_tally.ts";
import { BLOB_PREFIX, blobOfKey } from "./keys.ts";
import type { ObjectStore } from "./object_store.ts";
import { noteCollection } from "./last_collection.ts";
import { Sweep } from "./sweep_blobs.ts";

/** The grace period unless another is given. Milliseconds. */
export const DEFAULT_GRACE_MS = 24 * 3600_000;

/** The progress of a collection. */
export interface CollectProgress {
  phase: "list" | "mark" | "sweep";
  /** Blobs handled in this phase. */
  done: number;
  /** All blobs of this phase; given in the sweep only. */
  total?: number;
}

/** Options of a collection. */
export interface CollectOptions {
  /**
   * Returns every blob that a live reference needs.
   * @throws where one cannot be read: what it needs is unknown, and nothing is deleted.
   */
  mark(signal?: AbortSignal): Promise<ReadonlySet<Digest>>;
  /** Milliseconds; at least twice what the longest backup takes, and as long on every node. */
  graceMs: number;
  /** Counts what would be deleted, and deletes nothing. */
  dryRun?: boolean;
  /** Deletes also where that is most of the store's blobs, or all that are old enough. */
  force?: boolean;
  /** Bounds how many blobs are deleted a second, for a store that others use meanwhile. */
  deletesPerSecond?: number | undefined;
  clock: Clock;
  onProgress?(progress: CollectProgress): void;
  signal?: AbortSignal | undefined;
}

/**
 * Deletes the blobs that no reference needs, once. Can be aborted at any moment and run again.
 * @throws {DaemonError} INVALID_ARGUMENT for a grace that is too short for this kind of store;
 * FAILED_PRECONDITION while another collection runs, and for a deletion of most blobs without `force`;
 * what `mark` and the store throw. What was deleted by then was not needed.
 */
export async function collect(
  store: ObjectStore,
  options: CollectOptions,
): Promise<CollectResult> {
  const { signal, dryRun = false } = options;
  checkGrace(store, options.graceMs);
  const startedAt = await store.now(options);
  const cutoff = startedAt - options.graceMs;
  const tally = new CollectTally(dryRun);
  const candidates = await listBlobs(store, cutoff, tally, options);
  options.onProgress?.({ phase: "mark", done: 0 });
  const unneeded = tally.takeLive(candidates, await options.mark(signal));
  const needsForce = tally.requireForceFor(unneeded);
  if (dryRun) {
    for (const blob of unneeded) tally.addDeleted(blob);
  } else if (unneeded.length > 0) {
    if (needsForce && !options.force) throw tooManyError(tally.result, unneeded);
    await new Sweep(store, options, cutoff, tally).run(unneeded);
  }
  const result = tally.finish(await store.sweepLeftovers(cutoff, { ...options, dryRun }));
  if (!dryRun) await noteCollection(store, options);
  return result;
}

function tooManyError(
  { blobs, live }: CollectResult,
  unneeded: readonly ListedBlob[],
): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `This would delete ${unneeded.length} of ${blobs.count} blobs, and ${bytesOf(unneeded)} of ` +
      `${blobs.bytes} bytes, where backups and snapshots need ${live.count} blobs of ` +
      `${live.bytes} bytes; nothing was deleted. Look whether "store ls" shows every backup and ` +
      `snapshot, and collect with --force if it does`,
  );
}

function checkGrace({ kind, minimumGraceMs }: ObjectStore, graceMs: number): void {
  if (graceMs >= minimumGraceMs) return;
  const hours = (milliseconds: number) => `${milliseconds / 3600_000}h`;
  throw new DaemonError(
    "INVALID_ARGUMENT",
    `The grace must be at least ${
      hours(minimumGraceMs)
    } for a store of kind ${kind}, whose blobs ` +
      `are touched no sooner than at half that age: current value is ${hours(graceMs)}`,
  );
}

/** Lists all blobs, and returns those that are older than their grace period. */
async function listBlobs(
  store: ObjectStore,
  cutoff: number,
  tally: CollectTally,
  options: CollectOptions,
): Promise<ListedBlob[]> {
  const candidates: ListedBlob[] = [];
  const report = () => options.onProgress?.({ phase: "list", done: tally.result.blobs.count });
  for await (const { key, size, modified } of store.list(BLOB_PREFIX, options)) {
    const digest = blobOfKey(key);
    if (!digest) {
      tally.addUnknown();
      continue;
    }
    const blob = { digest, size, modified };
    const isYoung = modified >= cutoff;
    tally.addListed(blob, isYoung);
    if (!isYoung) candidates.push(blob);
    if (tally.result.blobs.count % 1000 === 0) report();
  }
  report();
  return candidates;
}
