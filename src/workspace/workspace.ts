import type { Tree } from "../content/mod.ts";
import { messageOf } from "../errors.ts";
import type { GitStatus } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import type { WorkspaceIdentity } from "../snapshot/mod.ts";
import type { Journal, WorkspaceRecord } from "./journal.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import { Semaphore } from "../async/mod.ts";
import { afterCrash, next, type WorkspaceEvent, type WorkspaceState } from "./state.ts";
import type { FinalSave } from "./final_saves.ts";

const log = logger("workspace");

/** An initialisation under way. */
export interface Setup {
  done: Promise<void>;
  /** Cancels it; the reason is what its caller is told. */
  abort: AbortController;
}

/** A disposal under way. */
export interface Disposal {
  /** What it keeps; calls that join it may add to that until the workspace is DELETING. */
  readonly finalSaves: Set<FinalSave>;
  readonly done: Promise<{ gitStatus?: GitStatus }>;
}

/** Where a workspace's changes of state are written down. */
export interface Recorders {
  journal: Journal;
  metrics: WorkspaceMetrics;
}

/** The only writer of a workspace's state; every change is written down before it is acted on. */
export class Workspace {
  readonly record: Readonly<Omit<WorkspaceRecord, "state">>;
  readonly identity: WorkspaceIdentity;
  /** Where its content is once it is published. */
  readonly tree: Tree;
  /** One image at a time is made of a workspace: each starts from the one before. */
  readonly saveMutex: Semaphore = new Semaphore(1);
  setup: Setup | undefined;
  disposal: Disposal | undefined;
  /** What a disposal had kept by the time that it began to delete. */
  saved: ReadonlySet<FinalSave> = new Set();
  /** Snapshots that were promised and are not finished, by url. */
  readonly pendingSnapshots: Map<string, Promise<void>> = new Map();
  #state: WorkspaceState;
  #leaving = new AbortController();
  readonly #witnesses: Recorders;
  readonly #running = new Set<Promise<unknown>>();

  private constructor(record: WorkspaceRecord, state: WorkspaceState, witnesses: Recorders) {
    const { state: _, ...rest } = record;
    this.record = rest;
    this.identity = { owner: record.owner, metaId: record.metaId };
    this.tree = { area: "workspaces", name: record.id };
    this.#state = state;
    this.#witnesses = witnesses;
  }

  /** A new workspace, SETTING_UP, in the journal. */
  static create(record: Omit<WorkspaceRecord, "state">, witnesses: Recorders): Workspace {
    const state = next("NONE", "begin") as WorkspaceRecord["state"];
    const whole = { ...record, state };
    witnesses.journal.insert(whole);
    witnesses.metrics.moved("NONE", state);
    return new Workspace(whole, state, witnesses);
  }

  /** A workspace that the journal knows. */
  static fromRecord(record: WorkspaceRecord, witnesses: Recorders): Workspace {
    witnesses.metrics.moved("NONE", record.state);
    return new Workspace(record, record.state, witnesses);
  }

  get id(): string {
    return this.record.id;
  }

  get state(): WorkspaceState {
    return this.#state;
  }

  /** Fires when the workspace is wrapped up, so that what waits to be retried is tried at once. */
  get disposingSignal(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Whether work is under way that a shutdown should wait for. */
  get work(): Promise<unknown>[] {
    return [
      ...this.#running,
      ...[this.setup?.done, this.disposal?.done].filter((one) => one !== undefined),
    ];
  }

  /**
   * Applies an event. When this returns, a restart makes the right thing of it.
   * @param saves what a disposal has saved by the time that it begins to delete
   * @throws {DaemonError} where that cannot be written down; the state stays
   */
  apply(event: WorkspaceEvent, saves: ReadonlySet<FinalSave> = new Set()): void {
    const state = next(this.#state, event);
    this.#write(state, saves);
    this.#witnesses.metrics.moved(this.#state, state);
    this.#state = state;
    if (event === "delete") this.saved = saves;
    if (event === "wrapUp") this.#leaving.abort();
    if (event === "keep") this.#leaving = new AbortController();
  }

  #write(state: WorkspaceState, saves: ReadonlySet<FinalSave>): void {
    const { journal } = this.#witnesses;
    try {
      if (state === "NONE") journal.remove(this.id);
      else journal.setState(this.id, state, [...saves]);
    } catch (error) {
      // What a restart makes of both states alike must not leave the workspace stuck between them.
      if (afterCrash(this.#state) !== afterCrash(state)) throw error;
      log.error("Workspace {id} is {state}, which could not be written down: {reason}", {
        id: this.id,
        state,
        reason: messageOf(error),
      });
    }
  }

  /** Counts `work` as running until it settles. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  /** Waits for the snapshots and backups that are running, whatever becomes of them. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
