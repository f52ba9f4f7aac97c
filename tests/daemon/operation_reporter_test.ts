import { assert, assertEquals, assertMatch } from "@std/assert";
import { operationContext, operationReporter } from "../../src/daemon/operation_reporter.ts";
import { causesOf, DaemonError } from "../../src/errors.ts";
import {
  inStep,
  type OperationKind,
  OperationRegistry,
  withCaller,
} from "../../src/operations/mod.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { captureLogs } from "../fixtures/logs.ts";

const SUBJECT = { workspace: "w", owner: "alice", metaId: "notes" };
const CALLER = { peer: "10.0.0.7:1", identity: "CN=control" };

/** The lines that an operation leaves which ends with `error`, or well. */
async function linesOf(kind: OperationKind, error?: unknown): Promise<string[]> {
  using logs = captureLogs();
  const operations = new OperationRegistry(new ManualClock());
  operations.observe(operationReporter);
  const work = () =>
    operations.run({ kind, subject: SUBJECT }, (operation) => {
      operation.progress.add({ files: 3, bytes: 40 });
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    });
  await withCaller(CALLER, work).catch(() => {});
  return logs.text.trimEnd().split("\n");
}

Deno.test("an operation is told of at its begin and its end, with who called and figures", async () => {
  const [begins, ended] = await linesOf("backup");
  assertMatch(
    begins!,
    /\[INF\].*"?backup"? .*\w{16}.* of workspace .*w.*begins, for .*CN=control at 10\.0\.0\.7:1/,
  );
  assertMatch(ended!, /\[INF\].*ended after 0 ms: 3 files, 40 bytes, 0 bytes stored, 1 attempts/);
});

Deno.test("a failure is one line: an error where work is at stake, a warning where nothing is lost", async () => {
  const failure = (code: "DATA_LOSS" | "INTERNAL" | "NOT_FOUND" | "UNAVAILABLE") =>
    new DaemonError(code, "the words", { cause: new Error("the cause") });
  const stopping = new DaemonError("UNAVAILABLE", "stopping", { reason: "SHUTTING_DOWN" });
  const cases: [OperationKind, unknown, string][] = [
    ["backup", failure("UNAVAILABLE"), "[ERR]"],
    ["snapshot", failure("UNAVAILABLE"), "[ERR]"],
    ["snapshot", stopping, "[WRN]"],
    ["dispose", failure("DATA_LOSS"), "[ERR]"],
    ["dispose", failure("UNAVAILABLE"), "[WRN]"],
    ["init", failure("NOT_FOUND"), "[WRN]"],
    ["init", failure("DATA_LOSS"), "[ERR]"],
    ["init", failure("INTERNAL"), "[ERR]"],
    ["init", new TypeError("a bug"), "[ERR]"],
  ];
  for (const [kind, error, level] of cases) {
    const lines = await linesOf(kind, error);
    const failed = lines.filter((line) => line.includes("failed after"));
    assertEquals(failed.length, 1, lines.join("\n"));
    assert(failed[0]!.includes(level), `${kind} ${level}: ${failed[0]}`);
  }
});

Deno.test("what somebody deletes of the store is told of, and what goes in the background is not", async () => {
  using logs = captureLogs();
  const operations = new OperationRegistry(new ManualClock());
  operations.observe(operationReporter);
  await withCaller(CALLER, async () => {
    const done = () => Promise.resolve();
    await operations.run({ kind: "deletion", subject: { owner: "alice" } }, done);
    await operations.run({ kind: "deletion", subject: SUBJECT, maxAttempts: Infinity }, done);
  });
  const [begins, ends, ...background] = logs.text.trimEnd().split("\n");
  assertMatch(begins!, /\[INF\].* of .*alice.* begins, for .*CN=control at 10\.0\.0\.7:1/);
  assertMatch(ends!, /\[INF\].*alice.* ended after/);
  assertEquals(background.length, 2);
  assert(background.every((line) => line.includes("[DBG]")), logs.text);
});

Deno.test("causes are told as far as eight, those that are a circle too", async () => {
  const error = new DaemonError("UNAVAILABLE", "the words", { cause: new Error("the cause") });
  (error.cause as Error).cause = error;
  using logs = captureLogs();
  const operations = new OperationRegistry(new ManualClock());
  operations.observe(operationReporter);
  await operations.run({ kind: "init" }, () => Promise.reject(error)).catch(() => {});
  assertMatch(logs.text, /failed after/);
  assertEquals([...causesOf(error)].length, 8);
  // What repeats the words of the error that it caused is left out.
  const same = new Error("the words");
  same.cause = same;
  await operations.run({ kind: "init" }, () => Promise.reject(same)).catch(() => {});
  assertEquals(logs.text.split("failed after").length - 1, 2);
});

Deno.test("a step ends quietly, and what is logged in it has the id of the whole", async () => {
  using logs = captureLogs();
  const operations = new OperationRegistry(new ManualClock());
  operations.observe(operationReporter);
  const ids = await operations.run({ kind: "init", subject: SUBJECT }, async (whole) => {
    const step = await inStep({ kind: "git" }, () => Promise.resolve(operationContext()));
    return [whole.id, step.operation];
  });
  assertEquals(ids[0], ids[1]);
  assertEquals(operationContext(), {});
  const steps = logs.text.split("\n").filter((line) => line.includes("a step of"));
  assertEquals(steps.length, 2);
  assert(steps.every((line) => line.includes("[DBG]")), logs.text);
});

Deno.test("a scheduled backup is quiet, since its schedule tells of it, and a scheduled collection is not", async () => {
  using logs = captureLogs();
  const operations = new OperationRegistry(new ManualClock());
  operations.observe(operationReporter);
  const fail = () => Promise.reject(new DaemonError("UNAVAILABLE", "out of reach"));
  for (const kind of ["backup", "collection"] as const) {
    await withCaller({ peer: "schedule" }, () => operations.run({ kind }, fail)).catch(() => {});
  }
  const lines = logs.text.trimEnd().split("\n");
  assertEquals(lines.map((line) => /\[(\w+)\]/.exec(line)![1]), ["DBG", "DBG", "INF", "ERR"]);
});
