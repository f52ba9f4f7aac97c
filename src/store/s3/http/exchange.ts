/**
 * One request and its answer on one connection. However it ends, it ends once: with the answer read
 * whole and its connection kept, or with its connection closed and one error. Nothing is ever sent
 * a second time.
 */

import type { Clock } from "../../../clock.ts";
import { StallError } from "../s3_errors.ts";
import { type BodySource, openBody } from "./request_body.ts";
import type { HttpConnection, Origin } from "./connection.ts";
import { type AnswerHead, AnswerReader, encodeHead } from "./message.ts";
import type { Pace } from "./pace.ts";
import type { ConnectionPool, Lease } from "./pool.ts";
import { Watchdog } from "./watchdog.ts";

/** How long the server may be waited for over the whole of an answer; milliseconds. */
const ANSWER_MS = 10 * 60_000;
/** Headers that belong to the connection and its framing, and so are ours. */
const OURS = ["connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding"];

/** What all exchanges of a client share. */
export interface ExchangeContext {
  pool: ConnectionPool;
  pace: Pace;
  clock: Clock;
  /** How long nothing may move; milliseconds. */
  stallMs: number;
  /** A way to the server that is slower counts as none; bytes a second. */
  slowestRate: number;
  /** Called for each piece of a body. */
  onBytes(direction: "received" | "sent", bytes: number): void;
}

export interface ExchangeRequest {
  origin: Origin;
  method: string;
  /** The path and query, percent-encoded. */
  target: string;
  headers: Readonly<Record<string, string>>;
  /** A string, bytes, a stream of bytes whose length is among the headers, or nothing. */
  body?: unknown;
  /** How long the server may work before its answer begins, if longer than usual; milliseconds. */
  workMs?: number;
}

export class Exchange {
  readonly #context: ExchangeContext;
  readonly #request: ExchangeRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #watchdog: Watchdog;
  readonly #body: BodySource;
  #lease: Lease | undefined;
  #reader: AnswerReader | undefined;
  #sending: Promise<void> = Promise.resolve();
  /** Bytes of the body that were handed to the socket. */
  #handed = 0;
  /** When the system had taken all of the request; milliseconds. */
  #sentAt: number | undefined;
  #hasReceived = false;
  #hasAnswer = false;
  /** For how long the server was waited for since it had the request; milliseconds. */
  #waitedMs = 0;
  #receivedBytes = 0;
  #isFinished = false;
  #isOver = false;

  /** @throws {TypeError} for a body that cannot be sent */
  constructor(request: ExchangeRequest, context: ExchangeContext, signal?: AbortSignal) {
    this.#context = context;
    this.#request = request;
    this.#signal = signal;
    this.#body = openBody(request.body, lengthOf(request.headers));
    this.#watchdog = new Watchdog(context.clock, (limitMs) => this.#onSilence(limitMs));
  }

  /** Sends the request and resolves once the answer's head is there. */
  async head(): Promise<AnswerHead> {
    const { pool, stallMs, pace } = this.#context;
    try {
      this.#signal?.throwIfAborted();
      this.#signal?.addEventListener("abort", this.#abort, { once: true });
      const bytes = this.#encodeHead();
      const { connection } = this.#lease = pool.take(this.#request.origin);
      this.#watchdog.start(stallMs);
      await connection.established;
      const begun = performance.now();
      this.#sending = this.#send(connection, bytes);
      // The reader meets it, once it has read what the server said before.
      this.#sending.catch((error) => connection.destroy(error));
      const headOnly = this.#request.method === "HEAD";
      this.#reader = new AnswerReader(() => this.#receive(connection), { headOnly });
      const head = await this.#reader.head();
      this.#hasAnswer = true;
      if (this.#sentAt !== undefined) pace.answered(this.#handed, performance.now() - begun);
      this.#watchdog.start(stallMs);
      this.#watchdog.pause();
      if (this.#reader.isComplete) this.#finish();
      return head;
    } catch (error) {
      throw this.#break(error);
    }
  }

  /**
   * Returns the next bytes of the answer's body, `undefined` after the last. The server's silence is
   * timed only while this waits.
   */
  async next(): Promise<Uint8Array | undefined> {
    try {
      this.#watchdog.resume();
      const bytes = await this.#reader?.next();
      this.#watchdog.pause();
      if (!bytes || this.#reader?.isComplete) this.#finish();
      if (bytes) this.#context.onBytes("received", bytes.length);
      return bytes;
    } catch (error) {
      throw this.#break(error);
    }
  }

  /** Ends the exchange if it is not over: nobody wants the rest of the answer. */
  abandon(reason: Error): void {
    if (!this.#isFinished) this.#break(reason);
  }

  #encodeHead(): Uint8Array {
    const { method, target, headers } = this.#request;
    const theirs = Object.entries(headers).filter(([name]) => !OURS.includes(name.toLowerCase()));
    const hasLength = this.#body.length > 0 || method === "PUT" || method === "POST";
    return encodeHead({
      method,
      target,
      headers: {
        ...Object.fromEntries(theirs),
        ...(hasLength ? { "content-length": `${this.#body.length}` } : {}),
        connection: "keep-alive",
      },
    });
  }

  async #send(connection: HttpConnection, head: Uint8Array): Promise<void> {
    const { stallMs, pace, onBytes } = this.#context;
    await connection.write(head);
    while (this.#handed < this.#body.length) {
      this.#watchdog.pause();
      const chunk = await this.#body.next();
      // Whoever answers before the request is there does not want the rest.
      if (!chunk || this.#hasAnswer || this.#isOver) return;
      this.#watchdog.start(stallMs + pace.allowanceMs(this.#handed));
      // Deno's TLS never gets over an empty write.
      if (chunk.length === 0) continue;
      this.#handed += chunk.length;
      await connection.write(chunk);
      onBytes("sent", chunk.length);
    }
    this.#sentAt = performance.now();
    if (this.#hasAnswer || this.#isOver) return;
    const workMs = Math.max(stallMs, this.#request.workMs ?? 0);
    this.#watchdog.start(workMs + pace.allowanceMs(this.#handed));
  }

  async #receive(connection: HttpConnection): Promise<Uint8Array | undefined> {
    const begun = performance.now();
    const bytes = await connection.read();
    this.#watchdog.moved();
    if (!bytes) return undefined;
    this.#hasReceived = true;
    this.#receivedBytes += bytes.length;
    if (this.#sentAt !== undefined) {
      this.#waitedMs += performance.now() - Math.max(begun, this.#sentAt);
    }
    const limitMs = ANSWER_MS + this.#receivedBytes / this.#context.slowestRate * 1000;
    if (this.#waitedMs > limitMs) {
      throw new StallError(`the answer took more than ${Math.ceil(limitMs / 1000)} s`);
    }
    return bytes;
  }

  readonly #abort = () => void this.#break(this.#signal?.reason);

  #onSilence(limitMs: number): void {
    if (!this.#hasAnswer && this.#handed > 0) this.#context.pace.stalled();
    this.#break(new StallError(`nothing moved for ${Math.ceil(limitMs / 1000)} s`));
  }

  /** Keeps the connection of an answer that is complete, if another request may follow on it. */
  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const lease = this.#lease!;
    const keepMs = this.#reader?.keepMs;
    if (keepMs === undefined || this.#handed < this.#body.length) {
      this.#break(new Error("the connection is not kept"));
      return;
    }
    // The answer may be here before we hear that the system has taken the last bytes.
    this.#sending.then(() => {
      if (this.#isOver) return;
      this.#end();
      this.#context.pool.giveBack(lease, keepMs);
    }, (error) => void this.#break(error));
  }

  /** Closes the connection. @returns why, for whoever waits */
  #break(reason: unknown): Error {
    const isAborted = this.#signal?.aborted === true;
    const cause = isAborted ? this.#signal?.reason : reason;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (this.#isOver) return error;
    this.#end();
    if (!this.#lease) return error;
    const { connection, reused, origin } = this.#lease;
    connection.destroy(error);
    if (reused && !this.#hasReceived && !isAborted) this.#context.pool.dropIdle(origin);
    return error;
  }

  #end(): void {
    this.#isOver = true;
    this.#watchdog.stop();
    this.#body.close();
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}

function lengthOf(headers: Readonly<Record<string, string>>): number | undefined {
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-length");
  return found && /^\d+$/.test(found[1]) ? Number(found[1]) : undefined;
}
