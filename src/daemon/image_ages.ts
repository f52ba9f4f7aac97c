/** How old the last good image of each workspace is: what its owner would lose with the node. */

import { retry } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Operation, OperationObserver } from "../operations/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import type { WorkspaceInfo } from "../workspace/mod.ts";

const log = logger("daemon");

/** Milliseconds between two questions while the store is unavailable. */
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 5 * 60_000;

/** Upper bounds in seconds: a minute to a week. */
const BUCKETS: readonly number[] = [
  60,
  300,
  900,
  1800,
  3600,
  2 * 3600,
  6 * 3600,
  12 * 3600,
  24 * 3600,
  48 * 3600,
  168 * 3600,
];

/** What {@link ImageAges} uses. */
export interface ImageAgesOptions {
  clock: Clock;
  /** Returns the workspaces of this node. */
  workspaces: () => readonly WorkspaceInfo[];
  /** Whether anything is stored at all. */
  remoteStorage: boolean;
  /**
   * Asks the store when the newest image of a workspace was made; milliseconds since the epoch, `undefined`
   * where there is none.
   */
  findNewest(info: WorkspaceInfo, signal: AbortSignal): Promise<number | undefined>;
}

/**
 * Serves the ages, for the whole node and without a label a workspace. A workspace that has no image is as
 * old as its content. Observes the operations of this run; of workspaces that were here before, the store is
 * asked once.
 */
export class ImageAges implements OperationObserver, AsyncDisposable {
  readonly #options: ImageAgesOptions;
  /** When the last image of a workspace was begun, by its id; milliseconds since the epoch. */
  readonly #saved = new Map<string, number>();
  readonly #startedAt: number;
  readonly #stop = new AbortController();
  #asking: Promise<void> = Promise.resolve();

  constructor(options: ImageAgesOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
  }

  /** Serves the ages as of each scrape. */
  serve(metrics: Metrics): void {
    metrics.observedGauge(
      "wsdaemon_image_age_worst_seconds",
      "Age of the oldest last good image, or of content without one; 0 without workspaces",
      () => Math.max(0, ...this.#ages()),
    );
    metrics.observedHistogram(
      "wsdaemon_image_age_seconds",
      "Ages of the last good images of all workspaces as of this scrape: not to be used with rate()",
      BUCKETS,
      () => this.#ages(),
    );
  }

  /** Asks the store in the background for what an earlier run has saved. Call once the node has recovered. */
  start(): void {
    this.#asking = this.#ask(this.#tracked());
  }

  began(): void {}

  ended({ kind, state, startedAt, subject: { workspace } }: Operation): void {
    if (state !== "succeeded" || workspace === undefined) return;
    if (kind === "backup" || kind === "snapshot") this.#note(workspace, startedAt);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#asking;
  }

  /** One after the other: nobody waits for it. */
  async #ask(workspaces: readonly WorkspaceInfo[]): Promise<void> {
    const { signal } = this.#stop;
    for (const info of workspaces) {
      if (signal.aborted) return;
      try {
        const at = await retry(() => this.#options.findNewest(info, signal), {
          clock: this.#options.clock,
          signal,
          attempts: Infinity,
          baseDelay: FIRST_DELAY_MS,
          maxDelay: LONGEST_DELAY_MS,
          isRetryable: (error) => error instanceof DaemonError && error.code === "UNAVAILABLE",
        });
        if (at !== undefined) this.#note(info.id, at);
      } catch (error) {
        if (signal.aborted) return;
        log.warn(
          "Cannot tell how old the last image of workspace {id} is, and serves its content's age " +
            "until the next one: {reason}",
          { id: info.id, reason: messageOf(error) },
        );
      }
    }
  }

  #note(id: string, at: number): void {
    this.#saved.set(id, Math.max(at, this.#saved.get(id) ?? 0));
  }

  #ages(): number[] {
    const now = this.#options.clock.now();
    const tracked = this.#tracked();
    const ids = new Set(tracked.map(({ id }) => id));
    for (const id of this.#saved.keys()) if (!ids.has(id)) this.#saved.delete(id);
    return tracked.map(({ id, record: { createdAt = this.#startedAt } }) =>
      Math.max(0, now - Math.max(createdAt, this.#saved.get(id) ?? 0)) / 1000
    );
  }

  /** Workspaces that may be saved and have content that could be lost. */
  #tracked(): WorkspaceInfo[] {
    if (!this.#options.remoteStorage) return [];
    return this.#options.workspaces().filter(({ state, record }) =>
      (state === "AVAILABLE" || state === "WRAPPING_UP") && !record.remoteStorageDisabled
    );
  }
}
