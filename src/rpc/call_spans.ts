/** Spans of calls, in the traces that callers name by `traceparent`. */

import { type Metadata, status as codes } from "@grpc/grpc-js";
import { newSpanId, parseTraceparent, type SpanSink, type TraceContext } from "../tracing/mod.ts";

/** A call's span that has not ended. */
export interface OpenSpan extends TraceContext {
  readonly parentSpanId: string | undefined;
  /** Milliseconds since the epoch. */
  readonly start: number;
}

/** Begins and ends the spans of a server's calls; does nothing without a sink. */
export class CallSpans {
  readonly #sink: SpanSink | undefined;
  readonly #byCall = new WeakMap<Metadata, OpenSpan>();

  constructor(sink: SpanSink | undefined) {
    this.#sink = sink;
  }

  /** Begins the span of the call with that metadata. */
  begin(metadata: Metadata): OpenSpan | undefined {
    if (!this.#sink) return undefined;
    const [header] = metadata.get("traceparent");
    const parent = parseTraceparent(typeof header === "string" ? header : undefined);
    const spanId = newSpanId();
    const span: OpenSpan = {
      traceId: parent?.traceId ?? `${newSpanId()}${newSpanId()}`,
      spanId,
      isSampled: parent?.isSampled ?? true,
      parentSpanId: parent?.spanId,
      start: Date.now(),
    };
    this.#byCall.set(metadata, span);
    return span;
  }

  /** Returns the span of the call with that metadata. */
  ofCall(metadata: Metadata): TraceContext | undefined {
    const span = this.#byCall.get(metadata);
    if (!span) return undefined;
    const { traceId, spanId, isSampled } = span;
    return { traceId, spanId, isSampled };
  }

  /** Ends a call's span. @param call its method's path, code and message */
  end(
    span: OpenSpan,
    { method, code, details }: { method: string; code: string; details: string },
  ): void {
    const [, service, name] = method.split("/");
    this.#sink?.add({
      ...span,
      name: method.slice(1),
      kind: "server",
      end: Date.now(),
      attributes: {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": name,
        "rpc.grpc.status_code": codes[code as keyof typeof codes],
      },
      error: code === "OK" ? undefined : details || code,
    });
  }
}
