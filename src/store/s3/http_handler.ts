/**
 * How the SDK's requests travel: Node's HTTP client with timeouts that follow progress.
 *
 * The SDK's own handlers either time a whole request, so that the limit must grow with the size, or
 * buffer what they send. `fetch` sends streams chunked, which S3 refuses. Here a body of any length
 * goes out as it is read, and an attempt ends when nothing has moved for a while.
 */

import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { rootCertificates } from "node:tls";
import { release } from "../../memory.ts";
import { StallError } from "./s3_errors.ts";

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
  /** How slowly what the system has buffered may still go out; bytes a second. */
  slowestRate: number;
  connections: number;
  /** Whether the endpoint speaks TLS; credentials always come by handlers of the SDK's own. */
  secure: boolean;
  /** PEM certificates to trust besides the usual ones. */
  ca?: string;
  observer: TrafficObserver;
}

/** How much is handed to the socket at a time; bytes. */
const CHUNK = 256 << 10;
/** How much of a body the system may hold when we have handed over its end; bytes. */
const SOCKET_BUFFER = 8 << 20;

/** A request handler for the SDK's clients. */
export class ProgressHandler {
  readonly metadata = { handlerProtocol: "http/1.1" };
  readonly #options: ProgressHandlerOptions;
  readonly #http: http.Agent;
  readonly #https: https.Agent;
  /** Server's clock minus ours, as the last answer told; milliseconds. */
  #clockOffset = 0;

  constructor(options: ProgressHandlerOptions) {
    this.#options = options;
    const agent = { keepAlive: true, maxSockets: options.connections + 4 };
    this.#http = new http.Agent(agent);
    // What is given here replaces the defaults; left out, an environment variable would be asked.
    const trust = options.secure
      ? { ca: [...rootCertificates, ...(options.ca ? [options.ca] : [])] }
      : {};
    this.#https = new https.Agent({ ...agent, ...trust });
  }

  /** Milliseconds to add to our clock for the server's. */
  get clockOffset(): number {
    return this.#clockOffset;
  }

  /** Sends a request; resolves once the answer's head is there. The body is a Node stream. */
  async handle(
    request: OutgoingRequest,
    { abortSignal }: { abortSignal?: unknown } = {},
  ): Promise<{ response: Answer }> {
    const signal = abortSignal instanceof AbortSignal ? abortSignal : undefined;
    signal?.throwIfAborted();
    const exchange = new Exchange(this.#open(request), this.#options, signal);
    const incoming = await exchange.run(request);
    const status = incoming.statusCode ?? 0;
    this.#options.observer.onAnswer(request.method, status);
    const date = Date.parse(incoming.headers.date ?? "");
    if (!Number.isNaN(date)) this.#clockOffset = date - Date.now();
    const body = exchange.body(incoming, request.method === "HEAD");
    return { response: { statusCode: status, headers: flatten(incoming.headers), body } };
  }

  destroy(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /** Part of the SDK's interface; nothing is adjustable later. */
  updateHttpClientConfig(): void {}

  /** Part of the SDK's interface. */
  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  #open(request: OutgoingRequest): http.ClientRequest {
    const secure = request.protocol === "https:";
    const query = encodeQuery(request.query ?? {});
    return (secure ? https : http).request({
      method: request.method,
      host: request.hostname.replace(/^\[(.*)\]$/, "$1"),
      ...(request.port ? { port: request.port } : {}),
      path: query ? `${request.path}?${query}` : request.path,
      headers: request.headers,
      agent: secure ? this.#https : this.#http,
    });
  }
}

/** An answer in the SDK's shape. */
export interface Answer {
  statusCode: number;
  headers: Record<string, string>;
  body: Readable | undefined;
}

/** One request and its answer on one connection. */
class Exchange {
  readonly #outgoing: http.ClientRequest;
  readonly #options: ProgressHandlerOptions;
  readonly #signal: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #incoming: http.IncomingMessage | undefined;
  #sent = false;
  #over = false;

  constructor(
    outgoing: http.ClientRequest,
    options: ProgressHandlerOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#outgoing = outgoing;
    this.#options = options;
    this.#signal = signal;
  }

  run(request: OutgoingRequest): Promise<http.IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const outgoing = this.#outgoing;
    this.#touch();
    this.#signal?.addEventListener("abort", this.#abort, { once: true });
    outgoing.on("socket", releaseReads);
    outgoing.on("error", (error) => {
      if (!this.#incoming) this.#finish();
      reject(error);
    });
    outgoing.on("close", () => reject(new Error("the connection was closed without an answer")));
    outgoing.on("response", (incoming) => {
      this.#incoming = incoming;
      this.#touch();
      resolve(incoming);
    });
    this.#send(request.body).catch((error) => {
      reject(error);
      this.#break(error);
    });
    return promise;
  }

  /** The answer's body; its connection is given back, or broken, when the stream ends. */
  body(incoming: http.IncomingMessage, empty: boolean): Readable | undefined {
    if (empty) {
      incoming.resume();
      this.#finish();
      return undefined;
    }
    return Readable.from(this.#receive(incoming), { objectMode: false });
  }

  async #send(body: unknown): Promise<void> {
    let handed = 0;
    for await (const chunk of chunksOf(body)) {
      if (this.#incoming || this.#over) return;
      const { length } = chunk;
      const flushed = this.#outgoing.write(chunk);
      if (!flushed) {
        await this.#drained();
        // What a stream gives is read anew by another attempt; bytes would be sent again.
        if (body instanceof ReadableStream) release(chunk);
      }
      this.#options.observer.onBytes("sent", length);
      handed += length;
      this.#touch();
    }
    // From here on we see no progress: the tail is in the system's buffer.
    if (!this.#incoming) {
      this.#touch(Math.min(handed, SOCKET_BUFFER) / this.#options.slowestRate * 1000);
    }
    this.#sent = true;
    this.#outgoing.end();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const events = ["drain", "close", "error", "response"];
      const done = () => {
        for (const event of events) this.#outgoing.off(event, done);
        resolve();
      };
      for (const event of events) this.#outgoing.on(event, done);
    });
  }

  async *#receive(incoming: http.IncomingMessage): AsyncGenerator<Uint8Array> {
    const announced = incoming.headers["content-length"];
    let received = 0;
    try {
      const chunks = incoming[Symbol.asyncIterator]();
      for (;;) {
        this.#touch();
        const next = await chunks.next();
        this.#rest();
        if (next.done) break;
        received += next.value.length;
        this.#options.observer.onBytes("received", next.value.length);
        yield next.value;
      }
      if (announced !== undefined && received !== Number(announced)) {
        throw new Error(`the answer ended after ${received} of ${announced} bytes`);
      }
      if (!incoming.complete) throw new Error("the answer was cut off");
    } finally {
      const whole = this.#sent && incoming.complete;
      this.#finish();
      if (!whole) this.#outgoing.destroy();
    }
  }

  /** Winds the clock up again, with `more` milliseconds than usual. */
  #touch(more = 0): void {
    clearTimeout(this.#timer);
    if (this.#over) return;
    const stallMs = this.#options.stallMs + more;
    this.#timer = setTimeout(
      () => this.#break(new StallError(`nothing moved for ${stallMs / 1000} s`)),
      stallMs,
    );
  }

  /** The clock stands while it is we who are slow. */
  #rest(): void {
    clearTimeout(this.#timer);
  }

  readonly #abort = () => this.#break(this.#signal?.reason);

  #break(reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    this.#finish();
    this.#incoming?.destroy(error);
    this.#outgoing.destroy(error);
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}

/**
 * Gives back what is read from a socket once the parser has copied it; else the collector finds a
 * hundred megabytes of it. The parser listens before us, again with each request of a socket.
 */
function releaseReads(socket: Socket): void {
  socket.off("data", release);
  socket.on("data", release);
}

async function* chunksOf(body: unknown): AsyncGenerator<Uint8Array> {
  if (body === undefined || body === null) return;
  if (body instanceof ReadableStream) {
    yield* body;
    return;
  }
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  if (!(bytes instanceof Uint8Array)) throw new TypeError("Cannot send a body of this kind");
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

function flatten(headers: http.IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return flat;
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
