/**
 * Sends the SDK's requests by an HTTP/1.1 client of this project on Node's sockets.
 *
 * Existing clients do not suffice; each was tried on Deno 2.8.3 (and 2.7.11, the runtime of the npm binary):
 * - `node:http` sends a request again by itself when a connection that it reused ends, or when we
 *   end it: an abort or a timeout became a second request without a time limit, and a body that was
 *   closed by then ended the process (denoland/deno#36786). No setting turns that off.
 * - `fetch` does the same (denoland/deno#35610), and sends streams chunked, which S3 refuses,
 *   whatever content-length is given (denoland/deno#20274).
 * - `Deno.connect` cannot be aborted: closing a connection leaves a pending write, and in 2.8.3 a
 *   pending read, unsettled, and its socket open for as long as the peer sends nothing.
 * - undici on `node:net` has none of these faults, but does not tell when the system has taken a chunk:
 *   an upload and a download of 2.5 GiB cost 138 and 148 MiB. With one buffer for each upload, reused
 *   once the socket's callback permits it, they cost 23 and 23 MiB.
 * - `node:net` and `node:tls` sockets, used directly, end at once and for good when destroyed.
 *
 * An attempt ends when no byte has moved for a while; as long as bytes move, however slowly, it goes on.
 */

import { Readable } from "node:stream";
import { rootCertificates } from "node:tls";
import { type Clock, systemClock } from "../../clock.ts";
import { currentOperation } from "../../operations/mod.ts";
import { traceHeaders } from "../../tracing/mod.ts";
import { Exchange, type ExchangeContext } from "./http/exchange.ts";
import { SendRate } from "./http/send_rate.ts";
import { ConnectionPool } from "./http/pool.ts";

/** Receives what goes over the wire, for the metrics. */
export interface TrafficObserver {
  onAnswer(method: string, status: number): void;
  onBytes(direction: "received" | "sent", bytes: number): void;
}

/** The parts of the SDK's request that are sent. */
export interface OutgoingRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: unknown;
}

/** Limits of a {@link ProgressHandler}, and what it reports to. */
export interface ProgressHandlerOptions {
  /** An attempt ends when no byte moved for this long. Milliseconds. */
  stallMs: number;
  /** The same limit while the server joins or copies an object, if it is longer. Milliseconds. */
  workMs?: number;
  /** The slowest rate at which bytes that the system has buffered may be sent. Bytes a second. */
  slowestRate: number;
  /** Whether the endpoint uses TLS. Requests for credentials have handlers of the SDK's own. */
  secure: boolean;
  /** PEM certificates to trust besides the usual ones. */
  ca?: string | undefined;
  observer: TrafficObserver;
  /** The system's clock unless given. */
  clock?: Clock | undefined;
}

/** A request handler for the SDK's clients. Its owner destroys it. */
export class ProgressHandler {
  readonly metadata = { handlerProtocol: "http/1.1" };
  readonly #observer: TrafficObserver;
  readonly #context: ExchangeContext;
  readonly #workMs: number;

  constructor(options: ProgressHandlerOptions) {
    const { stallMs, workMs = stallMs, slowestRate, secure, ca, observer } = options;
    const { clock = systemClock } = options;
    // These replace the defaults; without them an environment variable would be read.
    const trusted = secure ? [...rootCertificates, ...(ca ? [ca] : [])] : [];
    this.#observer = observer;
    this.#workMs = workMs;
    this.#context = {
      pool: new ConnectionPool(clock, trusted),
      sendRate: new SendRate(slowestRate),
      clock,
      stallMs,
      slowestRate,
      onBytes: (direction, bytes) => observer.onBytes(direction, bytes),
    };
  }

  /** Returns the context of an exchange, whose bytes count for the operation at hand, too. */
  #counted(): ExchangeContext {
    const progress = currentOperation()?.progress;
    if (!progress) return this.#context;
    return {
      ...this.#context,
      onBytes: (direction, bytes) => {
        progress.addTransferred(bytes);
        this.#context.onBytes(direction, bytes);
      },
    };
  }

  /**
   * Sends a request, once. Resolves when the answer's head has arrived. The answer's body is a Node
   * stream; when it ends, is destroyed, or the signal fires, its connection is kept or closed.
   */
  async handle(
    request: OutgoingRequest,
    { abortSignal }: { abortSignal?: unknown } = {},
  ): Promise<{ response: Answer }> {
    const signal = abortSignal instanceof AbortSignal ? abortSignal : undefined;
    const secure = request.protocol === "https:";
    const query = encodeQuery(request.query ?? {});
    const exchange = new Exchange(
      {
        origin: {
          secure,
          host: request.hostname.replace(/^\[(.*)\]$/, "$1"),
          port: request.port ?? (secure ? 443 : 80),
        },
        method: request.method,
        target: query ? `${request.path}?${query}` : request.path,
        // Not signed: S3 has only its own headers signed.
        headers: { ...request.headers, ...traceHeaders() },
        body: request.body,
        ...(makesServerWork(request) ? { workMs: this.#workMs } : {}),
      },
      this.#counted(),
      signal,
    );
    const { status, headers } = await exchange.head();
    this.#observer.onAnswer(request.method, status);
    const body = request.method === "HEAD" ? undefined : new AnswerBody(exchange);
    return { response: { statusCode: status, headers, body } };
  }

  /** Closes every connection; requests under way fail. */
  destroy(): void {
    this.#context.pool.close();
  }

  /** Does nothing: the SDK's interface asks for it, and no setting can change later. */
  updateHttpClientConfig(): void {}

  /** Returns no settings: the SDK's interface asks for it. */
  httpHandlerConfigs(): Record<string, never> {
    return {};
  }
}

/** An answer in the SDK's shape. */
export interface Answer {
  statusCode: number;
  headers: Record<string, string>;
  body: Readable | undefined;
}

/** An answer's body. Reads from the connection only what its own reader asks for. */
class AnswerBody extends Readable {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    // One piece at a time: pieces that are read ahead would be copied into one buffer.
    super({ highWaterMark: 1 });
    this.#exchange = exchange;
  }

  override _read(): void {
    this.#exchange.next().then(
      (bytes) => void this.push(bytes ?? null),
      (error) => void this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#exchange.abandon(error ?? new Error("the answer is not wanted any more"));
    done(error);
  }
}

/** Returns whether the server joins or copies an object before it answers. */
function makesServerWork({ method, query, headers }: OutgoingRequest): boolean {
  const isJoin = method === "POST" && query?.uploadId !== undefined;
  return isJoin || headers["x-amz-copy-source"] !== undefined;
}

/** Encodes a query as its signature does: everything but RFC 3986's unreserved characters. */
function encodeQuery(query: NonNullable<OutgoingRequest["query"]>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (value === null) parts.push(escapeUri(name));
    else for (const one of [value].flat()) parts.push(`${escapeUri(name)}=${escapeUri(one)}`);
  }
  return parts.join("&");
}

function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
