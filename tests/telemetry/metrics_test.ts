import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { Metrics } from "../../src/telemetry/metrics.ts";

Deno.test("metrics are written in Prometheus' text format", async () => {
  const metrics = new Metrics();
  metrics.counter("wsdaemon_things_total", "Things", ["kind"]).inc({ kind: "a" }, 2);
  metrics.gauge("wsdaemon_level", "Level").set(3);
  metrics.histogram("wsdaemon_wait_seconds", "Waits", [], [1, 2]).observe(1.5);
  const text = await metrics.text();
  assertStringIncludes(
    text,
    '# TYPE wsdaemon_things_total counter\nwsdaemon_things_total{kind="a"} 2',
  );
  assertStringIncludes(text, "wsdaemon_level 3");
  assertStringIncludes(text, 'wsdaemon_wait_seconds_bucket{le="1"} 0');
  assertStringIncludes(text, 'wsdaemon_wait_seconds_bucket{le="2"} 1');
  assertMatch(metrics.contentType, /^text\/plain; version=0\.0\.4/);
});

Deno.test("an observed gauge is read each time it is asked for", async () => {
  const metrics = new Metrics();
  let value = 1;
  metrics.observedGauge("wsdaemon_now", "Now", () => value);
  assertStringIncludes(await metrics.text(), "wsdaemon_now 1\n");
  value = 2;
  assertStringIncludes(await metrics.text(), "wsdaemon_now 2\n");
});

Deno.test("a name asked for twice is one metric, and never of two kinds", async () => {
  const metrics = new Metrics();
  metrics.counter("wsdaemon_x_total", "X").inc();
  metrics.counter("wsdaemon_x_total", "X").inc();
  assertStringIncludes(await metrics.text(), "wsdaemon_x_total 2\n");
  assertThrows(() => metrics.gauge("wsdaemon_x_total", "X"), TypeError, "two kinds");
});

Deno.test("registries do not share metrics", async () => {
  new Metrics().counter("wsdaemon_y_total", "Y").inc();
  assertEquals((await new Metrics().text()).includes("wsdaemon_y_total"), false);
});
