/**
 * How the SDK's requests travel: an HTTP/1.1 client of our own on Node's sockets.
 *
 * Why none that exists, each tried on Deno 2.8.3 (and 2.7.11, the runtime of the npm binary):
 * - `node:http` sends a request again by itself when a connection that it reused ends, or when we
 *   end it: an abort or a timeout became a second request that nothing timed, and a body that was
 *   given back by then ended the process (denoland/deno#36786). No setting turns that off.
 * - `fetch` does the same (denoland/deno#35610), and sends streams chunked, which S3 refuses,
 *   whatever content-length is given (denoland/deno#20274).
 * - `Deno.connect` cannot be cut short: closing a connection leaves a pending write, and in 2.8.3 a
 *   pending read, unsettled, and its socket open for as long as the peer says nothing.
 * - undici on `node:net` ended all of this properly, but does not say when the system has taken a
 *   chunk: 2.5 GiB up and down cost 138 and 148 MiB; with one buffer an upload, which is written
 *   again once the socket's callback says that it may be, 23 and 23 MiB.
 * - `node:net` and `node:tls` sockets, used directly, end at once and for good when destroyed.
 *
 * An attempt ends when nothing has moved for a while; what moves, however slowly, goes on.
 */

import { Readable } from "node:stream";
import { rootCertificates } from "node:tls";
import { type Clock, systemClock } from "../../clock.ts";
import { Exchange, type ExchangeContext } from "./http/exchange.ts";
import { Pace } from "./http/pace.ts";
import { ConnectionPool } from "./http/pool.ts";

/** What goes over the wire, for the metrics. */
export interface TrafficObserver {
  onAnswer(method: string, status: number): void;
  onBytes(direction: "received" | "sent", bytes: number): void;
}

/** The parts of the SDK's request that we send. */
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

export interface ProgressHandlerOptions {
  /** Milliseconds. */
  stallMs: number;
  /** The same while the server joins or copies an object, if longer; milliseconds. */
  workMs?: number;
  /** How slowly what the system has buffered may still go out; bytes a second. */
  slowestRate: number;
  /** Whether the endpoint speaks TLS; credentials always come by handlers of the SDK's own. */
  secure: boolean;
  /** PEM certificates to trust besides the usual ones. */
  ca?: string | undefined;
  observer: TrafficObserver;
  /** The machine's unless given. */
  clock?: Clock | undefined;
}

/** A request handler for the SDK's clients. */
export class ProgressHandler {
  readonly metadata = { handlerProtocol: "http/1.1" };
  readonly #observer: TrafficObserver;
  readonly #context: ExchangeContext;
  readonly #workMs: number;

  constructor(options: ProgressHandlerOptions) {
    const { stallMs, workMs = stallMs, slowestRate, secure, ca, observer } = options;
    const { clock = systemClock } = options;
    // What is given here replaces the defaults; left out, an environment variable would be asked.
    const trusted = secure ? [...rootCertificates, ...(ca ? [ca] : [])] : [];
    this.#observer = observer;
    this.#workMs = workMs;
    this.#context = {
      pool: new ConnectionPool(clock, trusted),
      pace: new Pace(slowestRate),
      clock,
      stallMs,
      slowestRate,
      onBytes: (direction, bytes) => observer.onBytes(direction, bytes),
    };
  }

  /**
   * Sends a request, once; resolves when the answer's head is there. The body is a Node stream; its
   * connection is given back, or closed, when the stream ends, is destroyed, or the signal fires.
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
        headers: request.headers,
        body: request.body,
        ...(takesWork(request) ? { workMs: this.#workMs } : {}),
      },
      this.#context,
      signal,
    );
    const { status, headers } = await exchange.head();
    this.#observer.onAnswer(request.method, status);
    const body = request.method === "HEAD" ? undefined : new AnswerBody(exchange);
    return { response: { statusCode: status, headers, body } };
  }

  /** Closes every connection; what is under way fails. */
  destroy(): void {
    this.#context.pool.close();
  }

  /** Part of the SDK's interface; nothing is adjustable later. */
  updateHttpClientConfig(): void {}

  /** Part of the SDK's interface. */
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

/** An answer's body, read from the connection as it is read from here. */
class AnswerBody extends Readable {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    // One piece at a time: what is read ahead would be copied into one.
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

/** Whether the server joins or copies an object before it answers. */
function takesWork({ method, query, headers }: OutgoingRequest): boolean {
  const isJoin = method === "POST" && query?.uploadId !== undefined;
  return isJoin || headers["x-amz-copy-source"] !== undefined;
}

/** Percent-encodes as the signature does: everything but RFC 3986's unreserved characters. */
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
