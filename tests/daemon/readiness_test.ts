import { assertEquals, assertStringIncludes } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { Readiness, type SpaceProbe } from "../../src/daemon/readiness.ts";
import { noStore } from "../../src/store/no_store.ts";
import { DaemonMetrics } from "../../src/daemon/daemon_metrics.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { until } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";

const AMPLE_SPACE: SpaceProbe = { readinessProblem: () => Promise.resolve(undefined) };

/** Resolves once the node says something else of itself. */
async function changed(readiness: Readiness, from: string): Promise<void> {
  await until(`other than: ${from}`, () => readiness.get().message !== from);
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
  await using readiness = new Readiness(
    store,
    clock,
    new DaemonMetrics(metrics, () => 0),
    AMPLE_SPACE,
  );
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

  readiness.stop();
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
  await using readiness = new Readiness(
    store,
    clock,
    new DaemonMetrics(new Metrics(), () => 0),
    AMPLE_SPACE,
  );
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

Deno.test("a node is not ready while its disk is too full, and says so of the store first", async () => {
  using logs = captureLogs();
  const clock = new ManualClock();
  let problem: string | undefined = "the ext4 file system at / is 97% full, with 900 MiB free";
  let down = false;
  const store = {
    ...noStore,
    probe: () =>
      down ? Promise.reject(new DaemonError("UNAVAILABLE", "refused")) : Promise.resolve(),
  };
  const space = { readinessProblem: () => Promise.resolve(problem) };
  await using readiness = new Readiness(
    ...[store, clock, new DaemonMetrics(new Metrics(), () => 0), space] as const,
  );
  readiness.start();
  await changed(readiness, "the daemon is starting");
  assertEquals(readiness.get(), { ok: false, message: problem });

  // Other figures of the same shortage are no news for the log.
  const before = problem;
  problem = "the ext4 file system at / is 98% full, with 700 MiB free";
  await clock.wakeAll();
  await changed(readiness, before);
  assertEquals(logs.text.split("Not ready").length - 1, 1, logs.text);

  down = true;
  await clock.wakeAll();
  await changed(readiness, problem);
  assertEquals(readiness.get().message, "the store does not answer: refused");
  // Neither hides the other.
  assertEquals(
    readiness.problems().map(({ reason, part, since }) => [reason, part, since]),
    [["STORE_UNAVAILABLE", "store", clock.now()], ["NODE_OUT_OF_SPACE", "disk", clock.now()]],
  );
  assertStringIncludes(logs.text, "STORE_UNAVAILABLE");

  down = false;
  problem = undefined;
  await clock.wakeAll();
  await changed(readiness, "the store does not answer: refused");
  assertEquals(readiness.get(), { ok: true, message: "ready" });
});

Deno.test("a node that is drained is not ready, though everything answers", async () => {
  const clock = new ManualClock();
  let isDrained = false;
  await using readiness = new Readiness(
    { ...noStore, probe: () => Promise.resolve() },
    clock,
    new DaemonMetrics(new Metrics(), () => 0),
    AMPLE_SPACE,
    () => isDrained,
  );
  readiness.start();
  await changed(readiness, "the daemon is starting");
  assertEquals(readiness.get(), { ok: true, message: "ready" });
  isDrained = true;
  const message =
    'the node is drained and takes no new workspaces: "wsdaemon drain --undo" ends that';
  assertEquals(readiness.get(), { ok: false, message });
  isDrained = false;
  assertEquals(readiness.get(), { ok: true, message: "ready" });
});
