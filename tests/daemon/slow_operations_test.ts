import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SlowOperations } from "../../src/daemon/slow_operations.ts";
import { DaemonError } from "../../src/errors.ts";
import { inStep, type Operation, OperationRegistry } from "../../src/operations/mod.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { until } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";

const SUBJECT = { workspace: "w", owner: "alice", metaId: "notes" };
const SLOW_AFTER = 60_000;

/** A registry whose operations are slow after a minute of its clock. */
function watched() {
  const clock = new ManualClock();
  const operations = new OperationRegistry(clock);
  operations.observe(new SlowOperations({ clock, operations, slowAfter: SLOW_AFTER }));
  return { clock, operations };
}

Deno.test("an operation that takes long says where it stands, and again after twice the time", async () => {
  using logs = captureLogs();
  const { clock, operations } = watched();
  const end = Promise.withResolvers<void>();
  let init: Operation | undefined;
  const done = operations.run({ kind: "init", subject: SUBJECT }, async (operation) => {
    init = operation;
    operation.enter("initializing");
    await inStep({ kind: "restore" }, async (step) => {
      step?.enter("restoring");
      step?.progress.setTotal({ files: 9, bytes: 4096 });
      step?.progress.add({ files: 2, bytes: 1024 });
      await end.promise;
    });
  });
  await clock.asleep();
  assertEquals([clock.slept, init!.isSlow, logs.text], [[SLOW_AFTER], false, ""]);
  const { revision } = operations;
  await clock.wakeAll();
  await until("it is slow", () => init!.isSlow);
  // Who watches hears of it.
  assert(operations.revision > revision);
  const [line] = logs.text.split("\n");
  assertStringIncludes(line!, "[WRN]");
  for (
    const words of [init!.id, "alice", "initializing, restoring, 2 of 9 files", "1.0 KiB of 4"]
  ) {
    assertStringIncludes(line!, words);
  }
  await clock.wakeAll();
  await clock.asleep();
  assertEquals(clock.slept, [SLOW_AFTER, SLOW_AFTER, 2 * SLOW_AFTER]);
  end.resolve();
  await done;
  assert(!init!.isSlow);
  assertEquals(logs.text.split("is slow").length - 1, 2, logs.text);
});

Deno.test("a save that takes long because its attempts fail is an error, with why the last one did", async () => {
  using logs = captureLogs();
  const { clock, operations } = watched();
  const end = Promise.withResolvers<void>();
  const done = operations.run({ kind: "snapshot", subject: SUBJECT }, async (operation) => {
    operation.failedAttempt(
      new DaemonError("UNAVAILABLE", "no way", { reason: "STORE_UNAVAILABLE" }),
    );
    await end.promise;
  });
  await clock.wakeAll();
  await until("it is slow", () => logs.text.includes("is slow"));
  assertStringIncludes(logs.text, "[ERR]");
  assertStringIncludes(logs.text, "STORE_UNAVAILABLE");
  assertStringIncludes(logs.text, "no way");
  end.resolve();
  await done;
});

Deno.test("what nobody waits for is never slow, and neither is a step", async () => {
  const { clock, operations } = watched();
  await operations.run({ kind: "collection" }, () => Promise.resolve());
  await operations.run(
    { kind: "deletion" },
    () => inStep({ kind: "git" }, () => Promise.resolve()),
  );
  assertEquals(clock.slept, []);
});
