/**
 * Collection: deletes blobs that nothing refers to, while other nodes write.
 *
 * Why no blob that is needed is ever deleted:
 * - Only blobs stored or touched before `now - grace` are candidates, and they are listed before
 *   the references are read. A writer touches every blob that it builds upon, so what a reference
 *   that is still to be written needs is young, as long as a backup takes less than half the grace.
 * - What is dead is condemned in the store before it is deleted, by one collection at a time, and its
 *   age is looked at once more after that: see `lease.ts` and `lease_holder.ts`.
 * - References are read a second time right before the deletions, and again whenever that has
 *   become old.
 * - A reference or manifest that is listed and cannot be read stops the collection: what it needs is
 *   unknown.
 * - What would leave nothing, or delete most of what there is, is not deleted unless the caller insists:
 *   so it looks when references are hidden, by a fault or by a hand that slipped.
 *
 * It can be stopped and started anew at any moment: all that it knows is in the store.
 */

import type { Clock } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectInfo, ObjectStore, Tally } from "./object_store.ts";
import { BLOB_PREFIX, blobOfKey } from "./keys.ts";
import { LeaseHolder } from "./lease_holder.ts";
import { forEachIndex } from "../async/mod.ts";

/** What a blob is left alone for after it was stored or touched; milliseconds. */
export const DEFAULT_GRACE_MS = 24 * 3600_000;

/** Blobs condemned at a time. */
const BATCH_SIZE = 200;
/** Deletions under way at a time. */
const DELETE_CONCURRENCY = 8;
/** References are read again when the last reading is older; milliseconds. */
const MAX_MARK_AGE_MS = 5 * 60_000;

/** How far a collection is. */
export interface CollectProgress {
  phase: "list" | "mark" | "sweep";
  /** Blobs handled in this phase. */
  done: number;
  /** Known in the sweep only. */
  total?: number;
}

/** How to collect. */
export interface CollectOptions {
  /**
   * Returns every blob that a live reference needs.
   * @throws where one cannot be read: what it needs is unknown, and nothing is deleted.
   */
  mark(signal?: AbortSignal): Promise<ReadonlySet<Digest>>;
  /** Milliseconds; at least twice what the longest backup takes, and as long on every node. */
  graceMs: number;
  /** Deletes nothing, and counts what would be. */
  dryRun?: boolean;
  /** Deletes also where that is most of the store's blobs, or all that are old enough. */
  force?: boolean;
  clock: Clock;
  onProgress?(progress: CollectProgress): void;
  signal?: AbortSignal | undefined;
}

/** What a collection found and deleted, or would delete. */
export interface CollectResult {
  dryRun: boolean;
  /** Whether what was deleted, or would be, is so much that only `force` permits it. */
  needsForce: boolean;
  /** All blobs of the store. */
  blobs: Tally;
  /** Blobs that a reference needs. */
  live: Tally;
  /** Dead ones that are left until their grace is over. */
  young: Tally;
  /** Dead ones that were deleted, or would be. */
  deleted: Tally;
  /** Dead ones that somebody took up, or took away, before they could be deleted. */
  spared: Tally;
  /** What interrupted writers left behind. */
  leftovers: Tally;
  /** Keys among the blobs that are no blobs; left alone. */
  unknown: number;
}

/** A blob of the listing. */
interface Blob {
  digest: Digest;
  size: number;
  modified: number;
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
  const result = newResult(dryRun);
  const candidates = await listBlobs(store, cutoff, result, options);
  options.onProgress?.({ phase: "mark", done: 0 });
  const live = await options.mark(signal);
  const dead = candidates.filter((blob) => {
    const needed = live.has(blob.digest);
    if (needed) count(result.live, blob);
    return !needed;
  });
  countYoung(result, live);
  result.needsForce = isExcessive(result, dead);
  if (dryRun) {
    for (const blob of dead) count(result.deleted, blob);
  } else if (dead.length > 0) {
    if (result.needsForce && !options.force) throw tooManyError(result, dead);
    await new Sweep(store, options, cutoff, result).run(dead);
  }
  result.leftovers = await store.sweepLeftovers(cutoff, { ...options, dryRun });
  return finish(result);
}

/** Deleting so many blobs, or fewer, needs no `force` as long as others are needed. */
const MAX_UNFORCED_BLOBS = 20;

function isExcessive({ blobs, live }: CollectResult, dead: readonly Blob[]): boolean {
  if (dead.length === 0) return false;
  if (live.count === 0) return true;
  const isMost = 2 * dead.length > blobs.count || 2 * bytesOf(dead) > blobs.bytes;
  return isMost && dead.length > MAX_UNFORCED_BLOBS;
}

function bytesOf(blobs: readonly Blob[]): number {
  return blobs.reduce((sum, { size }) => sum + size, 0);
}

function tooManyError({ blobs, live }: CollectResult, dead: readonly Blob[]): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    `This would delete ${dead.length} of ${blobs.count} blobs, and ${bytesOf(dead)} of ` +
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

interface Running extends CollectResult {
  /** Too young to be deleted, dead or alive. */
  youngBlobs: Blob[];
}

function newResult(dryRun: boolean): Running {
  const none = (): Tally => ({ count: 0, bytes: 0 });
  return {
    dryRun,
    needsForce: false,
    blobs: none(),
    live: none(),
    young: none(),
    deleted: none(),
    spared: none(),
    leftovers: none(),
    unknown: 0,
    youngBlobs: [],
  };
}

function finish({ youngBlobs: _, ...result }: Running): CollectResult {
  return result;
}

function count(tally: Tally, { size }: { size: number }): void {
  tally.count++;
  tally.bytes += size;
}

async function listBlobs(
  store: ObjectStore,
  cutoff: number,
  result: Running,
  options: CollectOptions,
): Promise<Blob[]> {
  const candidates: Blob[] = [];
  for await (const info of store.list(BLOB_PREFIX, options)) {
    const blob = blobOf(info);
    if (!blob) {
      result.unknown++;
      continue;
    }
    count(result.blobs, blob);
    (blob.modified < cutoff ? candidates : result.youngBlobs).push(blob);
    if (result.blobs.count % 1000 === 0) {
      options.onProgress?.({ phase: "list", done: result.blobs.count });
    }
  }
  options.onProgress?.({ phase: "list", done: result.blobs.count });
  return candidates;
}

function blobOf({ key, size, modified }: ObjectInfo): Blob | undefined {
  const digest = blobOfKey(key);
  return digest && { digest, size, modified };
}

function countYoung(result: Running, live: ReadonlySet<Digest>): void {
  for (const blob of result.youngBlobs) {
    count(live.has(blob.digest) ? result.live : result.young, blob);
  }
}

/** Deletes what nothing needs, in batches that are announced to writers first. */
class Sweep {
  readonly #store: ObjectStore;
  readonly #options: CollectOptions;
  readonly #cutoff: number;
  readonly #result: CollectResult;
  readonly #lease: LeaseHolder;
  #live: ReadonlySet<Digest> = new Set();
  #markedAt = -Infinity;

  constructor(
    store: ObjectStore,
    options: CollectOptions,
    cutoff: number,
    result: CollectResult,
  ) {
    this.#store = store;
    this.#options = options;
    this.#cutoff = cutoff;
    this.#result = result;
    this.#lease = new LeaseHolder(store, options);
  }

  /** Deletes `dead`. Where it fails, the lease is left to expire: a deletion may still be in progress. */
  async run(dead: readonly Blob[]): Promise<void> {
    for (let at = 0; at < dead.length; at += BATCH_SIZE) {
      await this.#sweepBatch(dead.slice(at, at + BATCH_SIZE));
      this.#options.onProgress?.({
        phase: "sweep",
        done: Math.min(at + BATCH_SIZE, dead.length),
        total: dead.length,
      });
    }
    await this.#lease.withdraw();
  }

  async #sweepBatch(batch: readonly Blob[]): Promise<void> {
    const { clock, mark, signal } = this.#options;
    if (clock.now() - this.#markedAt > MAX_MARK_AGE_MS) {
      this.#markedAt = clock.now();
      this.#live = await mark(signal);
    }
    await this.#lease.condemn(batch.map(({ digest }) => digest));
    await forEachIndex(batch.length, DELETE_CONCURRENCY, signal, async (index, either) => {
      const blob = batch[index]!;
      const gone = !this.#live.has(blob.digest) &&
        await this.#store.deleteBlob(blob.digest, {
          signal: either,
          olderThan: this.#cutoff,
          mayDelete: () => this.#lease.mayDelete(),
        });
      count(gone ? this.#result.deleted : this.#result.spared, blob);
    });
  }
}
