/**
 * Traces: spans of calls and operations in OpenTelemetry's terms, sent to a collector by OTLP, and W3C trace
 * contexts (`traceparent`), taken from callers and handed on to the object store. Where no collector is
 * configured nothing of this runs.
 */

export { SpanExporter, type SpanExporterOptions } from "./exporter.ts";
export type { Span, SpanSink } from "./span.ts";
export {
  newSpanId,
  parseTraceparent,
  setTraceSource,
  type TraceContext,
  traceHeaders,
} from "./trace_context.ts";
