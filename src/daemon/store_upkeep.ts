/** Keeps the store in order while the daemon runs: what is forgotten by policy, and what is collected. */

import type { Administration } from "../admin/mod.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/mod.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Operation, OperationRegistry } from "../operations/mod.ts";
import type { RetentionRules } from "../snapshot/mod.ts";
import type { ObjectStore } from "../store/mod.ts";
import { CollectionSchedule } from "./collection_schedule.ts";
import { PolicyExchange } from "./policy_exchange.ts";
import { type ImageUser, UseNotes } from "./use_notes.ts";

const log = logger("daemon");

/** What a {@link StoreUpkeep} uses. */
export interface StoreUpkeepOptions {
  config: Pick<Config, "backup" | "snapshot" | "store">;
  store: ObjectStore;
  clock: Clock;
  operations: OperationRegistry;
  /** The id of this daemon's journal. */
  node: string;
}

/** What it keeps in order, between `start` and its disposal. */
export class StoreUpkeep implements AsyncDisposable {
  readonly #options: StoreUpkeepOptions;
  readonly #policies: PolicyExchange;
  readonly #running = new AsyncDisposableStack();

  constructor(options: StoreUpkeepOptions) {
    this.#options = options;
    const { config: { backup, snapshot, store } } = options;
    const { retain, otherLineages, keep } = backup;
    const policy = {
      backups: { retain, otherLineages, ...(keep ? { keep } : {}) },
      ...(snapshot.ttl === undefined ? {} : { snapshotTtl: snapshot.ttl }),
      graceMs: store.gc.grace,
    };
    this.#policies = this.#running.use(new PolicyExchange({ ...options, policy }));
  }

  /** Returns the rules by which backups are kept: what any of them keeps stays. */
  rules(): readonly RetentionRules[] {
    return this.#policies.rules();
  }

  /**
   * Keeps it in order from now on.
   * @param users returns the workspaces of this node that were started from an image
   */
  async start(
    administration: Administration,
    users: () => readonly ImageUser[],
  ): Promise<void> {
    const { config, operations } = this.#options;
    await this.#policies.start();
    const notes = this.#running.use(new UseNotes({ ...this.#options, users }));
    operations.observe(notes);
    notes.start();
    const { every, grace: graceMs } = config.store.gc;
    if (every === undefined) return;
    const collect = () => this.#collect(administration);
    this.#running.use(new CollectionSchedule({ ...this.#options, every, graceMs, collect }))
      .start();
  }

  async #collect(administration: Administration): Promise<Operation> {
    const { graceMs, ...policy } = await this.#policies.joined();
    try {
      await administration.forget(policy);
    } catch (error) {
      // What is kept too long is no reason not to free the rest.
      log.error("Nothing was forgotten by policy: {reason}", { reason: messageOf(error) });
    }
    const { deletesPerSecond } = this.#options.config.store.gc;
    return await administration.collect({ graceMs, deletesPerSecond, dryRun: false, force: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }
}
