import { repeat, resolvesWithin } from "../async/mod.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { Counter } from "../telemetry/mod.ts";
import type { Span, SpanSink } from "./span.ts";

const log = logger("tracing");

/** Spans that may wait; more are dropped and counted. */
const CAPACITY = 4096;
/** Spans of one request. */
const BATCH = 512;
/** Milliseconds between two requests. */
const INTERVAL_MS = 2_000;
/** Milliseconds that a collector may take for one request, and all that are left at the end together. */
const TIMEOUT_MS = 5_000;

/** Where a {@link SpanExporter} sends spans, and as whose. */
export interface SpanExporterOptions {
  /** Base URL of an OTLP/HTTP collector. */
  endpoint: string;
  /** The version of wsdaemon. */
  version: string;
  clock: Clock;
  /** Counts spans that were sent or dropped. */
  spans: Counter<"outcome">;
}

/** Sends spans to a collector in the background, as JSON by OTLP over HTTP; until it is disposed of. */
export class SpanExporter implements SpanSink, AsyncDisposable {
  readonly #url: string;
  readonly #version: string;
  readonly #clock: Clock;
  readonly #spans: Counter<"outcome">;
  readonly #queue: Span[] = [];
  readonly #stop = new AbortController();
  /** Fires when the time for the last requests is over. */
  readonly #abandon = new AbortController();
  #sending: Promise<void> = Promise.resolve();
  #isFailing = false;

  constructor({ endpoint, version, clock, spans }: SpanExporterOptions) {
    this.#url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
    this.#version = version;
    this.#clock = clock;
    this.#spans = spans;
  }

  /** Begins to send. */
  start(): void {
    this.#sending = this.#keepSending();
  }

  /** Takes a span that is recorded, and no other. */
  add(span: Span): void {
    if (!span.isSampled) return;
    if (this.#queue.length < CAPACITY) this.#queue.push(span);
    else this.#spans.inc({ outcome: "dropped" });
  }

  /** Sends what is left, once; what a collector does not take in time is dropped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const last = this.#sending.then(() => this.#sendAll());
    if (!await resolvesWithin(last, TIMEOUT_MS, this.#clock)) {
      this.#abandon.abort();
      await last;
    }
    this.#spans.inc({ outcome: "dropped" }, this.#queue.splice(0).length);
  }

  async #keepSending(): Promise<void> {
    const { signal } = this.#stop;
    await repeat(async () => {
      await this.#sendAll();
      return INTERVAL_MS;
    }, { clock: this.#clock, signal, delay: INTERVAL_MS });
  }

  /** Sends until nothing is left or a request fails: each further one may take as long to fail. */
  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH);
      const problem = await this.#send(batch);
      this.#spans.inc({ outcome: problem === undefined ? "sent" : "dropped" }, batch.length);
      if (problem !== undefined && !this.#isFailing) {
        log.warn("Cannot send spans to {url}, and drops them until it can: {problem}", {
          url: this.#url,
          problem,
        });
      }
      this.#isFailing = problem !== undefined;
      if (this.#isFailing) return;
    }
  }

  /** Returns why the spans were not taken. */
  async #send(batch: readonly Span[]): Promise<string | undefined> {
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(requestOf(batch, this.#version)),
        redirect: "error",
        signal: AbortSignal.any([this.#abandon.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return response.ok ? undefined : `it answers ${response.status}`;
    } catch (error) {
      return messageOf(error);
    }
  }
}

/** Returns an `ExportTraceServiceRequest` in the JSON of protobuf. */
function requestOf(spans: readonly Span[], version: string): unknown {
  const resource = {
    attributes: attributes({ "service.name": "wsdaemon", "service.version": version }),
  };
  const scope = { name: "wsdaemon", version };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: spans.map(jsonOf) }] }] };
}

/** `SpanKind` and `StatusCode` of OTLP; that all went well is for applications to say, by the specification. */
const KINDS = { internal: 1, server: 2 } as const;
const STATUS_ERROR = 2;

function jsonOf(span: Span): unknown {
  const { traceId, spanId, parentSpanId, name, kind, start, end, error } = span;
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(Math.max(start, end)),
    attributes: attributes(span.attributes),
    status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
  };
}

function attributes(values: Span["attributes"]): unknown[] {
  return Object.entries(values).filter(([, value]) => value !== undefined).map(([key, value]) => ({
    key,
    value: valueOf(value),
  }));
}

/** Returns an `AnyValue`; the JSON of protobuf has 64-bit integers as text. */
function valueOf(value: string | number | undefined): Record<string, unknown> {
  if (typeof value !== "number") return { stringValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

function nanoseconds(milliseconds: number): string {
  return String(BigInt(Math.round(milliseconds * 1000)) * 1000n);
}
