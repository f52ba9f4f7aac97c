/**
 * Runs the six operations, and recovers what a restart finds.
 *
 * Who may write what: a {@link Workspace} alone changes its state; images of one workspace are made
 * one after another; `backup.concurrency` caps how many are made on the node at once. An accepted
 * initialisation belongs to the daemon and not to its caller.
 */

import { abortable } from "@std/async";
import { resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { type Content, NO_FOLDER, type Owner } from "../content/mod.ts";
import { DaemonError, invalid, messageOf, shuttingDown } from "../errors.ts";
import type { GitStatus, GitStatusReader } from "../git/mod.ts";
import type { InitializerPlan, Initializers } from "../initializer/mod.ts";
import type { Operation, OperationRegistry } from "../operations/mod.ts";
import type { Images } from "../snapshot/mod.ts";
import type { InitRequest, Workspaces } from "./workspaces.ts";
import { BackupSchedule } from "./backup_schedule.ts";
import { ContentDeleter } from "./content_deleter.ts";
import { disposeWorkspace } from "./dispose.ts";
import { checkDisposePreconditions } from "./dispose_preconditions.ts";
import type { Journal } from "./journal.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { ImageSaver } from "./image_saver.ts";
import type { InPlaceRules } from "./publish.ts";
import { ReadyFile } from "./ready_file.ts";
import { restoreLimits } from "./limits.ts";
import { NodeDrain } from "./node_drain.ts";
import { recover } from "./recover.ts";
import { WorkspaceRegistry } from "./registry.ts";
import { setUp, type SetupContext } from "./setup.ts";
import { wireState } from "./state.ts";
import { withUncaughtHandler } from "../uncaught.ts";
import { type DisposeOptions, type FinalSave, finalSavesOf } from "./final_saves.ts";
import { type Disposal, Workspace, type WorkspaceInfo } from "./workspace.ts";

/** Decides whether this node takes another workspace. */
export interface Admission {
  /** Returns where it does. @throws {DaemonError} RESOURCE_EXHAUSTED where there is no room for one */
  checkInit(): void;
}

/** The parts of the daemon that the lifecycle uses. */
export interface Dependencies {
  content: Content;
  images: Images;
  initializers: Initializers;
  gitStatus: GitStatusReader;
  journal: Journal;
  admission: Admission;
  clock: Clock;
  metrics: WorkspaceMetrics;
  operations: OperationRegistry;
}

/** The parts and the config of a {@link WorkspaceManager}. */
export interface ManagerOptions extends Dependencies {
  /** False for `storage.kind` `none`. */
  remoteStorage: boolean;
  contentOwner: Owner;
  /** Absent where nobody else makes folders among the workspaces. */
  inPlace?: InPlaceRules;
  /** Whether workspaces get the file `.gitpod/ready`. */
  readyFile?: boolean;
  backup: {
    /** How often an image is tried while the store is unavailable. */
    attempts: number;
    /** Images made at once on this node. */
    concurrency: number;
    /** Milliseconds from one scheduled backup of a workspace to the next; absent for none. */
    every?: number;
    /** Whether every workspace is backed up when the daemon stops, as far as the grace allows. */
    onStop?: boolean;
  };
}

/** Serves {@link Workspaces} between `start` and `stop`, each called once. */
export class WorkspaceManager implements Workspaces {
  readonly #options: ManagerOptions;
  readonly #registry: WorkspaceRegistry;
  readonly #saver: ImageSaver;
  readonly #readyFile: ReadyFile | undefined;
  readonly #schedule: BackupSchedule | undefined;
  readonly #deleter: ContentDeleter;
  readonly #drain: NodeDrain;
  readonly #stop = new AbortController();
  #isStopping = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#registry = new WorkspaceRegistry(options.content);
    this.#readyFile = options.readyFile
      ? new ReadyFile(options.content, options.contentOwner)
      : undefined;
    this.#saver = new ImageSaver({
      ...options,
      ...options.backup,
      readyFile: this.#readyFile,
      stop: this.#stop.signal,
    });
    const { every } = options.backup;
    this.#schedule = every !== undefined && options.remoteStorage
      ? new BackupSchedule({ ...options, every, saver: this.#saver })
      : undefined;
    this.#deleter = new ContentDeleter({
      ...options,
      stop: this.#stop.signal,
      onGone: (workspace) => this.#registry.removeIfGone(workspace),
    });
    this.#drain = new NodeDrain({
      ...options,
      saver: this.#saver,
      stop: this.#stop.signal,
      hasStorage: (workspace) => this.#hasStorage(workspace),
      undeleted: () => [...this.#registry.all()].filter(({ state }) => state !== "DELETING"),
    });
  }

  /**
   * Recovers what the last run left, and resumes its pending snapshots; deleting goes on in the
   * background. Call before serving.
   */
  async start(): Promise<void> {
    const { content, inPlace } = this.#options;
    const recovered = await recover(content, this.#options, { areEmptyOnesExpected: !!inPlace });
    this.#registry.fill(recovered);
    await restoreLimits(this.#options.content, recovered.workspaces);
    this.#saver.resume(this.#registry.all());
    this.#schedule?.start(
      recovered.workspaces.filter((one) => one.state === "AVAILABLE" && this.#hasStorage(one)),
    );
    await this.#deleter.resume(recovered.leftovers, recovered.workspaces);
    await this.#drain.resume();
  }

  /**
   * Refuses new work, lets what is under way finish for `graceMs` milliseconds, then cancels it.
   * Pending snapshots are resumed by the next start.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    const unscheduled = this.#schedule?.stop();
    const work = Promise.all([this.#settled(), this.#backUpAtStop()]);
    await resolvesWithin(work, graceMs, this.#options.clock);
    const reason = shuttingDown();
    this.#stop.abort(reason);
    for (const workspace of this.#registry.all()) workspace.setup?.abort.abort(reason);
    await this.#settled();
    await work;
    await this.#drain.settled();
    await unscheduled;
    await this.#saver.settled(this.#registry.all());
    await this.#deleter.settled();
  }

  /** Whether the node is drained, or being drained: it takes no new workspaces. */
  get isDrained(): boolean {
    return this.#drain.isDrained;
  }

  /**
   * Refuses new workspaces from now on, also after a restart, and begins to back every workspace up, unless
   * that is under way.
   * @returns the operation, which tells how that ends
   * @throws {DaemonError} where that cannot be written down: nothing has changed then
   */
  async drain(): Promise<Operation> {
    this.#refuseWhileStopping();
    return await this.#drain.drain();
  }

  /**
   * Takes new workspaces again, and ends a drain that is under way.
   * @returns whether the node was drained
   * @throws {DaemonError} where that cannot be written down: nothing has changed then
   */
  undrain(): boolean {
    return this.#drain.undrain();
  }

  /** Makes the final backups of a node that stops, where it is to; the log says which failed. */
  async #backUpAtStop(): Promise<void> {
    const { backup, remoteStorage } = this.#options;
    if (!backup.onStop || !remoteStorage) return;
    await this.#drain.backUpAtStop();
  }

  async #settled(): Promise<void> {
    const work = () => [...this.#registry.all()].flatMap((workspace) => workspace.work);
    for (let all = work(); all.length > 0; all = work()) await Promise.allSettled(all);
  }

  async init(
    request: InitRequest,
    onWarning: (message: string) => void = () => {},
  ): Promise<void> {
    this.#refuseWhileStopping();
    this.#drain.refuseInit();
    const plan = this.#options.initializers.parse(request.initializer, "initializer");
    const quotaBytes = checkQuota(request.storageQuotaBytes);
    this.#registry.checkFree(request.id);
    let isPreMade = false;
    if (this.#options.inPlace || this.#registry.isOrphan(request.id)) {
      isPreMade = await this.#lookForFolder(request.id);
      this.#refuseWhileStopping();
      this.#drain.refuseInit();
      this.#registry.checkFree(request.id);
    }
    this.#options.admission.checkInit();
    const workspace = Workspace.create({
      id: request.id,
      owner: request.owner,
      metaId: request.metaId,
      remoteStorageDisabled: request.remoteStorageDisabled,
      quotaBytes,
      checkoutLocation: plan.checkoutLocation,
      initializer: request.initializer.kind,
      createdAt: this.#options.clock.now(),
      ...(this.#options.inPlace ? { folder: { use: "unclaimed", id: NO_FOLDER } } : {}),
    }, this.#options);
    this.#registry.add(workspace);
    await this.#startSetup(workspace, plan, { isPreMade, onWarning });
  }

  /**
   * Looks whether the folder of a new workspace is there.
   * @returns whether there is one that can be filled
   * @throws {DaemonError} ALREADY_EXISTS where there is something that must not be
   */
  async #lookForFolder(id: string): Promise<boolean> {
    const { content, inPlace } = this.#options;
    if (inPlace) return await content.folders.inspect(id, inPlace.owners) !== undefined;
    await this.#registry.checkOrphanRemoved(id);
    return false;
  }

  #startSetup(
    workspace: Workspace,
    plan: InitializerPlan,
    { isPreMade, onWarning }: Pick<SetupContext, "isPreMade" | "onWarning">,
  ): Promise<void> {
    const abort = new AbortController();
    const work = (operation: Operation) =>
      withUncaughtHandler(
        (error) => abort.abort(error),
        () =>
          setUp(workspace, plan, {
            ...this.#options,
            remoteStorage: this.#hasStorage(workspace),
            inPlace: this.#options.inPlace,
            readyFile: this.#readyFile,
            isPreMade,
            onWarning,
            operation,
            signal: AbortSignal.any([abort.signal, operation.signal]),
          }),
      );
    const running = this.#options.operations.run(
      { kind: "init", subject: workspace.subject },
      work,
    );
    const done = this.#options.metrics.time("init", running).finally(() => {
      workspace.setup = undefined;
      if (workspace.state === "AVAILABLE" && this.#hasStorage(workspace)) {
        this.#schedule?.add(workspace);
      }
      this.#registry.removeIfGone(workspace);
      if (workspace.state === "DELETING") this.#deleter.deleteLater(workspace);
    });
    workspace.setup = { done, abort };
    return done;
  }

  async waitForInit(id: string, signal: AbortSignal): Promise<void> {
    const workspace = this.#registry.get(id);
    if (workspace.state === "AVAILABLE") return;
    if (!workspace.setup) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `Workspace ${id} is ${wireState(workspace.state)}: there is no initialisation to wait for`,
        { reason: "WORKSPACE_STATE_INVALID", resource: { type: "workspace", name: id } },
      );
    }
    try {
      await abortable(workspace.setup.done, signal);
    } catch (error) {
      if (signal.aborted) {
        throw new DaemonError("CANCELLED", `The wait for workspace ${id} was given up`);
      }
      if (this.#stop.signal.aborted) throw shuttingDown();
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `The initialisation of workspace ${id} failed: ${messageOf(error)}`,
        { cause: error, reason: "INIT_FAILED", resource: { type: "workspace", name: id } },
      );
    }
  }

  exists(id: string): boolean {
    return this.#registry.has(id);
  }

  /** Returns what operators see of every workspace. */
  all(): WorkspaceInfo[] {
    return [...this.#registry.all()];
  }

  /** Returns how many published trees no workspace belongs to, as far as is known. */
  get orphans(): number {
    return this.#registry.orphans;
  }

  /** Returns the same of one. @throws {DaemonError} NOT_FOUND */
  get(id: string): WorkspaceInfo {
    return this.#registry.get(id);
  }

  /** Returns whether a snapshot was promised and is not stored yet. */
  isPending(url: string): boolean {
    return this.#options.journal.pendingSnapshots().some((pending) => pending.url === url);
  }

  async takeSnapshot(id: string, returnImmediately: boolean): Promise<string> {
    const workspace = this.#saveable(id, "take a snapshot of");
    const url = this.#options.images.newSnapshotUrl(workspace.identity);
    if (returnImmediately) this.#saver.saveLater(workspace, url);
    else await this.#saver.saveSnapshot(workspace, url);
    return url;
  }

  async backup(id: string): Promise<string> {
    const workspace = this.#saveable(id, "back up");
    const url = await this.#saver.saveBackup(workspace);
    this.#schedule?.backedUp(workspace);
    return url;
  }

  async dispose(id: string, options: DisposeOptions): Promise<{ gitStatus?: GitStatus }> {
    this.#refuseWhileStopping();
    const workspace = this.#registry.get(id);
    checkDisposePreconditions(workspace, options, this.#hasStorage(workspace));
    const disposal = workspace.disposal ??= this.#startDisposal(workspace, options);
    for (const save of finalSavesOf(options)) disposal.finalSaves.add(save);
    return await disposal.done;
  }

  #startDisposal(workspace: Workspace, options: DisposeOptions): Disposal {
    const finalSaves = new Set(finalSavesOf(options));
    return { finalSaves, done: this.#dispose(workspace, finalSaves) };
  }

  async #dispose(
    workspace: Workspace,
    finalSaves: ReadonlySet<FinalSave>,
  ): Promise<{ gitStatus?: GitStatus }> {
    const work = this.#options.operations.run(
      { kind: "dispose", subject: workspace.subject },
      (operation) =>
        disposeWorkspace(workspace, finalSaves, {
          ...this.#options,
          saver: this.#saver,
          deleter: this.#deleter,
          operation,
          stop: this.#stop.signal,
        }),
    );
    try {
      return await this.#options.metrics.time("dispose", work);
    } finally {
      workspace.disposal = undefined;
      this.#registry.removeIfGone(workspace);
    }
  }

  #saveable(id: string, doing: string): Workspace {
    this.#refuseWhileStopping();
    const workspace = this.#registry.get(id);
    if (workspace.state !== "AVAILABLE") {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `Cannot ${doing} workspace ${id}: it must be AVAILABLE and is ${
          wireState(workspace.state)
        }`,
        { reason: "WORKSPACE_STATE_INVALID", resource: { type: "workspace", name: id } },
      );
    }
    if (!this.#hasStorage(workspace)) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `Cannot ${doing} workspace ${id}: remote storage is disabled for it`,
        { reason: "REMOTE_STORAGE_DISABLED", resource: { type: "workspace", name: id } },
      );
    }
    return workspace;
  }

  #hasStorage(workspace: Workspace): boolean {
    return this.#options.remoteStorage && !workspace.record.remoteStorageDisabled;
  }

  #refuseWhileStopping(): void {
    if (this.#isStopping) throw shuttingDown();
  }
}

/** Returns a quota in bytes as a number. @throws {DaemonError} INVALID_ARGUMENT for a negative one */
function checkQuota(bytes: bigint): number {
  if (bytes < 0n) {
    throw invalid("storage_quota_bytes", `must not be negative: current value is ${bytes}`);
  }
  return bytes > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(bytes);
}
