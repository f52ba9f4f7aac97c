/** Snapshots and backups: in turn, within the node's limit, retried, and promised ones kept. */

import { Semaphore } from "../async/semaphore.ts";
import type { Clock } from "../clock.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log.ts";
import type { Images, SavedImage } from "../snapshot/api.ts";
import type { Journal } from "./journal.ts";
import type { WorkspaceMetrics } from "./metrics.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 5 * 60_000;

export interface SaverOptions {
  images: Images;
  journal: Journal;
  clock: Clock;
  metrics: WorkspaceMetrics;
  attempts: number;
  concurrency: number;
  /** Fires when the daemon stops; its reason is what callers are told. */
  stop: AbortSignal;
}

export class ImageSaver {
  readonly #options: SaverOptions;
  readonly #permits: Semaphore;

  constructor(options: SaverOptions) {
    this.#options = options;
    this.#permits = new Semaphore(options.concurrency);
  }

  /** Makes `url` refer to an image of the workspace. */
  async saveSnapshot(workspace: Workspace, url: string): Promise<void> {
    await workspace.track(
      this.#save(
        workspace,
        "snapshot",
        (options) => this.#options.images.saveSnapshot(workspace.tree, url, options),
      ),
    );
  }

  /** Replaces the identity's backup; resolves to its url. */
  async saveBackup(workspace: Workspace): Promise<string> {
    const saved = await workspace.track(
      this.#save(
        workspace,
        "backup",
        (options) => this.#options.images.saveBackup(workspace.tree, workspace.identity, options),
      ),
    );
    return saved.url;
  }

  /** Remembers that `url` was given out, then makes it true in the background. */
  promise(workspace: Workspace, url: string): void {
    this.#options.journal.promise({ url, workspaceId: workspace.id });
    this.#keepInBackground(workspace, url);
  }

  /** Takes up promises that the journal holds and nobody works on. */
  resume(workspaces: Iterable<Workspace>): void {
    const byId = new Map([...workspaces].map((workspace) => [workspace.id, workspace]));
    for (const { url, workspaceId } of this.#options.journal.promises()) {
      const workspace = byId.get(workspaceId);
      if (workspace && !workspace.promised.has(url)) this.#keepInBackground(workspace, url);
    }
  }

  /** Resolves once no promise of these workspaces is being worked on. */
  async settled(workspaces: Iterable<Workspace>): Promise<void> {
    await Promise.allSettled([...workspaces].flatMap(({ promised }) => [...promised.values()]));
  }

  #keepInBackground(workspace: Workspace, url: string): void {
    const kept = this.#keep(workspace, url).finally(() => workspace.promised.delete(url));
    workspace.promised.set(url, kept);
    kept.catch((error) => {
      log.error("Snapshot {url} is promised and not stored: {reason}", {
        url,
        reason: messageOf(error),
      });
    });
  }

  /** Tries until it is stored; gives up only when the workspace leaves or the daemon stops. */
  async #keep(workspace: Workspace, url: string): Promise<void> {
    const { images, journal, stop } = this.#options;
    for (let delay = FIRST_DELAY_MS;; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
      const leaving = workspace.leaving;
      const last = leaving.aborted;
      try {
        // A crash may have come between the reference and the journal: an image once readable stays.
        if (!await images.snapshotExists(url, stop)) await this.saveSnapshot(workspace, url);
        journal.keep(url);
        return;
      } catch (error) {
        if (last || stop.aborted) throw error;
        log.warn("Snapshot {url} failed and will be tried again: {reason}", {
          url,
          reason: messageOf(error),
        });
        await this.#pause(delay, leaving);
      }
    }
  }

  async #pause(ms: number, leaving?: AbortSignal): Promise<void> {
    const { clock, stop } = this.#options;
    const signal = leaving ? AbortSignal.any([stop, leaving]) : stop;
    const jittered = ms * (0.5 + Math.random() / 2);
    await clock.sleep(jittered, signal).catch(() => stop.throwIfAborted());
  }

  async #save(
    workspace: Workspace,
    what: "backup" | "snapshot",
    save: (options: { baseline: string; signal: AbortSignal }) => Promise<SavedImage>,
  ): Promise<SavedImage> {
    const { stop, metrics } = this.#options;
    using _turn = await workspace.turn.acquire(stop);
    using _permit = await this.#permits.acquire(stop);
    const saved = await metrics.time(what, this.#attempt(workspace, what, save));
    metrics.packed(saved.stats);
    return saved;
  }

  async #attempt(
    workspace: Workspace,
    what: "backup" | "snapshot",
    save: (options: { baseline: string; signal: AbortSignal }) => Promise<SavedImage>,
  ): Promise<SavedImage> {
    const { stop, attempts } = this.#options;
    const started = performance.now();
    for (let attempt = 1, delay = FIRST_DELAY_MS;; attempt++, delay *= 2) {
      try {
        const saved = await save({ baseline: workspace.id, signal: stop });
        log.info("Stored a {what} of workspace {id} in {ms} ms: {files} files, {new} new bytes", {
          what,
          id: workspace.id,
          ms: Math.round(performance.now() - started),
          files: saved.stats.files,
          new: saved.stats.newLayerBytes,
          url: saved.url,
        });
        return saved;
      } catch (error) {
        stop.throwIfAborted();
        const again = error instanceof DaemonError && error.code === "UNAVAILABLE";
        if (!again || attempt >= attempts) throw error;
        log.warn("Attempt {attempt} of {attempts} at a {what} of workspace {id} failed: {reason}", {
          attempt,
          attempts,
          what,
          id: workspace.id,
          reason: error.message,
        });
        await this.#pause(delay);
      }
    }
  }
}
