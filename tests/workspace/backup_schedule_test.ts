import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { SteppedClock } from "../fixtures/clock.ts";
import { until } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { Fixture, request } from "./fixture.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const EVERY = 10 * MINUTE;
const BACKUP = "backup-alice-m";

const start = (concurrency = 2) =>
  Fixture.startWith(new SteppedClock(), { attempts: 2, concurrency, every: EVERY });

/** Returns how many scheduled backups had an outcome. */
async function count({ metrics }: Pick<Fixture, "metrics">, outcome: string) {
  const text = await metrics.text();
  const pattern = new RegExp(
    `^wsdaemon_workspace_scheduled_backups_total{outcome="${outcome}"} (\\d+)$`,
    "m",
  );
  return Number(pattern.exec(text)?.[1]);
}

Deno.test("a workspace is backed up at intervals, seen as the schedule's backup", async () => {
  await using fixture = await start();
  const { clock, saveBarrier, operations } = fixture;
  await fixture.manager.init(request("w"));
  await fixture.manager.init(request("off", { metaId: "off", remoteStorageDisabled: true }));
  await clock.pass(0.9 * EVERY - 1);
  assertEquals(saveBarrier.seen, []);
  await clock.pass(0.1 * EVERY + 1);
  assertEquals(saveBarrier.seen, [BACKUP]);
  const backups = operations.all().filter(({ kind }) => kind === "backup");
  assertEquals(
    backups.map(({ caller, state, subject }) => [caller?.peer, state, subject.workspace]),
    [
      ["schedule", "succeeded", "w"],
    ],
  );
  await clock.pass(10 * EVERY);
  assert(saveBarrier.seen.length >= 11 && saveBarrier.seen.length <= 13, `${saveBarrier.seen}`);
  assertEquals(await count(fixture, "stored"), saveBarrier.seen.length);
});

Deno.test("a caller's backup puts the next scheduled one off", async () => {
  await using fixture = await start();
  const { clock, saveBarrier, manager } = fixture;
  await manager.init(request("w"));
  await clock.pass(0.8 * EVERY);
  await manager.backup("w");
  await clock.pass(0.8 * EVERY);
  assertEquals(saveBarrier.seen, [BACKUP]);
  await clock.pass(0.2 * EVERY);
  assertEquals(saveBarrier.seen, [BACKUP, BACKUP]);
});

Deno.test("a scheduled backup that fails is tried until it succeeds, and logged once", async () => {
  await using fixture = await start();
  const { clock, saveBarrier } = fixture;
  await fixture.manager.init(request("w"));
  using logs = captureLogs();
  saveBarrier.open = false;
  await clock.pass(EVERY);
  for (let failures = 0; failures < 5; failures++) {
    (await saveBarrier.next()).fail(new DaemonError("FAILED_PRECONDITION", "no such bucket"));
    await clock.pass(MINUTE);
  }
  (await saveBarrier.next()).go();
  await until("it is stored", async () => await count(fixture, "stored") === 1);
  assertEquals(await count(fixture, "failed"), 5);
  const lines = logs.text.split("\n").filter((line) => /\[ERR\].*no such bucket/.test(line));
  assertEquals(lines.length, 1, logs.text);
  assertStringIncludes(logs.text, "after 5 failures");
});

Deno.test("a restart neither forgets when a workspace is due nor begins again", async () => {
  await using fixture = await start();
  const { clock, saveBarrier } = fixture;
  await fixture.manager.init(request("w"));
  await clock.pass(0.6 * EVERY);
  await fixture.manager.stop(0);
  await fixture.restart();
  await clock.pass(0.2 * EVERY);
  assertEquals(saveBarrier.seen, []);
  await clock.pass(0.2 * EVERY);
  assertEquals(saveBarrier.seen, [BACKUP]);
});

Deno.test("what a long downtime made overdue is spread, and soon done", async () => {
  await using fixture = await start();
  const { clock, saveBarrier, manager } = fixture;
  for (let n = 0; n < 20; n++) await manager.init(request(`w${n}`, { metaId: `m${n}` }));
  await manager.stop(0);
  clock.set(30 * DAY);
  saveBarrier.seen.length = 0;
  await fixture.restart();
  await clock.pass(0);
  assertEquals(saveBarrier.seen, []);
  await clock.pass(0.1 * EVERY);
  assertEquals(new Set(saveBarrier.seen).size, 20);
});

Deno.test("a clock that is set makes nothing due, and keeps nothing from being due", async () => {
  for (const jump of [365 * DAY, -365 * DAY]) {
    await using fixture = await start();
    const { clock, saveBarrier } = fixture;
    await fixture.manager.init(request("w"));
    await clock.pass(0.5 * EVERY);
    clock.set(jump);
    await clock.pass(0.3 * EVERY);
    assertEquals(saveBarrier.seen, [], `${jump}`);
    await clock.pass(0.2 * EVERY);
    assertEquals(saveBarrier.seen, [BACKUP], `${jump}`);
    await fixture.manager.stop(0);
    clock.set(jump);
    await fixture.restart();
    await clock.pass(EVERY);
    assert([2, 3].includes(saveBarrier.seen.length), `after a restart: ${jump}`);
  }
});

Deno.test("a scheduled backup gives way to a caller's, and goes on after it", async () => {
  await using fixture = await start(1);
  const { clock, saveBarrier, manager } = fixture;
  await manager.init(request("w"));
  await clock.pass(0.5 * EVERY);
  await manager.init(request("other", { metaId: "other", owner: "bob" }));
  saveBarrier.open = false;
  await clock.pass(0.5 * EVERY);
  await until("the scheduled one runs", () => saveBarrier.seen.at(-1) === BACKUP);
  const backup = manager.backup("other");
  await until("it gave way", () => saveBarrier.seen.at(-1) === "backup-bob-other");
  (await saveBarrier.next()).go();
  await backup;
  await until("it goes on", () => saveBarrier.seen.at(-1) === BACKUP);
  saveBarrier.open = true;
  (await saveBarrier.next()).go();
  await until("it is stored", async () => await count(fixture, "stored") >= 1);
  assertEquals(await count(fixture, "failed"), 0);
});

Deno.test("a caller's backup of the same workspace takes the place of the scheduled one", async () => {
  await using fixture = await start(1);
  const { clock, saveBarrier, manager } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  await clock.pass(EVERY);
  await until("the scheduled one runs", () => saveBarrier.seen.length === 1);
  const backup = manager.backup("w");
  await until("it gave way", () => saveBarrier.seen.length === 2);
  (await saveBarrier.next()).go();
  await backup;
  await until("it has ended", async () => await count(fixture, "superseded") === 1);
  assertEquals(saveBarrier.seen.length, 2);
});

Deno.test("a disposal waits for no scheduled backup, and ends the schedule", async () => {
  await using fixture = await start(1);
  const { clock, saveBarrier, manager, operations } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  await clock.pass(EVERY);
  await until("the scheduled one runs", () => saveBarrier.seen.length === 1);
  await manager.dispose("w", { backup: false, backupLogs: false });
  const [backup] = operations.all().filter(({ kind }) => kind === "backup");
  assertEquals(backup!.state, "cancelled");
  await clock.pass(5 * EVERY);
  assertEquals(saveBarrier.seen.length, 1);
  assertEquals(fixture.journal.scheduledBackups().size, 0);
});

Deno.test("backups that take longer than the interval do not pile up, and are told of once", async () => {
  await using fixture = await start();
  const { clock, saveBarrier } = fixture;
  await fixture.manager.init(request("w"));
  using logs = captureLogs();
  saveBarrier.open = false;
  for (let round = 1; round <= 3; round++) {
    await clock.pass(EVERY);
    await until("one runs", () => saveBarrier.seen.length === round);
    await clock.pass(2 * EVERY);
    assertEquals(saveBarrier.waiting, 1);
    assertEquals(saveBarrier.seen.length, round);
    (await saveBarrier.next()).go();
    await until("it has ended", async () => await count(fixture, "late") === round);
  }
  const lines = logs.text.split("\n").filter((line) => line.includes("longer than backup.every"));
  assertEquals(lines.length, 1, logs.text);
});

Deno.test("a node that stops waits for no scheduled backup", async () => {
  await using fixture = await start();
  const { clock, saveBarrier, manager } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  await clock.pass(EVERY);
  await until("one runs", () => saveBarrier.seen.length === 1);
  await manager.stop(EVERY);
  assertEquals(fixture.journal.scheduledBackups().size, 1);
});
