import { resolvesWithin, retry, Semaphore } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { type Content, groupOf, isAnonymous, type Leftovers } from "../content/mod.ts";
import { asDaemonError, DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import {
  inStep,
  type Operation,
  type OperationRegistry,
  outsideOperations,
} from "../operations/mod.ts";
import { Deletion } from "./deletion.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 5 * 60_000;
const MAX_START_DELAY_MS = 1_000;

/** Options of a {@link ContentDeleter}. */
export interface DeleterOptions {
  content: Content;
  clock: Clock;
  metrics: WorkspaceMetrics;
  operations: OperationRegistry;
  /** Fires when the daemon stops; its reason is what callers are told. */
  stop: AbortSignal;
  /** Called when a workspace has become NONE. */
  onGone(workspace: Workspace): void;
}

/**
 * Deletes disposed workspaces and what earlier daemons left, each attempted in the background until it
 * is gone: a tree may contain a mount point or an immutable file.
 */
export class ContentDeleter {
  readonly #options: DeleterOptions;
  readonly #deletions = new Map<Workspace | string, Deletion>();
  /** In the background one tree is deleted at a time, so that saves and inits find free Workers. */
  readonly #permit = new Semaphore(1);

  constructor(options: DeleterOptions) {
    this.#options = options;
  }

  /**
   * Takes a workspace from DELETING to NONE: deletes its tree and baseline, then its journal row. Where
   * that fails it is tried again in the background.
   * @throws {DaemonError} naming what cannot be deleted and what to do, or the stop signal's reason
   */
  async delete(workspace: Workspace): Promise<void> {
    const deletion = this.#ofWorkspace(workspace);
    const step = { kind: "deletion", subject: workspace.subject } as const;
    try {
      await inStep(step, () => deletion.attempt());
    } catch (error) {
      this.#options.stop.throwIfAborted();
      this.#continue(deletion, error);
      throw asDaemonError(error, "INTERNAL").withContext(
        `Workspace ${workspace.id} is being deleted, which goes on by itself once it can`,
      );
    }
  }

  /** Deletes a workspace that is DELETING in the background, after an attempt that has just failed. */
  deleteLater(workspace: Workspace): void {
    const failure = new DaemonError("FAILED_PRECONDITION", "An initialisation left something");
    this.#continue(this.#ofWorkspace(workspace), failure);
  }

  /**
   * Deletes in the background what an earlier daemon has left. Resolves once every workspace that is
   * DELETING was attempted once, or after a second: where little is left, ids are free when the daemon
   * begins to serve.
   */
  async resume(leftovers: Leftovers, workspaces: readonly Workspace[]): Promise<void> {
    const { content, stop } = this.#options;
    const options = { signal: stop };
    const deleting = workspaces.filter(({ state }) => state === "DELETING");
    // Version 0.1 did not record whose trees are in the trash: each may be of any of these workspaces.
    const anonymous = leftovers.trash.filter(isAnonymous);
    for (const workspace of deleting) this.#ofWorkspace(workspace, anonymous);
    const ids = new Set(deleting.map(({ id }) => id));
    for (const name of leftovers.staging.filter((name) => !ids.has(groupOf(name)))) {
      this.#add(`staging tree ${name}`, () => content.remove({ area: "staging", name }, options));
    }
    for (const group of leftovers.trash.filter((group) => !ids.has(group))) {
      this.#add(`trash of ${group}`, () => content.deleteTrash(group, options));
    }
    for (const name of leftovers.bases) {
      this.#add(`half-made base ${name}`, () => content.bases.removeHalfMade(name));
    }
    this.#add("temporary files", () => this.#discard(leftovers));
    for (const deletion of this.#deletions.values()) this.#continue(deletion);
    if (deleting.length === 0) return;
    const tried = deleting.map((workspace) => this.#deletions.get(workspace)?.tried);
    await resolvesWithin(Promise.all(tried), MAX_START_DELAY_MS, this.#options.clock);
  }

  /** Resolves once nothing is being deleted. Call after the stop signal has fired. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#deletions.values()].map((deletion) => deletion.settled()));
  }

  #ofWorkspace(workspace: Workspace, anonymous: readonly string[] = []): Deletion {
    return this.#deletions.get(workspace) ??
      this.#add(`workspace ${workspace.id}`, () => this.#clear(workspace, anonymous), workspace);
  }

  async #clear(workspace: Workspace, anonymous: readonly string[]): Promise<void> {
    const { content, stop, onGone } = this.#options;
    const options = { signal: stop };
    await content.remove(workspace.tree, options);
    for (const group of anonymous) await content.deleteTrash(group, options);
    await content.dropBaseline(workspace.id);
    workspace.apply("gone");
    log.info("Workspace {id} is gone", { id: workspace.id });
    onGone(workspace);
  }

  async #discard(leftovers: Leftovers): Promise<void> {
    const { content, stop } = this.#options;
    const failures = await content.discardLeftovers(leftovers, { signal: stop });
    if (failures.length === 0) return;
    throw new DaemonError("FAILED_PRECONDITION", failures.join("; "), {
      reason: "DELETION_BLOCKED",
    });
  }

  #add(name: string, work: () => Promise<void>, key: Workspace | string = name): Deletion {
    const { metrics } = this.#options;
    const subject = typeof key === "string" ? {} : key.subject;
    const deletion = new Deletion(name, subject, async () => {
      try {
        await work();
      } catch (error) {
        this.#report(deletion, error);
        throw error;
      }
      this.#deletions.delete(key);
      metrics.awaitingDeletion(-1);
    });
    this.#deletions.set(key, deletion);
    metrics.awaitingDeletion(1);
    return deletion;
  }

  /** Logs the first failure as an error that names what to do, and later ones as warnings. */
  #report(deletion: Deletion, error: unknown): void {
    const { stop, metrics } = this.#options;
    if (stop.aborted) return;
    metrics.deletionFailed();
    const level = deletion.failures++ === 0 ? "error" : "warn";
    log[level]("Cannot delete {what}, attempt {attempt}, and will try again: {reason}", {
      what: deletion.name,
      attempt: deletion.failures,
      reason: messageOf(error),
    });
  }

  /**
   * Attempts a deletion in the background until it is done or the daemon stops.
   * @param failure of an attempt that has just failed, so that the next one waits
   */
  #continue(deletion: Deletion, failure?: unknown): void {
    const { operations } = this.#options;
    const spec = {
      kind: "deletion",
      subject: deletion.subject,
      maxAttempts: Infinity,
      uncancellable: "nobody can bring back what is being deleted",
    } as const;
    deletion.inBackground(() =>
      outsideOperations(() =>
        operations.run(spec, (operation) => this.#attemptUntilGone(deletion, operation, failure))
      )
    );
  }

  async #attemptUntilGone(
    deletion: Deletion,
    operation: Operation,
    failure: unknown,
  ): Promise<void> {
    const { clock, stop } = this.#options;
    const signal = AbortSignal.any([stop, deletion.done]);
    const attempt = async (count: number) => {
      if (count === 1 && failure !== undefined) throw failure;
      operation.enter("queued");
      using _permit = await operation.queued("deletion", "", this.#permit.acquire(signal));
      operation.enter("deleting");
      await deletion.attempt();
    };
    try {
      await retry(attempt, {
        clock,
        signal,
        attempts: Infinity,
        baseDelay: FIRST_DELAY_MS,
        maxDelay: LONGEST_DELAY_MS,
        isRetryable: () => true,
        onRetry: (error) => {
          operation.failedAttempt(error);
          operation.enter("waiting for the next attempt");
        },
      });
    } catch (error) {
      // The attempt of a caller that joined has succeeded meanwhile.
      if (!deletion.done.aborted) throw error;
    }
  }
}
