import type { Clock } from "../clock.ts";
import { DaemonError } from "../errors.ts";
import { newSpanId } from "../tracing/mod.ts";
import { currentCaller } from "./caller.ts";
import { currentOperation, inOperation, type RunStep } from "./current.ts";
import { Operation, type OperationKind, type OperationSubject } from "./operation.ts";

/** How an operation begins. */
export interface OperationSpec {
  kind: OperationKind;
  subject?: OperationSubject;
  /** Most attempts; absent where there is one, `Infinity` where it is tried until it succeeds. */
  maxAttempts?: number;
  /** Why it cannot be cancelled; absent where it can. */
  uncancellable?: string;
}

/** Is told of operations as they begin and end; must return at once. */
export interface OperationObserver {
  began(operation: Operation): void;
  /** @param error what it failed with, if it failed */
  ended(operation: Operation, error?: unknown): void;
}

/** The operations that have changed. */
export interface OperationChanges {
  /** Those that run, and those that have ended since; in the order in which they began. */
  operations: Operation[];
  /** To be passed to the next question. */
  revision: number;
  /** Whether some that ended since are forgotten already. */
  isTruncated: boolean;
}

/** Operations that have ended and are remembered. */
const MAX_ENDED = 1000;

/** The operations of a node: those that run, and the last ones that have ended. */
export class OperationRegistry {
  readonly #clock: Clock;
  readonly #operations = new Map<string, Operation>();
  readonly #maxEnded: number;
  /** Ids of those that have ended, oldest first. */
  readonly #ended: string[] = [];
  #begun = 0;
  readonly #observers: OperationObserver[] = [];
  #forgotten = 0;
  #closed: DaemonError | undefined;
  #revision = 0;
  #changed = Promise.withResolvers<void>();

  /** @param maxEnded operations that have ended and are remembered */
  constructor(clock: Clock, maxEnded: number = MAX_ENDED) {
    this.#clock = clock;
    this.#maxEnded = maxEnded;
  }

  /** Tells revisions of this registry from those of one that has ended. */
  readonly epoch: string = newSpanId();

  /** Has an observer told of every operation from now on. */
  observe(observer: OperationObserver): void {
    this.#observers.push(observer);
  }

  /** Grows with every change but those of progress. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Does `work` as an operation, and returns or throws what it does. It is a step of the operation at
   * hand, if there is one.
   */
  async run<T>(spec: OperationSpec, work: (operation: Operation) => Promise<T>): Promise<T> {
    const operation = this.#begin(spec, currentOperation());
    // What is deleted is no progress of content that is saved before.
    using _included = spec.kind === "deletion"
      ? undefined
      : operation.parent?.progress.include(operation.progress);
    const runStep: RunStep = (step, work) => this.run(step, work);
    try {
      const result = await inOperation(operation, runStep, () => work(operation));
      this.#end(operation);
      return result;
    } catch (error) {
      this.#end(operation, { error });
      throw error;
    }
  }

  /** Returns all operations, in the order in which they began. */
  all(): Operation[] {
    return [...this.#operations.values()];
  }

  /** Returns one of them. @throws {DaemonError} NOT_FOUND where there is none, or it is forgotten */
  get(id: string): Operation {
    const operation = this.#operations.get(id);
    if (operation) return operation;
    throw new DaemonError(
      "NOT_FOUND",
      `There is no operation ${id} on this node; of those that have ended, the last ` +
        `${this.#maxEnded} are remembered`,
      { reason: "OPERATION_NOT_FOUND", resource: { type: "operation", name: id } },
    );
  }

  /** Returns those that are under way, steps left out, in the order in which they began. */
  running(): Operation[] {
    return this.all().filter(({ state, parent }) => state === "running" && !parent);
  }

  /** Returns how many operations are before each one that waits in a queue, in its queue. */
  positions(): ReadonlyMap<Operation, number> {
    const waiting = this.all().flatMap((one) => one.queue ? [{ one, ...one.queue }] : []);
    const lengths = new Map<string, number>();
    const positions = new Map<Operation, number>();
    for (const { one, name } of waiting.sort((a, b) => a.since - b.since)) {
      const before = lengths.get(name) ?? 0;
      positions.set(one, before);
      lengths.set(name, before + 1);
    }
    return positions;
  }

  /**
   * Returns what runs, and what has ended since a revision.
   * @param maxEnded of those that have ended; the others come with the next question
   */
  changesSince(revision: number, maxEnded: number = Infinity): OperationChanges {
    const all = this.all();
    const ended = all
      .filter((one) => one.state !== "running" && one.revision > revision)
      .sort((a, b) => a.revision - b.revision);
    const told = new Set(ended.slice(0, maxEnded));
    return {
      operations: all.filter((one) => one.state === "running" || told.has(one)),
      revision: told.size < ended.length ? ended[told.size - 1]!.revision : this.#revision,
      isTruncated: this.#forgotten > revision,
    };
  }

  /**
   * Resolves once something is newer than a revision.
   * @param signal ends the wait alone, which rejects with its reason
   */
  async changed(revision: number, signal: AbortSignal): Promise<void> {
    while (this.#revision <= revision) {
      signal.throwIfAborted();
      if (this.#closed) throw this.#closed;
      const aborted = Promise.withResolvers<void>();
      const abort = () => aborted.resolve();
      signal.addEventListener("abort", abort, { once: true });
      await Promise.race([this.#changed.promise, aborted.promise]);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Ends every wait for changes, now and from now on, with `error`. */
  close(error: DaemonError): void {
    this.#closed = error;
    this.#wake();
  }

  /**
   * Cancels an operation; does nothing to one that has ended. It may still succeed, where it was as good
   * as done.
   * @throws {DaemonError} NOT_FOUND; FAILED_PRECONDITION where it cannot be cancelled
   */
  cancel(id: string): Operation {
    const operation = this.get(id);
    if (operation.state !== "running") return operation;
    const why = operation.uncancellable;
    if (why !== undefined) {
      throw new DaemonError("FAILED_PRECONDITION", `Cannot cancel operation ${id}: ${why}`, {
        reason: "OPERATION_NOT_CANCELLABLE",
        resource: { type: "operation", name: id },
      });
    }
    operation.cancel(
      new DaemonError("ABORTED", `Operation ${id} was cancelled`, {
        reason: "OPERATION_CANCELLED",
        resource: { type: "operation", name: id },
      }),
    );
    return operation;
  }

  #begin(spec: OperationSpec, parent: Operation | undefined): Operation {
    const operation = new Operation({
      // An operation's id is its span's, too.
      id: newSpanId(),
      sequence: this.#begun++,
      kind: spec.kind,
      subject: { ...parent?.subject, ...spec.subject },
      parent,
      caller: parent ? parent.caller : currentCaller(),
      startedAt: this.#clock.now(),
      maxAttempts: spec.maxAttempts,
      uncancellable: spec.uncancellable,
      onChange: (changed) => this.#note(changed),
    });
    this.#operations.set(operation.id, operation);
    this.#note(operation);
    for (const observer of this.#observers) observer.began(operation);
    return operation;
  }

  #end(operation: Operation, failure?: { error: unknown }): void {
    operation.end(this.#clock.now(), failure);
    for (const observer of this.#observers) observer.ended(operation, failure?.error);
    this.#ended.push(operation.id);
    if (this.#ended.length <= this.#maxEnded) return;
    const oldest = this.#ended.shift()!;
    this.#forgotten = Math.max(this.#forgotten, this.#operations.get(oldest)!.revision);
    this.#operations.delete(oldest);
  }

  #note(operation: Operation): void {
    operation.revision = ++this.#revision;
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
