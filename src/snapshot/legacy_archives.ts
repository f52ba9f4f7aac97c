/**
 * Finds the archives that an older daemon left of identities, by the patterns of `storage.legacy`. They
 * stand in for a backup until there is one.
 */

import { DaemonError } from "../errors.ts";
import type { LeasedFile } from "../spool.ts";
import { legacyArchive, type ObjectStore, type StoreOptions } from "../store/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import type { WorkspaceIdentity } from "./images.ts";

/** Options of {@link LegacyArchives}. */
export interface LegacyOptions {
  store: ObjectStore;
  /** `storage.legacy`. */
  patterns: readonly string[];
  metrics: Metrics;
}

/** An identity's archive, on this node until it is released. */
export interface LegacyArchive {
  /** Its name, `<object>@<bucket>`. */
  readonly name: string;
  readonly file: LeasedFile;
}

/** What became of a start from an archive. */
type Outcome = "restored" | "absent" | "failed";

/** Brings archives of an older layout to this node, and counts. */
export class LegacyArchives {
  readonly #store: ObjectStore;
  readonly #patterns: readonly string[];
  readonly #restores;

  constructor({ store, patterns, metrics }: LegacyOptions) {
    this.#store = store;
    this.#patterns = patterns;
    this.#restores = metrics.counter(
      "wsdaemon_legacy_restores_total",
      "Starts of identities without a backup, by what became of their archives of an older layout",
      ["outcome"],
    );
    for (const outcome of ["restored", "absent", "failed"] as const) {
      this.#restores.inc({ outcome }, 0);
    }
  }

  /** Returns the names of the archives that an identity may have, in the order in which they count. */
  namesOf(identity: WorkspaceIdentity): string[] {
    return this.#archivesOf(identity).map(({ object, bucket }) => `${object}@${bucket}`);
  }

  /**
   * Restores what an identity has by `extract`, and counts it.
   * @returns what `extract` returns; `undefined` where the identity has no archive
   * @throws {DaemonError} what the store and `extract` throw, with the archive's name: only an archive
   * that the store says is not there is passed over
   */
  async restore<T>(
    identity: WorkspaceIdentity,
    extract: (archive: LegacyArchive) => Promise<T>,
    options: StoreOptions,
  ): Promise<T | undefined> {
    if (this.#patterns.length === 0) return undefined;
    let outcome: Outcome = "failed";
    try {
      const archive = await this.#acquire(identity, options);
      if (!archive) {
        outcome = "absent";
        return undefined;
      }
      try {
        const result = await extract(archive);
        outcome = "restored";
        return result;
      } catch (error) {
        throw within(error, archive.name);
      } finally {
        await archive.file.release();
      }
    } finally {
      this.#restores.inc({ outcome });
    }
  }

  async #acquire(
    identity: WorkspaceIdentity,
    options: StoreOptions,
  ): Promise<LegacyArchive | undefined> {
    for (const { object, bucket } of this.#archivesOf(identity)) {
      const name = `${object}@${bucket}`;
      try {
        const file = await this.#store.acquireArchive(object, bucket, {
          ...options,
          isConfigured: true,
        });
        return { name, file };
      } catch (error) {
        if (!(error instanceof DaemonError) || error.code !== "NOT_FOUND") {
          throw within(error, name);
        }
      }
    }
    return undefined;
  }

  #archivesOf(identity: WorkspaceIdentity) {
    return this.#patterns.map((pattern) => legacyArchive(pattern, identity))
      .filter((archive) => archive !== undefined);
  }
}

function within(error: unknown, name: string): unknown {
  if (!(error instanceof DaemonError) || error.code === "ABORTED") return error;
  return error.withContext(`archive ${name} (storage.legacy)`);
}
