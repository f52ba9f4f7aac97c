import { DaemonError, messageOf } from "../errors.ts";
import type { Caller } from "./caller.ts";
import { Progress } from "./progress.ts";

/** What an operation does. */
export type OperationKind =
  | "init"
  | "snapshot"
  | "backup"
  | "dispose"
  | "restore"
  | "download"
  | "git"
  | "deletion"
  | "collection"
  | "verification"
  | "drain";

/** Where an operation is between its beginning and its end. */
export type OperationState = "running" | "succeeded" | "failed" | "cancelled";

/** What an operation works on. Nothing here is a secret. */
export interface OperationSubject {
  /** A workspace's id. */
  readonly workspace?: string;
  readonly owner?: string;
  readonly metaId?: string;
  /** The image that is made or read. */
  readonly url?: string;
}

/** A queue that operations wait in. */
export type QueueName = "workspace" | "node" | "deletion";

/** Why an operation, or an attempt of it, failed. */
export interface OperationFailure {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
}

/** Findings of an operation that are remembered. */
const MAX_FINDINGS = 100;

/** What an {@link Operation} is made of. */
export interface OperationInit {
  readonly id: string;
  /** How many of its registry began before it. */
  readonly sequence: number;
  readonly kind: OperationKind;
  readonly subject: OperationSubject;
  readonly parent: Operation | undefined;
  readonly caller: Caller | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Most attempts; absent where there is one, `Infinity` where it is tried until it succeeds. */
  readonly maxAttempts: number | undefined;
  /** Why it cannot be cancelled; absent where it can. */
  readonly uncancellable: string | undefined;
  /** Told of each change but those of the progress. */
  readonly onChange: (operation: Operation) => void;
}

/** Something that takes time. Its fields are for everybody to read, its methods for who does it. */
export class Operation {
  readonly id: string;
  /** How many of its registry began before it. */
  readonly sequence: number;
  readonly kind: OperationKind;
  readonly subject: OperationSubject;
  /** The operation that this one is a step of. */
  readonly parent: Operation | undefined;
  readonly caller: Caller | undefined;
  readonly startedAt: number;
  readonly maxAttempts: number | undefined;
  readonly progress: Progress = new Progress();
  /** Aborts when the operation, or one that it is a step of, is cancelled; the reason is a DaemonError. */
  readonly signal: AbortSignal;
  /** The revision of the registry that its last change made. */
  revision = 0;
  #state: OperationState = "running";
  #phase = "";
  #attempt = 1;
  #failure: OperationFailure | undefined;
  #figures: Readonly<Record<string, number>> = {};
  readonly #findings: string[] = [];
  #queue: { name: string; since: number } | undefined;
  #isSlow = false;
  #uncancellable: string | undefined;
  #endedAt: number | undefined;
  readonly #abort = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  readonly #onChange: (operation: Operation) => void;

  constructor(init: OperationInit) {
    this.id = init.id;
    this.sequence = init.sequence;
    this.kind = init.kind;
    this.subject = init.subject;
    this.parent = init.parent;
    this.caller = init.caller;
    this.startedAt = init.startedAt;
    this.maxAttempts = init.maxAttempts;
    this.#uncancellable = init.uncancellable;
    this.#onChange = init.onChange;
    this.signal = init.parent
      ? AbortSignal.any([this.#abort.signal, init.parent.signal])
      : this.#abort.signal;
  }

  /** The operation that this one is a step of, or a step of a step. */
  get root(): Operation {
    return this.parent?.root ?? this;
  }

  get state(): OperationState {
    return this.#state;
  }

  /** What it does now, as `docs/api.md` lists it; empty at first. */
  get phase(): string {
    return this.#phase;
  }

  /** From 1. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Why it failed, or why its last attempt did. */
  get failure(): OperationFailure | undefined {
    return this.#failure;
  }

  /** Whether it runs, and has for longer than the operator expects. */
  get isSlow(): boolean {
    return this.#isSlow && this.#state === "running";
  }

  /** What it came to, in numbers. */
  get figures(): Readonly<Record<string, number>> {
    return this.#figures;
  }

  /** What it has found, a line each; the first {@link MAX_FINDINGS}. */
  get findings(): readonly string[] {
    return this.#findings;
  }

  /** The queue that it waits in, and since which turn. */
  get queue(): { readonly name: string; readonly since: number } | undefined {
    return this.#queue;
  }

  /** Milliseconds since the epoch; absent while it runs. */
  get endedAt(): number | undefined {
    return this.#endedAt;
  }

  /** Whether somebody has cancelled it. */
  get isCancelRequested(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Why it cannot be cancelled; `undefined` where it can. */
  get uncancellable(): string | undefined {
    return this.parent
      ? `it is a step of operation ${this.root.id}, which can be cancelled as a whole`
      : this.#uncancellable;
  }

  /** Resolves once it has ended, however it ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Notes the phase that the operation is in. */
  enter(phase: string): void {
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.#onChange(this);
  }

  /** Notes what it came to. */
  setFigures(figures: Readonly<Record<string, number>>): void {
    this.#figures = figures;
  }

  /** Notes what it has found, without secrets. */
  addFinding(finding: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding);
  }

  /** Says that an attempt has failed and another one follows. */
  failedAttempt(error: unknown): void {
    this.#failure = failureOf(error);
    this.#attempt++;
    this.#onChange(this);
  }

  /** Says that it takes longer than the operator expects. */
  setSlow(): void {
    this.#isSlow = true;
    this.#onChange(this);
  }

  /** Says why it cannot be cancelled from now on, or that it can again. */
  setUncancellable(why: string | undefined): void {
    this.#uncancellable = why;
    this.#onChange(this);
  }

  /**
   * Says that it waits in a queue while `wait` takes.
   * @param key tells queues of one name apart, such as a workspace's id
   */
  async queued<T>(name: QueueName, key: string, wait: Promise<T>): Promise<T> {
    this.#queue = { name: `${name} ${key}`, since: ++turns };
    this.#onChange(this);
    try {
      return await wait;
    } finally {
      this.#queue = undefined;
      this.#onChange(this);
    }
  }

  /** Cancels it. What it does from now on is up to it; see {@link signal}. */
  cancel(reason: DaemonError): void {
    if (this.#abort.signal.aborted || this.#state !== "running") return;
    this.#abort.abort(reason);
    this.#onChange(this);
  }

  /** Ends it, with what it failed with where it did. */
  end(at: number, failure?: { error: unknown }): void {
    this.#endedAt = at;
    this.#state = !failure
      ? "succeeded"
      : this.#isCancellation(failure.error)
      ? "cancelled"
      : "failed";
    this.#failure = failure ? failureOf(failure.error) : undefined;
    this.#queue = undefined;
    this.#onChange(this);
    this.#ended.resolve();
  }

  #isCancellation(error: unknown): boolean {
    return this.signal.aborted ||
      error instanceof DaemonError && error.reason === "DISPOSED_DURING_INIT";
  }
}

/** Counts turns in all queues: who has the lower one came first. */
let turns = 0;

function failureOf(error: unknown): OperationFailure {
  if (!(error instanceof DaemonError)) {
    return { code: "INTERNAL", reason: "INTERNAL_ERROR", message: messageOf(error) };
  }
  const { code, reason, message } = error;
  return { code, reason, message };
}
