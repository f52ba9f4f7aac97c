import { assertEquals, assertStringIncludes } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { Readiness } from "../../src/daemon/readiness.ts";
import { noStore } from "../../src/store/no_store.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";

Deno.test("a node is ready while its store answers, and not while it stops", async () => {
  const clock = new ManualClock();
  const metrics = new Metrics();
  let down = true;
  let probed = Promise.withResolvers<void>();
  const store = {
    ...noStore,
    probe: () => {
      probed.resolve();
      return down
        ? Promise.reject(new DaemonError("UNAVAILABLE", "connection refused"))
        : Promise.resolve();
    },
  };
  await using readiness = new Readiness(store, clock, metrics);
  assertEquals(readiness.get(), { ok: false, message: "the daemon is starting" });
  readiness.start();
  await probed.promise;
  await clock.asleep();
  assertEquals(readiness.get(), {
    ok: false,
    message: "the store does not answer: connection refused",
  });
  assertStringIncludes(await metrics.text(), "wsdaemon_store_up 0");

  down = false;
  probed = Promise.withResolvers();
  await clock.wakeAll();
  await probed.promise;
  await clock.asleep();
  assertEquals(readiness.get(), { ok: true, message: "ready" });
  assertStringIncludes(await metrics.text(), "wsdaemon_store_up 1");

  readiness.drain();
  assertEquals(readiness.get(), { ok: false, message: "the daemon is stopping" });
});
