/** A span's place in a trace, as the W3C's Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all of them 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits, not all of them 0. */
  readonly spanId: string;
  /** Whether whoever began the trace has its spans recorded. */
  readonly isSampled: boolean;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
/** The bit of a traceparent's flags that says so. */
const SAMPLED = 1;
const ZEROS = /^0+$/;

/** Parses a `traceparent`; `undefined` for what is none, which is as if there were none. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
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
  if (!context) return NONE;
  const { traceId, spanId, isSampled } = context;
  return { traceparent: `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}` };
}
