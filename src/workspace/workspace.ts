import type { Tree, TreeFolderClaim } from "../content/mod.ts";
import type { Digest } from "../digest.ts";
import { messageOf } from "../errors.ts";
import type { GitStatus } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import type { OperationSubject } from "../operations/mod.ts";
import { type Lineage, newLineage, type WorkspaceIdentity } from "../snapshot/mod.ts";
import {
  type Journal,
  settledFolder,
  type StateDetails,
  type WorkspaceFolder,
  type WorkspaceRecord,
} from "./journal.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { Semaphore } from "../async/mod.ts";
import type { FinalSave } from "./final_saves.ts";
import { next, survivesCrash, type WorkspaceEvent, type WorkspaceState } from "./state.ts";

const log = logger("workspace");

/** An initialisation that is running. */
export interface Setup {
  done: Promise<void>;
  /** Cancels it; the reason is what its caller is told. */
  abort: AbortController;
}

/** A disposal that is running. */
export interface Disposal {
  /** What it saves; calls that join it may add to that until the workspace is DELETING. */
  readonly finalSaves: Set<FinalSave>;
  readonly done: Promise<{ gitStatus?: GitStatus }>;
}

/** What removing a workspace does to its folder. */
const REMOVALS = {
  unclaimed: "trash",
  published: "trash",
  filling: "empty",
  filled: "emptyAndRemove",
} as const satisfies Record<WorkspaceFolder["use"], TreeFolderClaim["removal"]>;

/** Where a workspace's changes of state are recorded: durably, and for people. */
export interface Recorders {
  journal: Journal;
  metrics: WorkspaceMetrics;
}

/** A workspace as operators see it. */
export interface WorkspaceInfo {
  readonly id: string;
  readonly record: Readonly<Omit<WorkspaceRecord, "state" | "folder">>;
  readonly state: WorkspaceState;
  readonly tree: Tree;
  readonly identity: WorkspaceIdentity;
  /** The manifest of the image that it was started from, if any. */
  readonly base?: Digest | undefined;
}

/**
 * One workspace, and the only writer of its state: every change is in the journal before anything
 * acts on it.
 */
export class Workspace implements WorkspaceInfo {
  readonly record: Readonly<Omit<WorkspaceRecord, "state" | "folder">>;
  readonly identity: WorkspaceIdentity;
  /** Held while an image is made: each image starts from the one before. */
  readonly saveMutex: Semaphore = new Semaphore(1);
  setup: Setup | undefined;
  disposal: Disposal | undefined;
  /** When its last good backup was begun, by the monotonic clock; absent where this run made none. */
  backedUpAt: number | undefined;
  /** Pending snapshots that are being worked on, by url. */
  readonly pendingSnapshots: Map<string, Promise<void>> = new Map();
  #state: WorkspaceState;
  #folder: WorkspaceFolder | undefined;
  #saved: ReadonlySet<FinalSave>;
  #lineage: Lineage | undefined;
  #disposing = new AbortController();
  readonly #recorders: Recorders;
  readonly #running = new Set<Promise<unknown>>();

  private constructor(
    record: WorkspaceRecord,
    recorders: Recorders,
    saved: ReadonlySet<FinalSave> = new Set(),
  ) {
    const { state, folder, ...rest } = record;
    this.record = rest;
    this.#folder = folder;
    this.identity = { owner: record.owner, metaId: record.metaId };
    this.#state = state;
    this.#saved = saved;
    this.#lineage = record.lineage;
    this.#recorders = recorders;
  }

  /**
   * Creates a workspace that is SETTING_UP, durably.
   * @throws {DaemonError} where the journal cannot be written
   */
  static create(record: Omit<WorkspaceRecord, "state">, recorders: Recorders): Workspace {
    const state = next("NONE", "begin") as WorkspaceRecord["state"];
    const whole = { ...record, state };
    recorders.journal.insert(whole);
    recorders.metrics.moved("NONE", state);
    return new Workspace(whole, recorders);
  }

  /**
   * Returns a workspace in the state that the journal holds it in.
   * @param saved what a disposal had saved of it, where it is DELETING
   */
  static fromRecord(
    record: WorkspaceRecord,
    recorders: Recorders,
    saved: ReadonlySet<FinalSave>,
  ): Workspace {
    recorders.metrics.moved("NONE", record.state);
    return new Workspace(record, recorders, saved);
  }

  get id(): string {
    return this.record.id;
  }

  /** Where its content is once it is published. */
  get tree(): Tree {
    const tree: Tree = { area: "workspaces", name: this.id };
    if (!this.#folder) return tree;
    const { use, id } = this.#folder;
    return { ...tree, folder: { id, removal: REMOVALS[use] } };
  }

  /**
   * Records, before it is made or filled, which folder is the workspace's.
   * @throws {DaemonError} where the journal cannot be written
   */
  claimFolder(folder: WorkspaceFolder): void {
    this.#recorders.journal.setFolder(this.id, folder);
    this.#folder = folder;
  }

  /** What its operations work on. */
  get subject(): OperationSubject {
    const { id, identity: { owner, metaId } } = this;
    return { workspace: id, owner, metaId };
  }

  get state(): WorkspaceState {
    return this.#state;
  }

  get base(): Digest | undefined {
    return this.#lineage?.base;
  }

  /**
   * The lineage of its images. A workspace that an earlier version initialised begins one with its first
   * image; where that cannot be written down, its images of before a restart count as of another.
   */
  get lineage(): Lineage {
    if (this.#lineage) return this.#lineage;
    const lineage = this.#lineage = newLineage();
    try {
      if (this.#state !== "SETTING_UP") this.#recorders.journal.setLineage(this.id, lineage);
    } catch (error) {
      log.error("The lineage of workspace {id} could not be written down: {reason}", {
        id: this.id,
        reason: messageOf(error),
      });
    }
    return lineage;
  }

  /** Begins the lineage of its images, which is durable once the workspace is AVAILABLE. */
  beginLineage(base: Digest | undefined): void {
    this.#lineage = newLineage(base);
  }

  /** Does ahead of "ready" what that writes besides the journal, without keeping this thread. */
  async prepareReady(): Promise<void> {
    await this.#recorders.journal.noteTreeAhead(this.id);
  }

  /** What a disposal had saved by the time that it began to delete. */
  get saved(): ReadonlySet<FinalSave> {
    return this.#saved;
  }

  /** Fires when a disposal begins, so that what waits for its next attempt is tried at once. */
  get disposingSignal(): AbortSignal {
    return this.#disposing.signal;
  }

  /** The work under way that a shutdown waits for. */
  get work(): Promise<unknown>[] {
    return [
      ...this.#running,
      ...[this.setup?.done, this.disposal?.done].filter((done) => done !== undefined),
    ];
  }

  /**
   * Applies an event. The new state is durable when this returns.
   * @param saved what a disposal has saved by the time that it begins to delete
   * @throws {DaemonError} where the journal cannot be written; the state stays
   */
  apply(event: WorkspaceEvent, saved: ReadonlySet<FinalSave> = new Set()): void {
    const state = next(this.#state, event);
    this.#write(state, {
      saved: [...saved],
      lineage: event === "ready" ? this.lineage : undefined,
    });
    this.#recorders.metrics.moved(this.#state, state);
    this.#state = state;
    if (event === "delete") this.#saved = saved;
    if (event === "ready") this.#folder = settledFolder(this.#folder);
    if (event === "wrapUp") this.#disposing.abort();
    if (event === "abortDispose") this.#disposing = new AbortController();
  }

  #write(state: WorkspaceState, details: StateDetails): void {
    const { journal } = this.#recorders;
    try {
      if (state === "NONE") journal.remove(this.id);
      else journal.setState(this.id, state, details);
    } catch (error) {
      // A restart does the same for both states, so the workspace need not be stuck between them.
      if (survivesCrash(this.#state) !== survivesCrash(state)) throw error;
      log.error("Workspace {id} is {state}, which could not be written down: {reason}", {
        id: this.id,
        state,
        reason: messageOf(error),
      });
    }
  }

  /** Counts `work` as running until it settles, and returns what it does. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  /** Resolves once no tracked snapshot or backup is running, however they end. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
