import { GaveWay, retry, type RetryOptions, Semaphore, type YieldingPermit } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import {
  type Operation,
  type OperationRegistry,
  outsideOperations,
  withCaller,
} from "../operations/mod.ts";
import type { Images, SavedImage, SaveOptions } from "../snapshot/mod.ts";
import type { Journal } from "./journal.ts";
import type { ReadyFile } from "./ready_file.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { withUncaughtHandler } from "../uncaught.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

const BASE_DELAY_MS = 1_000;
const MAX_DELAY_MS = 5 * 60_000;

/** Kinds of saves. */
type SaveKind = "backup" | "snapshot";

type Save<T = SavedImage> = (options: SaveOptions) => Promise<T>;

/** What became of a backup that no caller asked for. */
export type BackgroundOutcome = "stored" | "unchanged" | "superseded";

/** Options of {@link ImageSaver.saveInBackground}. */
export interface BackgroundSaveOptions {
  /** Who asked for it, as operators see it. */
  caller: string;
  /** Ends it; its reason is a DaemonError. */
  signal: AbortSignal;
  /** Most attempts; `Infinity` where it is tried until it succeeds. */
  attempts: number;
  /** Milliseconds; no delay between two attempts is longer. */
  maxDelay: number;
  /** Called with what each attempt failed with that another one follows. */
  onFailure(error: unknown): void;
}

/** How one kind of save is retried. */
interface SaveRetries extends Pick<RetryOptions, "attempts" | "isRetryable"> {
  operation: Operation;
  onRetry(error: unknown, failures: number): void;
  /** Whether the delays keep their length when a disposal of the workspace begins. */
  patient?: boolean;
  /** Milliseconds. */
  maxDelay?: number;
}

/** Options of an {@link ImageSaver}. */
export interface SaverOptions {
  images: Images;
  journal: Journal;
  clock: Clock;
  metrics: WorkspaceMetrics;
  operations: OperationRegistry;
  /** How often an image is tried while the store is unavailable. */
  attempts: number;
  /** Images made at once on this node. */
  concurrency: number;
  /** Fires when the daemon stops; its reason is what callers are told. */
  stop: AbortSignal;
  /** Absent where workspaces have no ready file. */
  readyFile?: ReadyFile | undefined;
}

/**
 * Makes images of workspaces, one at a time of each and at most `concurrency` on the node, and retries
 * while the store is unavailable.
 */
export class ImageSaver {
  readonly #options: SaverOptions;
  readonly #permits: Semaphore;

  constructor(options: SaverOptions) {
    this.#options = options;
    this.#permits = new Semaphore(options.concurrency);
  }

  /** Stores an image of the workspace under `url`. @throws {DaemonError} as `Images.saveSnapshot` */
  async saveSnapshot(workspace: Workspace, url: string): Promise<void> {
    await this.#operate(
      workspace,
      { kind: "snapshot", url },
      (operation) => this.#saveSnapshot(workspace, url, operation),
    );
  }

  async #saveSnapshot(workspace: Workspace, url: string, operation: Operation): Promise<void> {
    const { images } = this.#options;
    await this.#save(
      workspace,
      { kind: "snapshot", operation },
      (options) => images.saveSnapshot(workspace.tree, url, options),
    );
  }

  /** Replaces the identity's backup, and resolves to its url. @throws {DaemonError} as `Images.saveBackup` */
  async saveBackup(workspace: Workspace): Promise<string> {
    const save: Save = (options) => this.#backUp(workspace, options);
    const saved = await this.#operate(
      workspace,
      { kind: "backup" },
      (operation) => this.#save(workspace, { kind: "backup", operation }, save),
    );
    return saved.url;
  }

  /** Makes a backup, which has what the workspace held when it was begun. */
  async #backUp(workspace: Workspace, options: SaveOptions): Promise<SavedImage> {
    const { images, clock } = this.#options;
    const begun = clock.monotonic();
    const saved = await images.saveBackup(workspace.tree, workspace.identity, options);
    workspace.backedUpAt = begun;
    this.#reportOthers(workspace, saved);
    return saved;
  }

  /**
   * Replaces the identity's backup where the content has changed, for no caller: gives way to every save
   * that one asks for, and ends where such a backup was made meanwhile. It ends with the workspace's
   * disposal, too.
   * @throws {DaemonError} the signal's reason, ABORTED by a disposal or by whoever cancels the operation;
   *   what the last attempt failed with
   */
  async saveInBackground(
    workspace: Workspace,
    options: BackgroundSaveOptions,
  ): Promise<BackgroundOutcome> {
    const { operations } = this.#options;
    const { subject } = workspace;
    const spec = { kind: "backup", subject, maxAttempts: options.attempts } as const;
    const work = (operation: Operation) => {
      const disposing = workspace.disposingSignal;
      const stop = () => operation.cancel(options.signal.reason);
      const dispose = () => operation.cancel(disposed(workspace));
      options.signal.addEventListener("abort", stop, { once: true });
      disposing.addEventListener("abort", dispose, { once: true });
      if (options.signal.aborted) stop();
      if (disposing.aborted) dispose();
      return this.#tryInBackground(workspace, operation, options).finally(() => {
        options.signal.removeEventListener("abort", stop);
        disposing.removeEventListener("abort", dispose);
      });
    };
    return await withCaller(
      { peer: options.caller },
      () => outsideOperations(() => operations.run(spec, work)),
    );
  }

  async #tryInBackground(
    workspace: Workspace,
    operation: Operation,
    { attempts, maxDelay, onFailure }: BackgroundSaveOptions,
  ): Promise<BackgroundOutcome> {
    const { clock, metrics } = this.#options;
    const asked = clock.monotonic();
    const isSuperseded = () => (workspace.backedUpAt ?? -Infinity) >= asked;
    const save: Save<BackgroundOutcome> = async (options) => {
      if (isSuperseded()) return "superseded";
      const saving = this.#backUp(workspace, { ...options, skipUnchanged: true });
      const saved = await metrics.time("backup", saving);
      metrics.packed(saved.stats);
      return saved.isUnchanged ? "unchanged" : "stored";
    };
    const attempt = async (): Promise<BackgroundOutcome> => {
      for (;;) {
        try {
          const saving = this.#attempt(workspace, operation, save, { isYielding: true });
          return await workspace.track(saving);
        } catch (error) {
          operation.signal.throwIfAborted();
          if (!(error instanceof GaveWay)) throw error;
        }
      }
    };
    return await this.#retry(workspace, attempt, {
      operation,
      attempts,
      maxDelay,
      isRetryable: () => true,
      onRetry: onFailure,
    });
  }

  /** Logs and counts the backups of other lineages that a backup met. */
  #reportOthers({ id }: Workspace, { url, otherLineages }: SavedImage): void {
    if (!otherLineages) return;
    const { displaced, dropped } = otherLineages;
    this.#options.metrics.otherLineages(otherLineages);
    if (displaced !== undefined) {
      log.warn(
        "Backup {url} of workspace {id} does not go on from {displaced}, which was the latest: it was " +
          "saved of another workspace, and is kept so that it can be restored by that name",
        { id, url, displaced },
      );
    }
    if (dropped.length === 0) return;
    log.warn(
      "Forgot {dropped}, which no workspace went on from: there were more than backup.otherLineages",
      { id, dropped },
    );
  }

  /** Runs a save as an operation that a disposal of the workspace waits for. */
  #operate<T>(
    workspace: Workspace,
    { kind, url }: { kind: SaveKind; url?: string },
    work: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    const { operations, attempts } = this.#options;
    const subject = { ...workspace.subject, ...(url === undefined ? {} : { url }) };
    return workspace.track(operations.run({ kind, subject, maxAttempts: attempts }, work));
  }

  /** Records a pending snapshot durably, then stores it in the background. */
  saveLater(workspace: Workspace, url: string): void {
    this.#options.journal.addPendingSnapshot({ url, workspaceId: workspace.id });
    this.#storeInBackground(workspace, url);
  }

  /** Resumes the pending snapshots of these workspaces that are not being worked on. */
  resume(workspaces: Iterable<Workspace>): void {
    const byId = new Map([...workspaces].map((workspace) => [workspace.id, workspace]));
    for (const { url, workspaceId } of this.#options.journal.pendingSnapshots()) {
      const workspace = byId.get(workspaceId);
      if (workspace && !workspace.pendingSnapshots.has(url)) {
        outsideOperations(() => this.#storeInBackground(workspace, url));
      }
    }
  }

  /** Resolves once no pending snapshot of these workspaces is being worked on. */
  async settled(workspaces: Iterable<Workspace>): Promise<void> {
    await Promise.allSettled(
      [...workspaces].flatMap(({ pendingSnapshots }) => [...pendingSnapshots.values()]),
    );
  }

  #storeInBackground(workspace: Workspace, url: string): void {
    const subject = { ...workspace.subject, url };
    let isGivenUp = false;
    const work = async (operation: Operation) => {
      try {
        await this.#storePending(workspace, url, operation);
      } catch (error) {
        if (operation.isCancelRequested) {
          isGivenUp = this.#giveUp(url);
        }
        throw error;
      }
    };
    const stored = this.#options.operations
      .run({ kind: "snapshot", subject, maxAttempts: Infinity }, work)
      .catch((error) => {
        // The promise of this snapshot was taken back, so that its workspace can be disposed of.
        if (!isGivenUp) throw error;
      })
      .finally(() => workspace.pendingSnapshots.delete(url));
    workspace.pendingSnapshots.set(url, stored);
    // Who observes the operations reports it.
    stored.catch(() => {});
  }

  /** Takes the promise of a snapshot back, durably. Returns whether it could. */
  #giveUp(url: string): boolean {
    try {
      this.#options.journal.removePendingSnapshot(url);
    } catch (error) {
      log.error(
        "Snapshot {url} was cancelled and stays promised, so that the next start resumes it: {reason}",
        { url, reason: messageOf(error) },
      );
      return false;
    }
    log.warn("Snapshot {url} was promised and is given up, because somebody cancelled it", { url });
    return true;
  }

  /** Tries until it is stored; fails only when the workspace is disposed of or the daemon stops. */
  async #storePending(workspace: Workspace, url: string, operation: Operation): Promise<void> {
    const { images, journal, stop } = this.#options;
    const signal = AbortSignal.any([stop, operation.signal]);
    const attempt = async () => {
      // A crash may have come between the reference and the journal; an image that can be restored
      // already must not be replaced by a later one.
      if (!await images.snapshotExists(url, signal)) {
        await workspace.track(this.#saveSnapshot(workspace, url, operation));
      }
      journal.removePendingSnapshot(url);
    };
    await this.#retry(workspace, attempt, {
      operation,
      attempts: Infinity,
      isRetryable: () => true,
      onRetry: (error) =>
        log.warn("Snapshot {url} failed and will be tried again: {reason}", {
          url,
          reason: messageOf(error),
        }),
    });
  }

  /** Saves, and tries again while the store is unavailable. */
  async #save(
    workspace: Workspace,
    { kind: what, operation }: { kind: SaveKind; operation: Operation },
    save: Save,
  ): Promise<SavedImage> {
    const { stop, attempts, metrics } = this.#options;
    const started = performance.now();
    const retried = this.#retry(workspace, () => this.#attempt(workspace, operation, save), {
      operation,
      attempts,
      // The final backup of a disposal waits for the store. A save that was running when the disposal
      // began delays it by one more attempt at most.
      patient: workspace.disposingSignal.aborted,
      isRetryable: (error) => error instanceof DaemonError && error.code === "UNAVAILABLE",
      onRetry: (error, attempt) =>
        log.warn("Attempt {attempt} of {attempts} at a {what} of workspace {id} failed: {reason}", {
          attempt,
          attempts,
          what,
          id: workspace.id,
          reason: messageOf(error),
        }),
    });
    const saved = await metrics.time(what, retried).catch((error) => {
      stop.throwIfAborted();
      operation.signal.throwIfAborted();
      throw error;
    });
    metrics.packed(saved.stats);
    log.debug("Stored a {what} of workspace {id} in {ms} ms: {files} files, {new} new bytes", {
      what,
      id: workspace.id,
      ms: Math.round(performance.now() - started),
      files: saved.stats.files,
      new: saved.stats.newLayerBytes,
      url: saved.url,
    });
    return saved;
  }

  /**
   * Retries `work`, which holds neither a permit nor the workspace's mutex between attempts. Once a
   * disposal has begun, an attempt that is not `patient` is the last.
   */
  async #retry<T>(workspace: Workspace, work: () => Promise<T>, options: SaveRetries): Promise<T> {
    const { clock, stop } = this.#options;
    const { operation, patient = false, isRetryable, attempts, onRetry } = options;
    const { maxDelay = MAX_DELAY_MS } = options;
    let last = false;
    const attempt = () => {
      last = workspace.disposingSignal.aborted && !patient;
      return work();
    };
    return await retry(attempt, {
      clock,
      signal: AbortSignal.any([stop, operation.signal]),
      attempts,
      baseDelay: BASE_DELAY_MS,
      maxDelay: Math.min(maxDelay, MAX_DELAY_MS),
      // After a disposal that was abandoned meanwhile, attempts go on as usual.
      isRetryable: (error) => !(last && workspace.disposingSignal.aborted) && isRetryable(error),
      wake: () => patient ? undefined : workspace.disposingSignal,
      onRetry: (error, failures) => {
        operation.failedAttempt(error);
        operation.enter("waiting for the next attempt");
        onRetry(error, failures);
      },
    });
  }

  /**
   * Saves once. An uncaught error of code that the save started aborts it, and is thrown.
   * @param isYielding whether it ends with a {@link GaveWay} when another save has to wait for it
   */
  async #attempt<T>(
    workspace: Workspace,
    operation: Operation,
    save: Save<T>,
    { isYielding = false }: { isYielding?: boolean } = {},
  ): Promise<T> {
    const acquire = (
      permits: Semaphore,
      signal: AbortSignal,
    ): Promise<Disposable & Partial<YieldingPermit>> =>
      isYielding ? permits.acquireYielding(signal) : permits.acquire(signal);
    let ended = AbortSignal.any([this.#options.stop, operation.signal]);
    operation.enter("queued");
    using mutex = await operation.queued(
      "workspace",
      workspace.id,
      acquire(workspace.saveMutex, ended),
    );
    if (mutex.yielding) ended = AbortSignal.any([ended, mutex.yielding]);
    using permit = await operation.queued("node", "", acquire(this.#permits, ended));
    if (permit.yielding) ended = AbortSignal.any([ended, permit.yielding]);
    const bug = new AbortController();
    const signal = AbortSignal.any([ended, bug.signal]);
    await this.#options.readyFile?.remove(workspace);
    try {
      return await withUncaughtHandler(
        (error) => bug.abort(error),
        () =>
          save({
            baseline: workspace.id,
            lineage: workspace.lineage,
            isLast: workspace.disposingSignal.aborted,
            isLimited: workspace.record.quotaBytes > 0,
            signal,
          }),
      );
    } catch (error) {
      bug.signal.throwIfAborted();
      if (isYielding) ended.throwIfAborted();
      throw error;
    }
  }
}

function disposed({ id }: Workspace): DaemonError {
  return new DaemonError("ABORTED", `Workspace ${id} is being disposed of`, {
    reason: "OPERATION_CANCELLED",
    resource: { type: "workspace", name: id },
  });
}
