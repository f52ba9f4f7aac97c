import { assertEquals, assertStringIncludes } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { Readiness } from "../../src/daemon/readiness.ts";
import { noStore } from "../../src/store/no_store.ts";
import { DaemonMetrics } from "../../src/daemon/daemon_metrics.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";

/** Resolves once the node says something else of itself. */
async function changed(readiness: Readiness, from: string): Promise<void> {
  while (readiness.get().message === from) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("a node is ready while its store answers, and not while it stops", async () => {
  const clock = new ManualClock();
  const metrics = new Metrics();
  let down = true;
  const store = {
    ...noStore,
    probe: () =>
      down
        ? Promise.reject(new DaemonError("UNAVAILABLE", "connection refused"))
        : Promise.resolve(),
  };
  await using readiness = new Readiness(store, clock, new DaemonMetrics(metrics, () => 0));
  assertEquals(readiness.get(), { ok: false, message: "the daemon is starting" });
  readiness.start();
  await changed(readiness, "the daemon is starting");
  assertEquals(readiness.get(), {
    ok: false,
    message: "the store does not answer: connection refused",
  });
  assertStringIncludes(await metrics.text(), "wsdaemon_store_up 0");

  down = false;
  await clock.wakeAll();
  await changed(readiness, "the store does not answer: connection refused");
  assertEquals(readiness.get(), { ok: true, message: "ready" });
  assertStringIncludes(await metrics.text(), "wsdaemon_store_up 1");

  readiness.drain();
  assertEquals(readiness.get(), { ok: false, message: "the daemon is stopping" });
});

Deno.test("a node is not ready once a probe has gone unanswered, and is again when the next one is not", async () => {
  const clock = new ManualClock();
  let isSilent = true;
  const signals: (AbortSignal | undefined)[] = [];
  const store = {
    ...noStore,
    // It does not even heed its signal.
    probe: ({ signal }: { signal?: AbortSignal } = {}) => {
      signals.push(signal);
      return isSilent ? new Promise<void>(() => {}) : Promise.resolve();
    },
  };
  await using readiness = new Readiness(store, clock, new DaemonMetrics(new Metrics(), () => 0));
  readiness.start();
  await clock.wakeAll();
  await changed(readiness, "the daemon is starting");
  const silent = { ok: false, message: "the store has not answered for 7 s" };
  assertEquals(readiness.get(), silent);
  assertEquals(signals.map((signal) => signal?.aborted), [true]);

  isSilent = false;
  await clock.wakeAll();
  await changed(readiness, silent.message);
  assertEquals(readiness.get(), { ok: true, message: "ready" });
});
