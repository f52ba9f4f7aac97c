import { assertEquals } from "@std/assert";
import { OperationMetrics } from "../../src/daemon/operation_metrics.ts";
import { DaemonError } from "../../src/errors.ts";
import { type Operation, OperationRegistry } from "../../src/operations/mod.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";

Deno.test("what runs, waits and has failed is told by kind", async () => {
  const metrics = new Metrics();
  const clock = new ManualClock();
  const operations = new OperationRegistry(clock);
  operations.observe(new OperationMetrics(metrics, operations, clock));
  const values = async (name: string) =>
    (await metrics.text()).split("\n").filter((line) =>
      line.startsWith(name) && !line.endsWith(" 0")
    )
      .map((line) => line.slice(name.length));
  const go = Promise.withResolvers<void>();
  const begin = (kind: "backup" | "snapshot", act: (operation: Operation) => Promise<unknown>) =>
    operations.run({ kind, maxAttempts: kind === "snapshot" ? Infinity : 3 }, act);

  const begun = clock.now();
  const all = [
    begin("backup", async ({ progress }) => {
      progress.add({ bytes: 700 });
      await go.promise;
    }),
    begin("backup", (operation) => operation.queued("node", "", go.promise)),
    begin("snapshot", () => go.promise),
  ];
  clock.now = () => begun + 90_000;
  assertEquals(await values("wsdaemon_operations"), [
    '{kind="snapshot",state="running"} 1',
    '{kind="backup",state="running"} 1',
    '{kind="backup",state="waiting"} 1',
  ]);
  assertEquals(await values("wsdaemon_operation_bytes"), ['{kind="backup"} 700']);
  assertEquals(await values("wsdaemon_operation_oldest_seconds"), [
    '{kind="snapshot"} 90',
    '{kind="backup"} 90',
  ]);
  assertEquals(await values("wsdaemon_snapshots_pending"), [" 1", "_oldest_seconds 90"]);
  go.resolve();
  await Promise.all(all);
  assertEquals(await values("wsdaemon_operations"), []);

  const refused = new DaemonError("UNAVAILABLE", "down", { reason: "STORE_UNAVAILABLE" });
  await begin("backup", () => Promise.reject(refused)).catch(() => {});
  assertEquals(await values("wsdaemon_operation_failures_total"), [
    '{kind="backup",reason="STORE_UNAVAILABLE"} 1',
  ]);
  await operations.run({ kind: "collection" }, () => Promise.resolve());
  assertEquals(await values("wsdaemon_collection_last_success_timestamp_seconds"), [
    ` ${clock.now() / 1000}`,
  ]);
});
