/** A request that a content Worker is working on, which is answered once whatever happens. */

import { DaemonError, messageOf, toWire } from "../errors.ts";
import type { ReplyMessage } from "./protocol.ts";

/** Milliseconds in which an operation that a bug befell may still come to its end by itself. */
const END_TIME = 1_000;

export class ActiveRequest {
  readonly #id: number;
  readonly #cancel: Int32Array;
  readonly #reply: (message: ReplyMessage) => void;
  #bug: DaemonError | undefined;
  #isAnswered = false;

  constructor(id: number, cancel: SharedArrayBuffer, reply: (message: ReplyMessage) => void) {
    this.#id = id;
    this.#cancel = new Int32Array(cancel);
    this.#reply = reply;
  }

  /** Answers, unless that is done; for an operation that a bug befell, with that. */
  answer(message: ReplyMessage): void {
    if (this.#isAnswered) return;
    this.#reply(this.#bug ? this.#failure(this.#bug) : message);
    this.#isAnswered = true;
  }

  /**
   * Cancels the operation because of something that it threw where nothing catches it, and answers
   * for it where it does not end: what it waits for may never come.
   */
  fail(error: unknown): void {
    this.#bug ??= new DaemonError("INTERNAL", `a bug stopped the operation: ${messageOf(error)}`);
    Atomics.store(this.#cancel, 0, 1);
    const bug = this.#failure(this.#bug);
    setTimeout(() => this.answer(bug), END_TIME);
  }

  #failure(bug: DaemonError): ReplyMessage {
    return { kind: "failed", id: this.#id, error: toWire(bug) };
  }
}
