import { assertEquals, assertStringIncludes } from "@std/assert";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { SpanExporter } from "../../src/tracing/exporter.ts";
import type { Span } from "../../src/tracing/span.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { captureLogs } from "../fixtures/logs.ts";

const SPAN: Span = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  isSampled: true,
  parentSpanId: "00f067aa0ba902b7",
  name: "backup",
  kind: "internal",
  start: 1_700_000_000_000,
  end: 1_700_000_000_001.5,
  attributes: {
    "wsdaemon.workspace": "w",
    "wsdaemon.files": 3,
    load: 0.5,
    "wsdaemon.url": undefined,
  },
};

Deno.test("spans are sent by OTLP, and dropped and counted where nobody takes them", async () => {
  using logs = captureLogs();
  const bodies: unknown[] = [];
  let status = 200;
  await using collector = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      bodies.push([new URL(request.url).pathname, await request.json()]);
      return new Response("{}", { status });
    },
  );
  const metrics = new Metrics();
  const spans = metrics.counter("wsdaemon_trace_spans_total", "Spans", ["outcome"]);
  const clock = new ManualClock();
  const endpoint = `http://127.0.0.1:${collector.addr.port}/`;
  await using exporter = new SpanExporter({ endpoint, version: "1", clock, spans });
  exporter.start();
  exporter.add(SPAN);
  // Whoever began its trace has it recorded nowhere.
  exporter.add({ ...SPAN, isSampled: false });
  await clock.wakeAll();
  await clock.asleep();
  const scope = { name: "wsdaemon", version: "1" };
  assertEquals(bodies, [["/v1/traces", {
    resourceSpans: [{
      resource: {
        attributes: [
          { key: "service.name", value: { stringValue: "wsdaemon" } },
          { key: "service.version", value: { stringValue: "1" } },
        ],
      },
      scopeSpans: [{
        scope,
        spans: [{
          traceId: SPAN.traceId,
          spanId: SPAN.spanId,
          parentSpanId: SPAN.parentSpanId,
          name: "backup",
          kind: 1,
          startTimeUnixNano: "1700000000000000000",
          endTimeUnixNano: "1700000000001500000",
          attributes: [
            { key: "wsdaemon.workspace", value: { stringValue: "w" } },
            { key: "wsdaemon.files", value: { intValue: "3" } },
            { key: "load", value: { doubleValue: 0.5 } },
          ],
          status: {},
        }],
      }],
    }],
  }]]);

  status = 503;
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 600; n++) exporter.add(SPAN);
    await clock.wakeAll();
    await clock.asleep();
  }
  const text = await metrics.text();
  assertStringIncludes(text, 'wsdaemon_trace_spans_total{outcome="sent"} 1\n');
  assertStringIncludes(text, 'wsdaemon_trace_spans_total{outcome="dropped"} 1024\n');
  assertEquals(logs.text.split("Cannot send spans").length - 1, 1, logs.text);

  status = 200;
  await clock.wakeAll();
  await clock.asleep();
  assertStringIncludes(await metrics.text(), 'wsdaemon_trace_spans_total{outcome="sent"} 177\n');
});

Deno.test("a collector that hangs holds the end up once, however many spans wait", async () => {
  const asked = Promise.withResolvers<void>();
  let requests = 0;
  const hung = Promise.withResolvers<Response>();
  await using collector = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => {
      requests++;
      asked.resolve();
      return hung.promise;
    },
  );
  const metrics = new Metrics();
  const spans = metrics.counter("wsdaemon_trace_spans_total", "Spans", ["outcome"]);
  const clock = new ManualClock();
  const endpoint = `http://127.0.0.1:${collector.addr.port}`;
  const exporter = new SpanExporter({ endpoint, version: "1", clock, spans });
  exporter.start();
  for (let n = 0; n < 2000; n++) exporter.add(SPAN);
  await clock.wakeAll();
  await asked.promise;
  const ended = exporter[Symbol.asyncDispose]();
  await clock.wakeAll();
  await ended;
  hung.resolve(new Response());
  assertEquals([requests, clock.slept.filter((ms) => ms === 5_000).length], [1, 1]);
  assertStringIncludes(
    await metrics.text(),
    'wsdaemon_trace_spans_total{outcome="dropped"} 2000\n',
  );
});
