/**
 * Implements the collection's side of the protocol in `lease.ts`: one collection at a time holds the lease, and
 * only its holder deletes, while the lease is in force.
 *
 * - A collection **claims** the lease with nothing condemned. The store lets one claim succeed at a time:
 *   see {@link ObjectStore.compareAndClaimRef}. While another collection's lease is in force, it is
 *   refused.
 * - It **condemns** blobs only while it holds the lease, by replacing its own lease, which no other
 *   collection writes to meanwhile. It counts the lease as lost well before it expires, and aborts a
 *   replacement that is still under way then, so that none takes effect after another collection's claim.
 * - It begins **deletions** in the first half of the lease's duration, so that they end before the lease
 *   expires.
 * - It **withdraws** the lease after the last deletion has ended. Where one failed it lets the lease
 *   expire, because that deletion may still take effect.
 */

import { type Clock, Stopwatch } from "../clock.ts";
import type { Digest } from "../digest.ts";
import { DaemonError } from "../errors.ts";
import type { ObjectStore } from "./object_store.ts";
import { LEASE_KEY } from "./keys.ts";
import { decodeLease, encodeLease, type Lease, shortName } from "./lease.ts";

/** How long a lease is in force after it was written. Milliseconds. */
const LEASE_MS = 5 * 60_000;
/** How long after the lease was written deletions may begin. Milliseconds. */
const USE_MS = LEASE_MS / 2;
/** The lease counts as lost a minute before it expires, as clocks differ and requests linger. Milliseconds. */
const HOLD_MS = LEASE_MS - 60_000;

/** Options of a {@link LeaseHolder}. */
export interface LeaseHolderOptions {
  clock: Clock;
  signal?: AbortSignal | undefined;
}

/** Claims, renews and withdraws the store's lease for one collection. */
export class LeaseHolder {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #holder: string = crypto.randomUUID();
  /** Runs since before the lease was written; no other collection can claim it within `HOLD_MS`. */
  #held: Stopwatch | undefined;
  /** The same, while what is condemned may be deleted. */
  #usable: Stopwatch | undefined;

  constructor(store: ObjectStore, { clock, signal }: LeaseHolderOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * Announces to writers which blobs are about to be deleted, in place of those announced before.
   * @throws {DaemonError} FAILED_PRECONDITION while another collection holds the lease
   */
  async condemn(digests: readonly Digest[]): Promise<void> {
    this.#usable = undefined;
    const condemned = digests.map(shortName);
    if (this.#left() === 0) await this.#claim();
    const begun = new Stopwatch(this.#clock);
    const lease = await this.#encode(condemned);
    await this.#whileHeld((options) => this.#store.putRef(LEASE_KEY, lease, options));
    this.#held = begun;
    this.#usable = begun;
  }

  /** Returns whether a deletion of a condemned blob may begin now. */
  mayDelete(): boolean {
    return this.#usable !== undefined && this.#usable.elapsed() < USE_MS;
  }

  /** Deletes the lease, so that writers go on. To be called only after every deletion has succeeded. */
  async withdraw(): Promise<void> {
    this.#usable = undefined;
    if (this.#left() === 0) return;
    await this.#whileHeld((options) => this.#store.deleteRef(LEASE_KEY, options));
    this.#held = undefined;
  }

  async #claim(): Promise<void> {
    const options = { signal: this.#signal };
    const begun = new Stopwatch(this.#clock);
    const now = await this.#store.now(options);
    const own = await this.#encode([], now);
    let other: Lease | undefined;
    const claimed = await this.#store.compareAndClaimRef(LEASE_KEY, (bytes) => {
      const lease = bytes && decodeLease(bytes);
      other = lease && lease.holder !== this.#holder && lease.expiresAt > now ? lease : undefined;
      return other ? undefined : own;
    }, options);
    if (!claimed) throw refusal(other);
    this.#held = begun;
  }

  async #encode(condemned: string[], now?: number): Promise<Uint8Array> {
    const time = now ?? await this.#store.now({ signal: this.#signal });
    return encodeLease({ holder: this.#holder, expiresAt: time + LEASE_MS, condemned });
  }

  /** Milliseconds until the lease counts as lost. */
  #left(): number {
    return this.#held ? Math.max(0, HOLD_MS - this.#held.elapsed()) : 0;
  }

  /** Runs a change of the lease, and aborts it when the lease counts as lost. */
  async #whileHeld(work: (options: { signal: AbortSignal }) => Promise<unknown>): Promise<void> {
    const left = this.#left();
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
