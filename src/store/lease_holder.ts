/**
 * A collection's side of the pact in `lease.ts`: only one holds the lease at a time, and nothing is
 * deleted but by its holder, while writers still believe it.
 *
 * - It is **claimed** with nothing condemned, which the store does for one at a time: see
 *   {@link ObjectStore.compareAndClaimRef}. Whoever finds somebody else's lease in force is refused.
 * - Only once it is ours is anything **condemned**. That replaces our own lease while it is in force,
 *   when nobody else touches it. It is given up well before it runs out, and a replacement that hangs
 *   is broken off by then, so that none comes after another collection has claimed it.
 * - **Deletions** begin in the first half of the time that the lease was written for; what is under
 *   way then ends before writers cease to believe it.
 * - It is **withdrawn** after the last deletion has ended, and left to run out where one failed:
 *   that one may be on its way still.
 */

import type { Clock } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectStore } from "./object_store.ts";
import { LEASE_KEY } from "./keys.ts";
import { decodeLease, encodeLease, type Lease, shortName } from "./lease.ts";

/** How long writers believe a lease that is not renewed; milliseconds. */
const LEASE_MS = 5 * 60_000;
/** No deletion begins later than this after the lease was written; milliseconds. */
const USE_MS = LEASE_MS / 2;
/** Before a lease runs out it is ours no more: clocks differ, and what was sent may linger. */
const MARGIN_MS = 60_000;

export interface LeaseHolderOptions {
  clock: Clock;
  signal?: AbortSignal | undefined;
}

/** One collection's hold on the store's lease. */
export class LeaseHolder {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #holder: string = crypto.randomUUID();
  /** Until when nobody else can have claimed it; by our clock. */
  #oursUntil = -Infinity;
  /** Until when deletions may begin; by our clock. */
  #usableUntil = -Infinity;

  constructor(store: ObjectStore, { clock, signal }: LeaseHolderOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * Tells writers what is about to go, in place of what was condemned before.
   * @throws {DaemonError} FAILED_PRECONDITION while another collection holds the lease
   */
  async condemn(digests: readonly Digest[]): Promise<void> {
    this.#usableUntil = -Infinity;
    const condemned = digests.map(shortName);
    if (!this.#isOurs()) await this.#claim();
    const begun = this.#clock.now();
    const lease = await this.#encode(condemned);
    await this.#whileOurs((options) => this.#store.putRef(LEASE_KEY, lease, options));
    this.#oursUntil = begun + LEASE_MS - MARGIN_MS;
    this.#usableUntil = begun + USE_MS;
  }

  /** Whether a deletion of what is condemned may begin now. */
  mayDelete(): boolean {
    return this.#clock.now() < this.#usableUntil;
  }

  /** Lets writers go on; only after the last deletion has ended well. */
  async withdraw(): Promise<void> {
    this.#usableUntil = -Infinity;
    if (!this.#isOurs()) return;
    await this.#whileOurs((options) => this.#store.deleteRef(LEASE_KEY, options));
    this.#oursUntil = -Infinity;
  }

  async #claim(): Promise<void> {
    const options = this.#signal ? { signal: this.#signal } : {};
    const begun = this.#clock.now();
    const now = await this.#store.now(options);
    const mine = await this.#encode([], now);
    let other: Lease | undefined;
    const claimed = await this.#store.compareAndClaimRef(LEASE_KEY, (bytes) => {
      const lease = bytes && decodeLease(bytes);
      other = lease && lease.holder !== this.#holder && lease.expiresAt > now ? lease : undefined;
      return other ? undefined : mine;
    }, options);
    if (!claimed) throw refusal(other);
    this.#oursUntil = begun + LEASE_MS - MARGIN_MS;
  }

  async #encode(condemned: string[], now?: number): Promise<Uint8Array> {
    const time = now ?? await this.#store.now(this.#signal ? { signal: this.#signal } : {});
    return encodeLease({ holder: this.#holder, expiresAt: time + LEASE_MS, condemned });
  }

  #isOurs(): boolean {
    return this.#clock.now() < this.#oursUntil;
  }

  /** Does something to the lease, and breaks it off when the lease is ours no more. */
  async #whileOurs(work: (options: { signal: AbortSignal }) => Promise<void>): Promise<void> {
    const left = Math.max(0, this.#oursUntil - this.#clock.now());
    const end = AbortSignal.timeout(left);
    const signal = this.#signal ? AbortSignal.any([this.#signal, end]) : end;
    try {
      await work({ signal });
    } catch (error) {
      if (!end.aborted || this.#signal?.aborted) throw error;
      throw new DaemonError(
        "UNAVAILABLE",
        `The store did not replace ${LEASE_KEY} within ${left / 1000} s; collect again later`,
        { cause: error },
      );
    }
  }
}

function refusal(other: Lease | undefined): DaemonError {
  return new DaemonError(
    "FAILED_PRECONDITION",
    other
      ? "Another collection of this store is running, or was interrupted; try again after " +
        new Date(other.expiresAt).toISOString()
      : "Another collection of this store began at the same moment; try again when it is over",
  );
}
