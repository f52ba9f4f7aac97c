import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import {
  currentOperation,
  inStep,
  type Operation,
  OperationRegistry,
  outsideOperations,
  withCaller,
} from "../../src/operations/mod.ts";
import { ManualClock } from "../fixtures/clock.ts";

const NEVER = new AbortController().signal;

function registry(maxEnded?: number): OperationRegistry {
  return new OperationRegistry(new ManualClock(), maxEnded);
}

/** Begins an operation that ends when told to. */
function begin(operations: OperationRegistry, spec = { kind: "backup" } as const) {
  const go = Promise.withResolvers<void>();
  const began = Promise.withResolvers<Operation>();
  const done = operations.run(spec, async (operation) => {
    began.resolve(operation);
    await go.promise;
  });
  return { operation: began.promise, done, ...go };
}

Deno.test("an operation is found while it runs and after its end, with what it failed with", async () => {
  const operations = registry();
  const { operation, done, reject } = begin(operations);
  const { id } = await operation;
  assertEquals(operations.get(id).state, "running");
  reject(new DaemonError("UNAVAILABLE", "no store", { reason: "STORE_UNAVAILABLE" }));
  await assertRejects(() => done, DaemonError, "no store");
  const ended = operations.get(id);
  assertEquals([ended.state, ended.endedAt === undefined], ["failed", false]);
  assertEquals(ended.failure, {
    code: "UNAVAILABLE",
    reason: "STORE_UNAVAILABLE",
    message: "no store",
  });
  assertThrows(() => operations.get("other"), DaemonError, "There is no operation other");
});

Deno.test("what runs in its course finds the operation and its caller, after awaiting too", async () => {
  const operations = registry();
  const caller = { peer: "10.0.0.7:1", deadline: 5 };
  const seen = await withCaller(
    caller,
    () =>
      operations.run({ kind: "init", subject: { workspace: "w" } }, async (whole) => {
        await Promise.resolve();
        const step = await inStep({ kind: "restore", subject: { url: "u" } }, async (step) => {
          await new Promise((resolve) => setTimeout(resolve));
          assertEquals(currentOperation(), step);
          return step!;
        });
        const outside = outsideOperations(() => currentOperation());
        return { whole, step, outside };
      }),
  );
  assertEquals(seen.outside, undefined);
  assertEquals(seen.step.parent, seen.whole);
  assertEquals(seen.step.root.id, seen.whole.id);
  assertEquals(seen.step.subject, { workspace: "w", url: "u" });
  assertEquals([seen.whole.caller, seen.step.caller], [caller, caller]);
  assertEquals(currentOperation(), undefined);
  assertEquals(await inStep({ kind: "git" }, (operation) => Promise.resolve(operation)), undefined);
});

Deno.test("cancelling aborts the whole and its steps, and no step alone", async () => {
  const operations = registry();
  const began = Promise.withResolvers<Operation>();
  const done = operations.run({ kind: "init" }, () =>
    inStep({ kind: "git" }, async (step) => {
      began.resolve(step!);
      await new Promise((_, reject) =>
        step!.signal.addEventListener("abort", () => reject(step!.signal.reason))
      );
    }));
  const step = await began.promise;
  const refusal = assertThrows(() => operations.cancel(step.id), DaemonError, step.root.id);
  assertEquals(refusal.reason, "OPERATION_NOT_CANCELLABLE");
  const whole = operations.cancel(step.root.id);
  const error = await assertRejects(() => done, DaemonError, `${whole.id} was cancelled`);
  assertEquals(error.reason, "OPERATION_CANCELLED");
  assertEquals([whole.state, step.state], ["cancelled", "cancelled"]);
  assertEquals(operations.cancel(whole.id).state, "cancelled");
});

Deno.test("what cannot be cancelled says why, until it can", async () => {
  const operations = registry();
  const { operation, done, resolve } = begin(operations);
  const { id } = await operation;
  operations.get(id).setUncancellable("it is as good as done");
  assertThrows(() => operations.cancel(id), DaemonError, "as good as done");
  operations.get(id).setUncancellable(undefined);
  operations.cancel(id);
  resolve();
  await done;
  // It was as good as done, after all.
  assertEquals(operations.get(id).state, "succeeded");
});

Deno.test("a watcher is told of each change, and of none that it knows", async () => {
  const operations = registry();
  const seen: string[] = [];
  let revision = 0;
  const next = async () => {
    await operations.changed(revision, NEVER);
    const changes = operations.changesSince(revision);
    revision = changes.revision;
    seen.push(changes.operations.map(({ state, phase }) => `${state} ${phase}`).join(", "));
  };
  const first = next();
  const { operation, done, resolve } = begin(operations);
  await first;
  const second = next();
  (await operation).enter("packing");
  await second;
  const third = next();
  resolve();
  await third;
  await done;
  assertEquals(seen, ["running ", "running packing", "succeeded packing"]);
  const gone = new AbortController();
  const waiting = operations.changed(revision, gone.signal);
  gone.abort(new DaemonError("CANCELLED", "gone"));
  await assertRejects(() => waiting, DaemonError, "gone");
  const last = operations.changed(revision, NEVER);
  operations.close(new DaemonError("UNAVAILABLE", "the end"));
  await assertRejects(() => last, DaemonError, "the end");
  await assertRejects(() => operations.changed(revision, NEVER), DaemonError, "the end");
});

Deno.test("the operations that ended first are forgotten first, and a watcher is told", async () => {
  const operations = registry(2);
  const running = begin(operations);
  await running.operation;
  const { revision } = operations;
  for (let n = 0; n < 3; n++) {
    await operations.run(
      { kind: "backup", subject: { workspace: `${n}` } },
      () => Promise.resolve(),
    );
  }
  const { operations: left, isTruncated } = operations.changesSince(revision);
  assertEquals(left.map(({ subject }) => subject.workspace), [undefined, "1", "2"]);
  assert(isTruncated);
  assertEquals(operations.changesSince(operations.revision).isTruncated, false);
  running.resolve();
  await running.done;
});

Deno.test("places in a queue are told in the order in which they were taken", async () => {
  const operations = registry();
  const turns = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const waiting: Operation[] = [];
  const done = turns.map(({ promise }) =>
    operations.run({ kind: "backup" }, async (operation) => {
      waiting.push(operation);
      await operation.queued("node", "", promise);
    })
  );
  const places = () => waiting.map((operation) => operations.positions().get(operation));
  assertEquals(places(), [0, 1]);
  turns[0]!.resolve();
  await done[0];
  assertEquals(places(), [undefined, 0]);
  turns[1]!.resolve();
  await done[1];
});

Deno.test("what runs are wholes that have not ended, without their steps", async () => {
  const operations = registry();
  await operations.run({ kind: "backup" }, () => Promise.resolve());
  await operations.run({ kind: "init" }, async (whole) => {
    await inStep({ kind: "git" }, () => {
      assertEquals(operations.running(), [whole]);
      return Promise.resolve();
    });
  });
  assertEquals(operations.running(), []);
});

Deno.test("a failed attempt is counted, and is no failure once one succeeds", async () => {
  const operations = registry();
  const operation = await operations.run({ kind: "snapshot", maxAttempts: 3 }, (operation) => {
    operation.failedAttempt(new Error("no luck"));
    assertEquals([operation.attempt, operation.failure?.message], [2, "no luck"]);
    return Promise.resolve(operation);
  });
  assertEquals([operation.state, operation.attempt, operation.failure], [
    "succeeded",
    2,
    undefined,
  ]);
});
