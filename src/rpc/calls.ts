/** Counts, times, logs and ends the calls of a server, health and reflection included. */

import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerListener,
  ServerListenerBuilder,
  status as codes,
} from "@grpc/grpc-js";
import { DaemonError, shuttingDown } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { codeName } from "../wire/mod.ts";
import type { CallSpans, OpenSpan } from "./call_spans.ts";
import type { Peer, Peers } from "./peers.ts";
import type { RpcMetrics } from "./rpc_metrics.ts";
import { statusOf } from "./status.ts";

const log = logger("rpc");

/**
 * Requests that one stream may carry. Deno's HTTP/2 buffers a stream's answers without bound, so a
 * client that asks reflection on and on without reading would fill the memory.
 */
const MAX_STREAM_REQUESTS = 100;

/** A call that has ended, and its outcome. */
interface EndedCall {
  method: string;
  streaming: boolean;
  code: string;
  details: string;
  peer: string;
  /** Seconds. */
  duration: number;
}

/** Watches the calls of one server through its {@link Calls.interceptor}. */
export class Calls {
  readonly #open = new Set<OpenCall>();
  readonly #metrics: RpcMetrics;
  readonly #peers: Peers;
  readonly #spans: CallSpans;
  #isDraining = false;

  constructor(metrics: RpcMetrics, peers: Peers, spans: CallSpans) {
    this.#metrics = metrics;
    this.#peers = peers;
    this.#spans = spans;
  }

  /** How many have not ended. */
  get inFlight(): number {
    return this.#open.size;
  }

  /** The interceptor that the server is made with. */
  readonly interceptor: ServerInterceptor = (method, base) => {
    const streaming = method.requestStream || method.responseStream;
    const peer = this.#peers.of(base);
    let span: OpenSpan | undefined;
    const onMetadata = (metadata: Metadata) => {
      this.#peers.note(metadata, peer);
      if (!streaming) span = this.#spans.begin(metadata);
    };
    const call = new OpenCall(method.path, streaming, base, peer, onMetadata, (ended) => {
      this.#open.delete(call);
      if (span) this.#spans.end(span, ended);
      this.#metrics.ended(ended.method, ended.code);
      if (!ended.streaming) this.#metrics.took(ended.method, ended.duration);
      logEnd(ended);
    });
    this.#open.add(call);
    return call.intercept(streaming && this.#isDraining);
  };

  /** Ends every stream, now and from now on, so that none keeps its connection open; unary calls go on. */
  endStreams(): void {
    this.#isDraining = true;
    for (const call of this.#open) if (call.streaming) call.end(shuttingDown());
  }

  /** Answers every call that is under way with UNAVAILABLE. */
  endAll(): void {
    for (const call of this.#open) call.end(shuttingDown());
  }
}

/** One call, from its headers to its status. */
class OpenCall {
  readonly #started = performance.now();
  readonly #intercepted: ServerInterceptingCall;
  #isRefused = false;
  #requests = 0;
  #answers = 0;
  #ended = false;

  constructor(
    readonly method: string,
    readonly streaming: boolean,
    private readonly base: ServerInterceptingCallInterface,
    private readonly peer: Peer,
    private readonly onMetadata: (metadata: Metadata) => void,
    private readonly onEnd: (ended: EndedCall) => void,
  ) {
    this.#watchOwnStatuses();
    const responder = new ResponderBuilder()
      .withStart((next) => {
        if (this.#isRefused) this.end(shuttingDown());
        else next(this.#listener());
      })
      .withSendMessage((message, next) => {
        next(message);
        this.#answers++;
        // Later, since a message that is being sent must be over before a status is sent.
        if (this.#requests > MAX_STREAM_REQUESTS) setTimeout(() => this.#endIfExhausted());
      })
      .withSendStatus((status, next) => {
        this.#finish(status.code ?? codes.UNKNOWN, status.details ?? "");
        next(status);
      })
      .build();
    this.#intercepted = new ServerInterceptingCall(base, responder);
  }

  /** Returns the call for the server to go on with, or to end at once where it `isRefused`. */
  intercept(isRefused: boolean): ServerInterceptingCall {
    this.#isRefused = isRefused;
    return this.#intercepted;
  }

  end(error: DaemonError): void {
    this.#intercepted.sendStatus(statusOf(error, this.method));
  }

  /**
   * Has a status that grpc-js sends by itself, such as for a request that is too large, end the call as what
   * it is: those pass no responder.
   */
  #watchOwnStatuses(): void {
    const send = this.base.sendStatus.bind(this.base);
    this.base.sendStatus = (status) => {
      this.#finish(status.code ?? codes.UNKNOWN, status.details ?? "");
      send(status);
    };
  }

  #listener(): ServerListener {
    return new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        this.onMetadata(metadata);
        next(metadata);
      })
      .withOnReceiveMessage((message, next) => {
        this.#requests++;
        if (this.#requests <= MAX_STREAM_REQUESTS) next(message);
        else this.#endIfExhausted();
      })
      .withOnCancel(() => {
        // Called after every end.
        const late = Number(this.base.getDeadline()) <= Date.now();
        this.#finish(late ? codes.DEADLINE_EXCEEDED : codes.CANCELLED, "");
      })
      .build();
  }

  /** Ends a stream with too many requests, once those before are answered: else they would be lost. */
  #endIfExhausted(): void {
    if (this.#requests <= MAX_STREAM_REQUESTS || this.#answers < MAX_STREAM_REQUESTS) return;
    if (this.#ended) return;
    const message = `a stream may carry ${MAX_STREAM_REQUESTS} requests: open another one`;
    this.end(new DaemonError("RESOURCE_EXHAUSTED", message, { reason: "TOO_MANY_REQUESTS" }));
  }

  #finish(code: codes, details: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnd({
      method: this.method,
      streaming: this.streaming,
      code: codeName(code),
      details,
      peer: String(this.peer),
      duration: (performance.now() - this.#started) / 1000,
    });
  }
}

function logEnd({ method, code, details, peer, duration }: EndedCall): void {
  const record = { method, code, details, peer, milliseconds: Math.round(duration * 1000) };
  if (code === "OK") log.debug("{method} from {peer}: OK in {milliseconds} ms", record);
  else log.info("{method} from {peer}: {code} in {milliseconds} ms: {details}", record);
}
