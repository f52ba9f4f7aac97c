/**
 * Backs the workspaces of a node up at intervals, so that a node which dies takes at most one interval's
 * work with it.
 *
 * - What is due is told by the monotonic clock, so that a machine whose clock is set neither backs
 *   everything up at once nor stops. The journal holds the same as wall-clock time, for a restart: what
 *   is overdue then is spread, and nothing is put off by more than an interval.
 * - Each workspace has one scheduled backup under way at most, which gives way to callers' saves. It is
 *   tried until it succeeds, a caller's backup replaces it, or the workspace is disposed of.
 * - Each interval is shortened by a random part, so that workspaces which began together do not stay
 *   together.
 */

import type { Clock } from "../clock.ts";
import { DaemonError, messageOf, shuttingDown } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { ImageSaver } from "./image_saver.ts";
import type { Journal } from "./journal.ts";
import type { Workspace } from "./workspace.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";

const log = logger("workspace");

/** The caller of what the daemon does at intervals, as operators see it. */
export const SCHEDULE = "schedule";

/** The part of an interval that is random, and over which what a restart finds overdue is spread. */
const JITTER = 0.1;
/** Milliseconds after which a workspace whose disposal came between is looked at again, at most. */
const LOOK_AGAIN_MS = 60_000;

/** What a {@link BackupSchedule} uses. */
export interface ScheduleOptions {
  /** Milliseconds from one backup of a workspace to the next, at most. */
  every: number;
  saver: ImageSaver;
  journal: Journal;
  clock: Clock;
  metrics: WorkspaceMetrics;
}

/** A workspace and when it is due. */
interface Entry {
  readonly workspace: Workspace;
  /** By the monotonic clock. */
  due: number;
  isRunning: boolean;
}

/** Backs workspaces up between `start` and `stop`, each called once. */
export class BackupSchedule {
  readonly #options: ScheduleOptions;
  readonly #entries = new Map<Workspace, Entry>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  /** Workspaces whose last scheduled backup took longer than the interval. */
  readonly #late = new Set<string>();
  #wake = new AbortController();
  #isWritable = true;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** Resumes the schedule of what a restart found. */
  start(workspaces: Iterable<Workspace>): void {
    const { journal, clock, every } = this.#options;
    const known = journal.scheduledBackups();
    for (const workspace of workspaces) {
      const dueAt = known.get(workspace.id);
      const left = dueAt === undefined ? Math.random() * every : dueAt - clock.now();
      // A clock that was set while the daemon was down may say anything.
      const wait = left > 0 ? Math.min(left, every) : Math.random() * JITTER * every;
      this.#schedule(workspace, clock.monotonic() + wait, { isKnown: dueAt !== undefined });
    }
    this.#loop = this.#run();
  }

  /** Schedules a workspace that has become AVAILABLE. */
  add(workspace: Workspace): void {
    this.#schedule(workspace, this.#next(this.#options.clock.monotonic()));
  }

  /** Puts the next backup of a workspace off, because a caller has just made one. */
  backedUp(workspace: Workspace): void {
    const entry = this.#entries.get(workspace);
    if (!entry || entry.isRunning) return;
    this.#schedule(workspace, this.#next(workspace.backedUpAt!));
  }

  /** Ends what is under way, and begins nothing any more; resolves once all has ended. */
  async stop(): Promise<void> {
    this.#stop.abort(shuttingDown());
    this.#wake.abort();
    await this.#loop;
    await Promise.all(this.#running);
  }

  /** Returns when a workspace is due that was backed up, or became AVAILABLE, at `from`. */
  #next(from: number): number {
    return from + this.#options.every * (1 - JITTER * Math.random());
  }

  #schedule(workspace: Workspace, due: number, { isKnown = false } = {}): void {
    const entry = this.#entries.get(workspace) ?? { workspace, due, isRunning: false };
    entry.due = due;
    this.#entries.set(workspace, entry);
    if (!isKnown) this.#write(workspace, due);
    this.#wake.abort();
  }

  /** Notes it for a restart, which without it backs the workspace up at a random time. */
  #write({ id }: Workspace, due: number): void {
    const { clock, journal } = this.#options;
    try {
      journal.scheduleBackup(id, clock.now() + due - clock.monotonic());
      this.#isWritable = true;
    } catch (error) {
      if (this.#isWritable) {
        log.warn("A restart will not know when workspaces are to be backed up: {reason}", {
          reason: messageOf(error),
        });
      }
      this.#isWritable = false;
    }
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      const now = clock.monotonic();
      let next = Infinity;
      for (const entry of this.#entries.values()) {
        if (entry.workspace.state === "NONE" || entry.workspace.state === "DELETING") {
          this.#forget(entry.workspace);
        } else if (!entry.isRunning) {
          if (entry.due <= now) this.#begin(entry);
          else next = Math.min(next, entry.due);
        }
      }
      await this.#sleep(next - now);
    }
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#wake;
    if (signal.aborted) return;
    if (ms === Infinity) {
      return await new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    await this.#options.clock.sleep(ms, signal).catch(() => {});
  }

  #forget(workspace: Workspace): void {
    this.#entries.delete(workspace);
    this.#late.delete(workspace.id);
  }

  #begin(entry: Entry): void {
    const { workspace } = entry;
    if (workspace.state !== "AVAILABLE") return this.#lookAgain(entry);
    entry.isRunning = true;
    const running = this.#backUp(entry).finally(() => {
      this.#running.delete(running);
      entry.isRunning = false;
      this.#wake.abort();
    });
    this.#running.add(running);
  }

  /** A disposal under way may still be abandoned. */
  #lookAgain(entry: Entry): void {
    const { clock, every } = this.#options;
    entry.due = clock.monotonic() + Math.min(LOOK_AGAIN_MS, every);
    this.#wake.abort();
  }

  async #backUp(entry: Entry): Promise<void> {
    const { saver, clock, every, metrics } = this.#options;
    const { workspace } = entry;
    const begun = clock.monotonic();
    let failures = 0;
    try {
      const outcome = await saver.saveInBackground(workspace, {
        caller: SCHEDULE,
        signal: this.#stop.signal,
        attempts: Infinity,
        maxDelay: every,
        onFailure: (error) => this.#failed(workspace, ++failures, error),
      });
      metrics.scheduled(outcome);
      if (failures > 0) {
        log.info("Workspace {id} is backed up again, after {failures} failures", {
          id: workspace.id,
          failures,
        });
      }
      this.#reschedule(entry, begun, failures > 0);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (workspace.state !== "AVAILABLE") return this.#lookAgain(entry);
      if (!(error instanceof DaemonError)) log.error("{error}", { error });
      this.#schedule(workspace, this.#next(clock.monotonic()));
    }
  }

  #failed({ id }: Workspace, failures: number, error: unknown): void {
    this.#options.metrics.scheduled("failed");
    const level = failures === 1 ? "error" : "debug";
    log[level](
      "The scheduled backup of workspace {id} failed and is tried until it succeeds: {reason}",
      {
        id,
        failures,
        reason: messageOf(error),
      },
    );
  }

  /** A backup that took longer than the interval is followed by a whole one, so that nothing piles up. */
  #reschedule(entry: Entry, begun: number, hasFailed: boolean): void {
    const { clock, every, metrics } = this.#options;
    const { workspace } = entry;
    const ended = clock.monotonic();
    const isLate = ended - begun > every && !hasFailed;
    if (isLate) {
      metrics.scheduled("late");
      if (this.#late.size === 0) {
        log.warn(
          "The scheduled backup of workspace {id} took {seconds} s, longer than backup.every " +
            "({every} s): the next one begins that long after its end. Raise backup.every, or " +
            "backup.concurrency where backups wait for each other",
          { id: workspace.id, seconds: Math.round((ended - begun) / 1000), every: every / 1000 },
        );
      }
      this.#late.add(workspace.id);
    } else this.#late.delete(workspace.id);
    const from = isLate || hasFailed ? ended : workspace.backedUpAt ?? begun;
    this.#schedule(workspace, Math.max(this.#next(from), ended));
  }
}
