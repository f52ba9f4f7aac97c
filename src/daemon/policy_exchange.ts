/** Tells the other daemons on a store by which policy this one keeps images, and learns theirs. */

import { repeat, resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import {
  joinPolicies,
  publishPolicy,
  type RetentionRules,
  sharedPolicies,
  type StorePolicy,
} from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";

const log = logger("daemon");

/** Milliseconds from one exchange to the next, and after one that failed. */
const INTERVAL_MS = 3600_000;
const RETRY_MS = 60_000;
/** Milliseconds that a start waits for the first exchange; without it, backups are kept that need not be. */
const PATIENCE_MS = 2_000;

/** Keeps everything, until it is known what others keep. */
const KEEP_ALL: RetentionRules = { retain: 1_000_000, otherLineages: 1_000_000 };

/** What a {@link PolicyExchange} uses. */
export interface PolicyExchangeOptions {
  store: ObjectStore;
  clock: Clock;
  /** The id of this daemon's journal. */
  node: string;
  policy: StorePolicy;
}

/** Exchanges policies at intervals until it is disposed of. */
export class PolicyExchange implements AsyncDisposable {
  readonly #options: PolicyExchangeOptions;
  readonly #stop = new AbortController();
  /** Those of all daemons; `undefined` until they were read, and while one is there that cannot be. */
  #policies: readonly StorePolicy[] | undefined;
  #told = "";
  #exchanging: Promise<void> = Promise.resolve();

  constructor(options: PolicyExchangeOptions) {
    this.#options = options;
    if (options.store.kind === "none") this.#policies = [options.policy];
  }

  /** Exchanges now and at intervals; resolves once that was done, or could not be within moments. */
  async start(): Promise<void> {
    if (this.#options.store.kind === "none") return;
    const first = Promise.withResolvers<void>();
    this.#exchanging = this.#keepExchanging(() => first.resolve());
    await resolvesWithin(first.promise, PATIENCE_MS, this.#options.clock);
  }

  /** Returns rules for backups, of which each keeps what it keeps; everything until others' are known. */
  rules(): readonly RetentionRules[] {
    const { policy } = this.#options;
    return this.#policies
      ? this.#policies.map(({ backups }) => backups)
      : [policy.backups, KEEP_ALL];
  }

  /**
   * Returns the policy that keeps what any daemon's keeps, as of now.
   * @throws {DaemonError} where those of the others cannot be read
   */
  async joined(): Promise<ReturnType<typeof joinPolicies>> {
    return joinPolicies(await this.#exchange());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#exchanging;
  }

  async #keepExchanging(onFirst: () => void): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    let hasFailed = false;
    await repeat(async () => {
      let delay = INTERVAL_MS;
      try {
        await this.#exchange();
        hasFailed = false;
      } catch (error) {
        if (signal.aborted) return 0;
        delay = RETRY_MS;
        const level = hasFailed ? "debug" : "warn";
        hasFailed = true;
        log[level]("Cannot learn what other daemons keep in the store: {reason}", {
          reason: messageOf(error),
        });
      }
      onFirst();
      return delay;
    }, { clock, signal });
  }

  async #exchange(): Promise<readonly StorePolicy[]> {
    const { store, node, policy } = this.#options;
    const options = { signal: this.#stop.signal };
    await publishPolicy(store, node, policy, options);
    const others = await this.#readOthers();
    const policies = this.#policies = [policy, ...others.values()];
    this.#tellOfOthers(others);
    return policies;
  }

  async #readOthers(): Promise<ReadonlyMap<string, StorePolicy>> {
    const { store, node } = this.#options;
    try {
      const policies = await sharedPolicies(store, { signal: this.#stop.signal });
      policies.delete(node);
      return policies;
    } catch (error) {
      // What was read before says nothing of one that has come since, of a newer version perhaps.
      if (error instanceof DaemonError && error.code === "DATA_LOSS") this.#policies = undefined;
      throw error;
    }
  }

  /** Says once which daemons have other policies, since that is more often a mistake than meant. */
  #tellOfOthers(policies: ReadonlyMap<string, StorePolicy>): void {
    const own = JSON.stringify(this.#options.policy);
    const others = [...policies].filter(([, policy]) => JSON.stringify(policy) !== own);
    const told = JSON.stringify(others);
    if (told !== this.#told && others.length > 0) {
      log.warn(
        "{count} daemons on this store keep images by another policy than this one ({own}), such as " +
          "{node}: {other}. What any of them keeps stays; have the config of all say the same",
        { count: others.length, own, node: others[0]![0], other: JSON.stringify(others[0]![1]) },
      );
    }
    this.#told = told;
  }
}
