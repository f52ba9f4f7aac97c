/** Whether the node is drained, which a restart remembers, and the backing up that goes with it. */

import type { Clock } from "../clock.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Operation, OperationRegistry } from "../operations/mod.ts";
import { backUpAll } from "./drain.ts";
import type { ImageSaver } from "./image_saver.ts";
import type { Journal } from "./journal.ts";
import type { Workspace } from "./workspace.ts";

const log = logger("workspace");

/** What a {@link NodeDrain} uses. */
export interface NodeDrainOptions {
  journal: Journal;
  clock: Clock;
  operations: OperationRegistry;
  saver: ImageSaver;
  backup: { attempts: number; concurrency: number };
  /** Fires when the daemon stops; its reason is a DaemonError. */
  stop: AbortSignal;
  /** Whether a workspace may be stored. */
  hasStorage(workspace: Workspace): boolean;
  /** Returns the workspaces that are there, and are not being deleted. */
  undeleted(): readonly Workspace[];
}

/** Drains a node, and takes that back. */
export class NodeDrain {
  readonly #options: NodeDrainOptions;
  #isDrained = false;
  #operation: Operation | undefined;

  constructor(options: NodeDrainOptions) {
    this.#options = options;
  }

  /** Whether the node is drained, or being drained: it takes no new workspaces. */
  get isDrained(): boolean {
    return this.#isDrained;
  }

  /** Goes on with a drain that an earlier run of the daemon began. */
  async resume(): Promise<void> {
    this.#isDrained = this.#options.journal.isDrained;
    if (!this.#isDrained) return;
    log.warn('This node is drained, so it takes no workspaces: "wsdaemon drain --undo" ends that');
    await this.#begin();
  }

  /** Refuses a new workspace on a drained node. @throws {DaemonError} UNAVAILABLE */
  refuseInit(): void {
    if (!this.#isDrained) return;
    throw new DaemonError(
      "UNAVAILABLE",
      "This node is drained and takes no new workspaces: use another one; an operator ends that by " +
        '"wsdaemon drain --undo"',
      { reason: "NODE_DRAINING" },
    );
  }

  /**
   * Refuses new workspaces from now on, also after a restart, and begins to back every workspace up, unless
   * that is under way.
   * @returns the operation, which tells how that ends
   * @throws {DaemonError} where that cannot be written down: nothing has changed then
   */
  async drain(): Promise<Operation> {
    const { journal, clock } = this.#options;
    journal.setDrained(true, clock.now());
    this.#isDrained = true;
    const running = this.#operation;
    // One that was cancelled or undone backs nothing up any more while it ends.
    const canJoin = running?.state === "running" && !running.isCancelRequested;
    return canJoin ? running : await this.#begin();
  }

  /**
   * Takes new workspaces again, and ends a drain that is under way.
   * @returns whether the node was drained
   * @throws {DaemonError} where that cannot be written down: nothing has changed then
   */
  undrain(): boolean {
    const { journal, clock } = this.#options;
    const wasDrained = this.#isDrained;
    journal.setDrained(false, clock.now());
    this.#isDrained = false;
    this.#operation?.cancel(
      new DaemonError("ABORTED", "The drain was undone", { reason: "OPERATION_CANCELLED" }),
    );
    return wasDrained;
  }

  /** Makes the final backups of a node that stops; the log says which failed. Never rejects. */
  async backUpAtStop(): Promise<void> {
    let operation: Operation | undefined;
    await this.#backUpAll("stop", (begun) => operation = begun).catch((error) =>
      log.error("Not every workspace is backed up as of this stop: {reason}; {findings}", {
        reason: messageOf(error),
        findings: operation?.findings.join("; "),
      })
    );
  }

  /** Resolves once no drain is under way. Call after the stop signal has fired. */
  async settled(): Promise<void> {
    await this.#operation?.ended;
  }

  #begin(): Promise<Operation> {
    const began = Promise.withResolvers<Operation>();
    // Its failure is the operation's, and is reported with it.
    this.#backUpAll("drain", (operation) => began.resolve(this.#operation = operation))
      .catch(() => {});
    return began.promise;
  }

  async #backUpAll(caller: string, onBegin: (operation: Operation) => void): Promise<void> {
    const { operations, backup, saver, stop, hasStorage, undeleted } = this.#options;
    await operations.run({ kind: "drain" }, (operation) => {
      onBegin(operation);
      return backUpAll(undeleted(), {
        ...backup,
        saver,
        hasStorage,
        caller,
        operation,
        signal: AbortSignal.any([stop, operation.signal]),
      });
    });
  }
}
