import { assertEquals, assertMatch } from "@std/assert";
import {
  newSpanId,
  parseTraceparent,
  setTraceSource,
  traceHeaders,
} from "../../src/tracing/trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

Deno.test("a traceparent is taken where it is one, of later versions too", () => {
  const context = { traceId: TRACE, spanId: SPAN, isSampled: true };
  assertEquals(parseTraceparent(`00-${TRACE}-${SPAN}-01`), context);
  assertEquals(parseTraceparent(`01-${TRACE}-${SPAN}-03-more`), context);
  assertEquals(parseTraceparent(`00-${TRACE}-${SPAN}-02`), { ...context, isSampled: false });
  for (
    const text of [
      undefined,
      "",
      `ff-${TRACE}-${SPAN}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${"0".repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${"0".repeat(16)}-01`,
      `00-${TRACE}-${SPAN}`,
    ]
  ) {
    assertEquals(parseTraceparent(text), undefined, text);
  }
  assertMatch(newSpanId(), /^[0-9a-f]{16}$/);
});

Deno.test("requests name the span that they are made for, and none outside a trace", () => {
  assertEquals(traceHeaders(), {});
  const context = { traceId: TRACE, spanId: SPAN, isSampled: true };
  try {
    setTraceSource(() => context);
    assertEquals(traceHeaders(), { traceparent: `00-${TRACE}-${SPAN}-01` });
    setTraceSource(() => ({ ...context, isSampled: false }));
    assertEquals(traceHeaders(), { traceparent: `00-${TRACE}-${SPAN}-00` });
  } finally {
    setTraceSource(() => undefined);
  }
});
