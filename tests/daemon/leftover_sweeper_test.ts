import { assertEquals, assertStringIncludes } from "@std/assert";
import { LeftoverSweeper } from "../../src/daemon/leftover_sweeper.ts";
import { DaemonError } from "../../src/errors.ts";
import { noStore } from "../../src/store/no_store.ts";
import { DaemonMetrics } from "../../src/daemon/daemon_metrics.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";

const HOUR = 3600_000;

Deno.test("what a writer left in the store is removed within a day, also after a sweep that failed", async () => {
  const clock = new ManualClock();
  const metrics = new Metrics();
  const serverNow = clock.now() + 5 * HOUR;
  const swept: number[] = [];
  const store = {
    ...noStore,
    kind: "s3",
    now: () => Promise.resolve(serverNow),
    sweepLeftovers(olderThan: number) {
      swept.push(olderThan);
      return swept.length === 1
        ? Promise.reject(new DaemonError("UNAVAILABLE", "out of reach"))
        : Promise.resolve({ count: 2, bytes: 0 });
    },
  };
  await using sweeper = new LeftoverSweeper(store, clock, new DaemonMetrics(metrics, () => 0));
  sweeper.start();
  await clock.wakeAll();
  await clock.wakeAll();
  await clock.asleep();
  const [maxAge] = swept.map((olderThan) => serverNow - olderThan);
  assertEquals(swept, [serverNow - maxAge!, serverNow - maxAge!]);
  assertEquals(Math.max(...clock.slept) + maxAge! < 24 * HOUR, true);
  assertStringIncludes(await metrics.text(), "wsdaemon_store_leftovers_removed_total 2");
});
