/**
 * The six operations, and what a restart makes of what it finds.
 *
 * Who may write what: a {@link Workspace} alone changes its state; images of one workspace are made
 * one after another; `backup.concurrency` caps how many are made on the node at once. An accepted
 * initialisation belongs to the daemon and not to its caller.
 */

import { abortable } from "@std/async";
import { resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import type { Content, Owner } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import type { GitStatusReader } from "../git/mod.ts";
import type { Initializers } from "../initializer/mod.ts";
import type { Images } from "../snapshot/mod.ts";
import type { InitRequest, Workspaces } from "./workspaces.ts";
import { ContentDeleter } from "./content_deleter.ts";
import { disposeWorkspace } from "./dispose.ts";
import type { Journal } from "./journal.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { ImageSaver } from "./image_saver.ts";
import { recover } from "./recover.ts";
import { setUp } from "./setup.ts";
import { withUncaughtHandler } from "../uncaught.ts";
import {
  checkDisposePreconditions,
  type DisposeOptions,
  type FinalSave,
  finalSavesOf,
} from "./final_saves.ts";
import { type Disposal, Workspace } from "./workspace.ts";

/** What the lifecycle is made of. */
export interface Dependencies {
  content: Content;
  images: Images;
  initializers: Initializers;
  gitStatus: GitStatusReader;
  journal: Journal;
  clock: Clock;
  metrics: WorkspaceMetrics;
}

export interface ManagerOptions extends Dependencies {
  /** False for `storage.kind` `none`. */
  remoteStorage: boolean;
  contentOwner: Owner;
  backup: {
    /** How often an image is tried while the store is unavailable. */
    attempts: number;
    /** Images made at once on this node. */
    concurrency: number;
  };
}

/** {@link Workspaces}, with a beginning and an end. */
export class WorkspaceManager implements Workspaces {
  readonly #options: ManagerOptions;
  readonly #workspaces = new Map<string, Workspace>();
  /** Entries found among the workspaces that are nobody's: never replaced, never deleted. */
  #strangers = new Set<string>();
  readonly #saver: ImageSaver;
  readonly #deleter: ContentDeleter;
  readonly #stop = new AbortController();
  #draining = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#saver = new ImageSaver({ ...options, ...options.backup, stop: this.#stop.signal });
    this.#deleter = new ContentDeleter({
      ...options,
      stop: this.#stop.signal,
      onGone: (workspace) => this.#forgetIfGone(workspace),
    });
  }

  /**
   * Puts right what the last run left, and resumes what it promised; deleting goes on in the background.
   * Call once, before serving.
   */
  async start(): Promise<void> {
    const { workspaces, orphans: strangers, leftovers } = await recover(
      this.#options.content,
      this.#options,
    );
    for (const workspace of workspaces) this.#workspaces.set(workspace.id, workspace);
    this.#strangers = strangers;
    this.#saver.resume(this.#workspaces.values());
    await this.#deleter.resume(leftovers, workspaces);
  }

  /**
   * Refuses new work, lets what is under way finish for `graceMs`, then cancels it. What was
   * promised is taken up again by the next start.
   */
  async stop(graceMs: number): Promise<void> {
    this.#draining = true;
    await resolvesWithin(this.#settled(), graceMs, this.#options.clock);
    const reason = shuttingDown();
    this.#stop.abort(reason);
    for (const workspace of this.#workspaces.values()) workspace.setup?.abort.abort(reason);
    await this.#settled();
    await this.#saver.settled(this.#workspaces.values());
    await this.#deleter.settled();
  }

  async #settled(): Promise<void> {
    const work = () => [...this.#workspaces.values()].flatMap((workspace) => workspace.work);
    for (let all = work(); all.length > 0; all = work()) await Promise.allSettled(all);
  }

  async init(
    request: InitRequest,
    onWarning: (message: string) => void = () => {},
  ): Promise<void> {
    this.#refuseWhileDraining();
    const { initializers, metrics } = this.#options;
    initializers.validate(request.initializer, "initializer");
    const quotaBytes = checkQuota(request.storageQuotaBytes);
    if (this.#strangers.has(request.id)) await this.#refuseStranger(request.id);
    const known = this.#workspaces.get(request.id);
    if (known) {
      throw new DaemonError(
        "ALREADY_EXISTS",
        known.state === "DELETING"
          ? `Workspace ${request.id} is still being deleted: its id is free once that is done`
          : `Workspace ${request.id} exists and is ${wireState(known)}: dispose of it first`,
      );
    }
    const workspace = Workspace.create({
      id: request.id,
      owner: request.owner,
      metaId: request.metaId,
      remoteStorageDisabled: request.remoteStorageDisabled,
      quotaBytes,
      checkoutLocation: initializers.checkoutLocation(request.initializer),
    }, this.#options);
    this.#workspaces.set(workspace.id, workspace);
    const abort = new AbortController();
    const parts = {
      ...this.#options,
      remoteStorage: this.#hasStorage(workspace),
      onWarning,
      signal: abort.signal,
    };
    const work = withUncaughtHandler(
      (error) => abort.abort(error),
      () => setUp(workspace, request.initializer, parts),
    );
    const done = metrics.time("init", work).finally(() => {
      workspace.setup = undefined;
      this.#forgetIfGone(workspace);
      if (workspace.state === "DELETING") this.#deleter.deleteLater(workspace);
    });
    workspace.setup = { done, abort };
    await done;
  }

  async waitForInit(id: string, signal: AbortSignal): Promise<void> {
    const workspace = this.#known(id);
    if (workspace.state === "AVAILABLE") return;
    if (!workspace.setup) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `Workspace ${id} is ${wireState(workspace)}: there is no initialisation to wait for`,
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
        { cause: error },
      );
    }
  }

  exists(id: string): boolean {
    return this.#workspaces.has(id);
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
    return await this.#saver.saveBackup(workspace);
  }

  async dispose(id: string, options: DisposeOptions) {
    this.#refuseWhileDraining();
    const workspace = this.#known(id);
    checkDisposePreconditions(workspace, options, this.#hasStorage(workspace));
    const disposal = workspace.disposal ??= this.#startDisposal(workspace, options);
    for (const wish of finalSavesOf(options)) disposal.finalSaves.add(wish);
    return await disposal.done;
  }

  #startDisposal(workspace: Workspace, options: DisposeOptions): Disposal {
    const wishes = new Set(finalSavesOf(options));
    return { finalSaves: wishes, done: this.#dispose(workspace, wishes) };
  }

  async #dispose(workspace: Workspace, wishes: ReadonlySet<FinalSave>) {
    const work = disposeWorkspace(workspace, wishes, {
      ...this.#options,
      saver: this.#saver,
      deleter: this.#deleter,
      stop: this.#stop.signal,
    });
    try {
      return await this.#options.metrics.time("dispose", work);
    } finally {
      workspace.disposal = undefined;
      this.#forgetIfGone(workspace);
    }
  }

  /** By now the id may be another's. */
  #forgetIfGone(workspace: Workspace): void {
    const { id, state } = workspace;
    if (state === "NONE" && this.#workspaces.get(id) === workspace) this.#workspaces.delete(id);
  }

  async #refuseStranger(id: string): Promise<void> {
    if (await this.#options.content.exists({ area: "workspaces", name: id })) {
      throw new DaemonError(
        "ALREADY_EXISTS",
        `There is an entry workspaces/${id} that no workspace belongs to: move it away first`,
      );
    }
    this.#strangers.delete(id);
    this.#refuseWhileDraining();
  }

  #known(id: string): Workspace {
    const workspace = this.#workspaces.get(id);
    if (!workspace) {
      throw new DaemonError("NOT_FOUND", `There is no workspace ${id} on this node`);
    }
    return workspace;
  }

  #saveable(id: string, doing: string): Workspace {
    this.#refuseWhileDraining();
    const workspace = this.#known(id);
    if (workspace.state !== "AVAILABLE") {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `Cannot ${doing} workspace ${id}: it must be AVAILABLE and is ${wireState(workspace)}`,
      );
    }
    if (!this.#hasStorage(workspace)) {
      throw new DaemonError(
        "FAILED_PRECONDITION",
        `Cannot ${doing} workspace ${id}: remote storage is disabled for it`,
      );
    }
    return workspace;
  }

  #hasStorage(workspace: Workspace): boolean {
    return this.#options.remoteStorage && !workspace.record.remoteStorageDisabled;
  }

  #refuseWhileDraining(): void {
    if (this.#draining) throw shuttingDown();
  }
}

function shuttingDown(): DaemonError {
  return new DaemonError("UNAVAILABLE", "wsdaemon is shutting down: try again when it is back");
}

/** A state as the wire knows it. */
function wireState(workspace: Workspace): string {
  return workspace.state === "DELETING" ? "WRAPPING_UP" : workspace.state;
}

function checkQuota(bytes: bigint): number {
  if (bytes < 0n) {
    throw new DaemonError(
      "INVALID_ARGUMENT",
      `storage_quota_bytes must not be negative: current value is ${bytes}`,
    );
  }
  return bytes > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(bytes);
}
