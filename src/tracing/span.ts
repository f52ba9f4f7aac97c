import type { TraceContext } from "./trace_context.ts";

/** Something that took time. Nothing in it is a secret. */
export interface Span extends TraceContext {
  readonly parentSpanId?: string | undefined;
  readonly name: string;
  /** Whether a call was answered, or work was done within. */
  readonly kind: "internal" | "server";
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  /** Why it failed; absent where it did not. */
  readonly error?: string | undefined;
}

/** Takes spans that have ended; returns at once. */
export interface SpanSink {
  add(span: Span): void;
}
