/**
 * One request and its answer on one connection. An exchange ends once: either the answer was read
 * whole and the connection is kept, or the connection is closed and the exchange has one error. It sends
 * its request only once.
 */

import type { Clock } from "../../../clock.ts";
import { StallError } from "../s3_errors.ts";
import { type BodySource, openBody } from "./request_body.ts";
import type { HttpConnection, Origin } from "./connection.ts";
import { type AnswerHead, AnswerReader, encodeHead } from "./message.ts";
import type { SendRate } from "./send_rate.ts";
import type { ConnectionPool, PooledConnection } from "./pool.ts";
import { Watchdog } from "./watchdog.ts";

/** Bounds the sum of the waits for one answer. Milliseconds. */
const ANSWER_MS = 10 * 60_000;
/** Headers of the connection and the framing, which the exchange sets itself. */
const FRAMING_HEADERS = [
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "te",
  "transfer-encoding",
];

/** The state and the limits that all exchanges of a client share. */
export interface ExchangeContext {
  pool: ConnectionPool;
  sendRate: SendRate;
  clock: Clock;
  /** How long no byte may move. Milliseconds. */
  stallMs: number;
  /** The slowest rate that still counts as progress. Bytes a second. */
  slowestRate: number;
  /** Called for each piece of a body. */
  onBytes(direction: "received" | "sent", bytes: number): void;
}

/** The request of an exchange. */
export interface ExchangeRequest {
  origin: Origin;
  method: string;
  /** The path and query, percent-encoded. */
  target: string;
  headers: Readonly<Record<string, string>>;
  /** A string, bytes, a stream of bytes whose length is among the headers, or nothing. */
  body?: unknown;
  /** How long the server may take until its answer begins, if longer than `stallMs`. Milliseconds. */
  workMs?: number;
}

/** One request and its answer. The caller reads the answer to its end, or abandons it. */
export class Exchange {
  readonly #context: ExchangeContext;
  readonly #request: ExchangeRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #watchdog: Watchdog;
  readonly #body: BodySource;
  #pooled: PooledConnection | undefined;
  #reader: AnswerReader | undefined;
  #sending: Promise<void> = Promise.resolve();
  /** Bytes of the body that were passed to the socket. */
  #passed = 0;
  /** When the system had taken all of the request, by `performance.now()`. Milliseconds. */
  #sentAt: number | undefined;
  #hasReceived = false;
  #hasAnswer = false;
  /** The sum of the waits for the answer since the request was sent. Milliseconds. */
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
    const { pool, stallMs, sendRate } = this.#context;
    try {
      this.#signal?.throwIfAborted();
      this.#signal?.addEventListener("abort", this.#abort, { once: true });
      const bytes = this.#encodeHead();
      const { connection } = this.#pooled = pool.take(this.#request.origin);
      this.#watchdog.start(stallMs);
      await connection.established;
      const begun = performance.now();
      this.#sending = this.#send(connection, bytes);
      // The reader gets the error, after what the server sent before it.
      this.#sending.catch((error) => connection.destroy(error));
      const headOnly = this.#request.method === "HEAD";
      this.#reader = new AnswerReader(() => this.#receive(connection), { headOnly });
      const head = await this.#reader.head();
      this.#hasAnswer = true;
      if (this.#sentAt !== undefined) sendRate.answered(this.#passed, performance.now() - begun);
      this.#watchdog.start(stallMs);
      this.#watchdog.pause();
      if (this.#reader.isComplete) this.#finish();
      return head;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Returns the next bytes of the answer's body; `undefined` after the last. The server's silence is
   * timed only while a call of this waits.
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
      throw this.#fail(error);
    }
  }

  /** Ends an exchange the rest of whose answer is not needed; does nothing where it is over. */
  abandon(reason: Error): void {
    if (!this.#isFinished) this.#fail(reason);
  }

  #encodeHead(): Uint8Array {
    const { method, target, headers } = this.#request;
    const others = Object.entries(headers).filter(([name]) =>
      !FRAMING_HEADERS.includes(name.toLowerCase())
    );
    const hasLength = this.#body.length > 0 || method === "PUT" || method === "POST";
    return encodeHead({
      method,
      target,
      headers: {
        ...Object.fromEntries(others),
        ...(hasLength ? { "content-length": `${this.#body.length}` } : {}),
        connection: "keep-alive",
      },
    });
  }

  async #send(connection: HttpConnection, head: Uint8Array): Promise<void> {
    const { stallMs, sendRate, onBytes } = this.#context;
    await connection.write(head);
    while (this.#passed < this.#body.length) {
      this.#watchdog.pause();
      const chunk = await this.#body.next();
      // A server that answers before it has the whole request does not want the rest.
      if (!chunk || this.#hasAnswer || this.#isOver) return;
      this.#watchdog.start(stallMs + sendRate.allowanceMs(this.#passed));
      // An empty write never completes on Deno's TLS.
      if (chunk.length === 0) continue;
      this.#passed += chunk.length;
      await connection.write(chunk);
      onBytes("sent", chunk.length);
    }
    this.#sentAt = performance.now();
    if (this.#hasAnswer || this.#isOver) return;
    const workMs = Math.max(stallMs, this.#request.workMs ?? 0);
    this.#watchdog.start(workMs + sendRate.allowanceMs(this.#passed));
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

  readonly #abort = () => void this.#fail(this.#signal?.reason);

  #onSilence(limitMs: number): void {
    if (!this.#hasAnswer && this.#passed > 0) this.#context.sendRate.stalled();
    this.#fail(new StallError(`nothing moved for ${Math.ceil(limitMs / 1000)} s`));
  }

  /** Keeps the connection of an answer that is complete, if another request may follow on it. */
  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const pooled = this.#pooled!;
    const keepMs = this.#reader?.keepMs;
    if (keepMs === undefined || this.#passed < this.#body.length) {
      this.#fail(new Error("the connection is not kept"));
      return;
    }
    // The answer may arrive before the socket reports that the system has taken the last bytes.
    this.#sending.then(() => {
      if (this.#isOver) return;
      this.#end();
      this.#context.pool.giveBack(pooled, keepMs);
    }, (error) => void this.#fail(error));
  }

  /** Closes the connection. Returns the error for the callers that wait. */
  #fail(reason: unknown): Error {
    const isAborted = this.#signal?.aborted === true;
    const cause = isAborted ? this.#signal?.reason : reason;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (this.#isOver) return error;
    this.#end();
    if (!this.#pooled) return error;
    const { connection, reused, origin } = this.#pooled;
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
