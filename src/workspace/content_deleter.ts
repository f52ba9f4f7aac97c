import { resolvesWithin, retry, Semaphore } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { type Content, groupOf, isAnonymous, type Leftovers } from "../content/mod.ts";
import { asDaemonError, DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { Deletion } from "./deletion.ts";
import type { WorkspaceMetrics } from "./workspace_metrics.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 5 * 60_000;
const MAX_START_DELAY_MS = 1_000;

export interface DeleterOptions {
  content: Content;
  clock: Clock;
  metrics: WorkspaceMetrics;
  /** Fires when the daemon stops; its reason is what callers are told. */
  stop: AbortSignal;
  /** Called when a workspace has become NONE. */
  onGone(workspace: Workspace): void;
}

export class ContentDeleter {
  readonly #options: DeleterOptions;
  readonly #deletions = new Map<Workspace | string, Deletion>();
  /** In the background one tree is deleted at a time, so that saves and inits keep their Workers. */
  readonly #permit = new Semaphore(1);

  constructor(options: DeleterOptions) {
    this.#options = options;
  }

  /**
   * Takes a workspace from DELETING to NONE. Where that fails it is tried again in the background.
   * @throws {DaemonError} saying what is in the way and what to do, or the stop signal's reason
   */
  async delete(workspace: Workspace): Promise<void> {
    const deletion = this.#ofWorkspace(workspace);
    try {
      await deletion.attempt();
    } catch (error) {
      this.#options.stop.throwIfAborted();
      this.#continue(deletion, error);
      throw asDaemonError(error, "INTERNAL").withContext(
        `Workspace ${workspace.id} is being deleted, which goes on by itself once it can`,
      );
    }
  }

  /** Deletes a workspace that is DELETING in the background, an attempt having failed just now. */
  deleteLater(workspace: Workspace): void {
    const failure = new DaemonError("FAILED_PRECONDITION", "An initialisation left something");
    this.#continue(this.#ofWorkspace(workspace), failure);
  }

  /**
   * Deletes in the background what an earlier daemon has left.
   * @returns resolves once every workspace that is DELETING is gone or was attempted in vain, or after
   *   a second: until then its id is not free, which callers need not see where little is left
   */
  async resume(leftovers: Leftovers, workspaces: readonly Workspace[]): Promise<void> {
    const { content, stop } = this.#options;
    const options = { signal: stop };
    const deleting = workspaces.filter(({ state }) => state === "DELETING");
    // Until version 0.1 the trash did not tell whose its trees are: each may be any of these's.
    const anonymous = leftovers.trash.filter(isAnonymous);
    for (const workspace of deleting) this.#ofWorkspace(workspace, anonymous);
    const ids = new Set(deleting.map(({ id }) => id));
    for (const name of leftovers.staging.filter((name) => !ids.has(groupOf(name)))) {
      this.#add(`staging tree ${name}`, () => content.remove({ area: "staging", name }, options));
    }
    for (const group of leftovers.trash.filter((group) => !ids.has(group))) {
      this.#add(`trash of ${group}`, () => content.deleteTrash(group, options));
    }
    this.#add("temporary files", () => this.#discard(leftovers));
    for (const deletion of this.#deletions.values()) this.#continue(deletion);
    if (deleting.length === 0) return;
    const tried = deleting.map((workspace) => this.#deletions.get(workspace)?.tried);
    await resolvesWithin(Promise.all(tried), MAX_START_DELAY_MS, this.#options.clock);
  }

  /** Resolves once nothing is being deleted, for after the stop signal. */
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
    throw new DaemonError("FAILED_PRECONDITION", failures.join("; "));
  }

  #add(name: string, work: () => Promise<void>, key: Workspace | string = name): Deletion {
    const { metrics } = this.#options;
    const deletion = new Deletion(name, async () => {
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

  /** The first failure is an error that names what to do; later ones only say that it is still so. */
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
   * Has it tried in the background until it is gone or the daemon stops.
   * @param failure of an attempt just now, after which it is tried later rather than at once
   */
  #continue(deletion: Deletion, failure?: unknown): void {
    const { clock, stop } = this.#options;
    const signal = AbortSignal.any([stop, deletion.done]);
    const attempt = async (count: number) => {
      if (count === 1 && failure !== undefined) throw failure;
      using _permit = await this.#permit.acquire(signal);
      await deletion.attempt();
    };
    deletion.inBackground(() =>
      retry(attempt, {
        clock,
        signal,
        attempts: Infinity,
        baseDelay: FIRST_DELAY_MS,
        maxDelay: LONGEST_DELAY_MS,
        isRetryable: () => true,
      })
    );
  }
}
