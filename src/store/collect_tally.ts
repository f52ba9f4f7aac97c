/** Counts the blobs of a collection, and makes its result of the counts. */

import type { Digest } from "../digest.ts";
import type { Tally } from "./object_store.ts";

/** The result of a collection: what it found and deleted, or would delete without `dryRun`. */
export interface CollectResult {
  dryRun: boolean;
  /** Whether only `force` permits the deletion, because it is of most blobs or of all that are old enough. */
  needsForce: boolean;
  /** All blobs of the store. */
  blobs: Tally;
  /** Blobs that a reference needs. */
  live: Tally;
  /** Blobs that nothing needs, left until their grace period is over. */
  young: Tally;
  /** Blobs that nothing needs and that were deleted, or would be. */
  deleted: Tally;
  /** Blobs that were to be deleted and that meanwhile became needed or young, or were gone. */
  spared: Tally;
  /** Temporary files and unfinished uploads of interrupted writers. */
  leftovers: Tally;
  /** Objects below the blobs' prefix whose name is no digest; left alone. */
  unknown: number;
}

/** A blob as the store lists it. */
export interface ListedBlob {
  digest: Digest;
  /** Bytes. */
  size: number;
  /** When it was stored or touched. Milliseconds since the epoch by the store's clock. */
  modified: number;
}

/** Counts the blobs of one collection by what became of them. */
export class CollectTally {
  readonly #result: CollectResult;
  /** Blobs within their grace period, needed or not. */
  readonly #young: ListedBlob[] = [];

  constructor(dryRun: boolean) {
    const none = (): Tally => ({ count: 0, bytes: 0 });
    this.#result = {
      dryRun,
      needsForce: false,
      blobs: none(),
      live: none(),
      young: none(),
      deleted: none(),
      spared: none(),
      leftovers: none(),
      unknown: 0,
    };
  }

  /** The counts so far. */
  get result(): Readonly<CollectResult> {
    return this.#result;
  }

  /** Counts an object of the listing whose name is no digest. */
  addUnknown(): void {
    this.#result.unknown++;
  }

  /** Counts a blob of the listing; one that is young is sorted by {@link takeLive}. */
  addListed(blob: ListedBlob, isYoung: boolean): void {
    count(this.#result.blobs, blob);
    if (isYoung) this.#young.push(blob);
  }

  /**
   * Counts which blobs are needed. Returns those of `candidates` that are not.
   * @param candidates the listed blobs that are not young
   */
  takeLive(candidates: readonly ListedBlob[], live: ReadonlySet<Digest>): ListedBlob[] {
    for (const blob of this.#young) {
      count(live.has(blob.digest) ? this.#result.live : this.#result.young, blob);
    }
    return candidates.filter((blob) => {
      const isNeeded = live.has(blob.digest);
      if (isNeeded) count(this.#result.live, blob);
      return !isNeeded;
    });
  }

  /** Notes whether deleting these blobs takes `force`. Returns the same. */
  requireForceFor(unneeded: readonly ListedBlob[]): boolean {
    return this.#result.needsForce = isExcessive(this.#result, unneeded);
  }

  /** Counts a blob that was deleted, or would be. */
  addDeleted(blob: ListedBlob): void {
    count(this.#result.deleted, blob);
  }

  /** Counts a blob that was to be deleted and was not. */
  addSpared(blob: ListedBlob): void {
    count(this.#result.spared, blob);
  }

  /** Returns the result of the whole collection. */
  finish(leftovers: Tally): CollectResult {
    return { ...this.#result, leftovers };
  }
}

/** Returns the number of bytes in these blobs. */
export function bytesOf(blobs: readonly ListedBlob[]): number {
  return blobs.reduce((sum, { size }) => sum + size, 0);
}

/** Deleting so many blobs, or fewer, needs no `force` as long as others are needed. */
const MAX_UNFORCED_BLOBS = 20;

function isExcessive({ blobs, live }: CollectResult, unneeded: readonly ListedBlob[]): boolean {
  if (unneeded.length === 0) return false;
  if (live.count === 0) return true;
  const isMost = 2 * unneeded.length > blobs.count || 2 * bytesOf(unneeded) > blobs.bytes;
  return isMost && unneeded.length > MAX_UNFORCED_BLOBS;
}

function count(tally: Tally, { size }: { size: number }): void {
  tally.count++;
  tally.bytes += size;
}
