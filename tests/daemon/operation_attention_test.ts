import { assertEquals } from "@std/assert";
import { operationsNeedingAttention } from "../../src/daemon/operation_attention.ts";
import { OperationMetrics } from "../../src/daemon/operation_metrics.ts";
import { DaemonError, type Reason } from "../../src/errors.ts";
import { type Operation, type OperationKind, OperationRegistry } from "../../src/operations/mod.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";

const HOUR = 3_600_000;

/** A registry, and what somebody should look at of it. */
function node() {
  const clock = new ManualClock();
  const operations = new OperationRegistry(clock);
  const end = Promise.withResolvers<void>();
  return {
    clock,
    operations,
    run: (kind: OperationKind, workspace: string) =>
      operations.run({ kind, subject: { workspace } }, () => Promise.resolve()),
    fail: (kind: OperationKind, workspace: string, reason: Reason = "STORE_UNAVAILABLE") =>
      operations.run(
        { kind, subject: { workspace } },
        () => Promise.reject(new DaemonError("UNAVAILABLE", "no", { reason })),
      ).catch(() => {}),
    /** Begins an operation that goes on until {@link end} resolves. */
    begin: (kind: OperationKind, workspace: string, act: (operation: Operation) => void) =>
      operations.run({ kind, subject: { workspace } }, (operation) => {
        act(operation);
        return end.promise;
      }),
    end: end.resolve,
    seen: (now = clock.now()) =>
      operationsNeedingAttention(operations.all(), now).map(({ operation, state }) =>
        `${operation.kind} of ${operation.subject.workspace} ${state}`
      ),
  };
}

Deno.test("a failure wants attention until the same work has succeeded, or a day is over", async () => {
  const { fail, run, seen, clock } = node();
  await fail("backup", "a");
  await fail("backup", "b");
  await fail("dispose", "b");
  await fail("init", "c");
  await fail("backup", "d", "SHUTTING_DOWN");
  const all = [
    "dispose of b failed",
    "backup of b failed",
    "backup of a failed",
    "init of c failed",
  ];
  assertEquals(seen(), all);
  await run("backup", "b");
  await run("snapshot", "a");
  assertEquals(seen(), ["dispose of b failed", "backup of a failed", "init of c failed"]);
  await fail("backup", "b");
  assertEquals(seen()[0], "backup of b failed");
  assertEquals(seen(clock.now() + 2 * HOUR).includes("init of c failed"), false);
  assertEquals(seen(clock.now() + 25 * HOUR), []);
});

Deno.test("what runs wants attention where it is slow or tried again, and metrics name it", async () => {
  const { begin, end, fail, operations, seen, clock } = node();
  const metrics = new Metrics();
  operations.observe(new OperationMetrics(metrics, operations, clock));
  const all = [
    begin("init", "a", (operation) => operation.setSlow()),
    begin("backup", "b", () => {}),
    begin("snapshot", "c", (operation) => {
      operation.setSlow();
      operation.failedAttempt(
        new DaemonError("FAILED_PRECONDITION", "no", { reason: "STORE_REFUSED" }),
      );
    }),
  ];
  assertEquals(seen(), ["init of a slow", "snapshot of c retrying"]);
  const [slow, , retried] = operations.all();
  const lines = (await metrics.text()).split("\n")
    .filter((line) => line.startsWith("wsdaemon_operation_attention_info"));
  assertEquals(lines, [
    `wsdaemon_operation_attention_info{operation="${
      slow!.id
    }",kind="init",workspace="a",state="slow",reason=""} 1`,
    `wsdaemon_operation_attention_info{operation="${
      retried!.id
    }",kind="snapshot",workspace="c",state="retrying",reason="STORE_REFUSED"} 1`,
  ]);
  end();
  await Promise.all(all);
  assertEquals(seen(), []);
  // However many fail, few are named.
  for (let n = 0; n < 30; n++) await fail("backup", `${n}`);
  for (let n = 0; n < 30; n++) await fail("init", `${n}`);
  const named = seen();
  assertEquals(named.length, 40);
  assertEquals([named[0], named[20]], ["backup of 29 failed", "init of 29 failed"]);
});
