/**
 * Keeps the request that a content Worker is working on; it is answered exactly once, whatever happens.
 */

import { DaemonError, messageOf, toWire } from "../errors.ts";
import type { ReplyMessage } from "./protocol.ts";
import type { RequestMemory } from "./request_memory.ts";

/** Milliseconds that an operation has to end by itself after an uncaught error. */
const GRACE_MS = 1_000;

/** The state of the running request: whether it was answered, and the bug that it met. */
export class ActiveRequest {
  readonly #id: number;
  readonly #memory: RequestMemory;
  readonly #reply: (message: ReplyMessage) => void;
  #bug: DaemonError | undefined;
  #isAnswered = false;

  constructor(id: number, memory: RequestMemory, reply: (message: ReplyMessage) => void) {
    this.#id = id;
    this.#memory = memory;
    this.#reply = reply;
  }

  /** Answers, unless that was done; with the bug if there was one. */
  answer(message: ReplyMessage): void {
    if (this.#isAnswered) return;
    this.#reply(this.#bug ? this.#failure(this.#bug) : message);
    this.#isAnswered = true;
  }

  /**
   * Cancels the operation because of an error that nothing caught. Answers for it after a grace
   * time if it does not end: it may wait for a callback that will never be called.
   */
  fail(error: unknown): void {
    this.#bug ??= new DaemonError("INTERNAL", `a bug stopped the operation: ${messageOf(error)}`);
    this.#memory.cancel();
    const bug = this.#failure(this.#bug);
    setTimeout(() => this.answer(bug), GRACE_MS);
  }

  #failure(bug: DaemonError): ReplyMessage {
    return { kind: "failed", id: this.#id, error: toWire(bug) };
  }
}
