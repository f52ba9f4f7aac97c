/** A span's place in a trace, as the W3C's Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all of them 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits, not all of them 0. */
  readonly spanId: string;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?$/;
const ZEROS = /^0+$/;

/** Parses a `traceparent`; `undefined` for what is none, which is as if there were none. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, traceId, spanId] = TRACEPARENT.exec(text ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return ZEROS.test(traceId) || ZEROS.test(spanId) ? undefined : { traceId, spanId };
}

/** Returns a new span's id. */
export function newSpanId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  bytes[0]! |= 1;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const NONE: Readonly<Record<string, string>> = {};
let current: () => TraceContext | undefined = () => undefined;

/** Has {@link traceHeaders} tell others of the span that `read` returns. */
export function setTraceSource(read: () => TraceContext | undefined): void {
  current = read;
}

/** Returns the headers by which a request says what it is made for; none outside a trace. */
export function traceHeaders(): Readonly<Record<string, string>> {
  const context = current();
  return context ? { traceparent: `00-${context.traceId}-${context.spanId}-01` } : NONE;
}
