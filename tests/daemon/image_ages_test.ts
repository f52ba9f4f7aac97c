import { assertEquals, assertMatch } from "@std/assert";
import { ImageAges } from "../../src/daemon/image_ages.ts";
import { DaemonError } from "../../src/errors.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import type { WorkspaceInfo } from "../../src/workspace/mod.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { eventually } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";

const HOUR = 3600_000;

Deno.test("the age of the last good image is that of a save, of the store's newest, or of the content", async () => {
  const clock = new ManualClock();
  const start = clock.now();
  let now = start;
  clock.now = () => now;
  const record = (createdAt: number, remoteStorageDisabled = false) => ({
    createdAt,
    remoteStorageDisabled,
  });
  using logs = captureLogs();
  const known = [
    { id: "unsaved", state: "AVAILABLE", record: record(start - 5 * HOUR) },
    { id: "stored", state: "AVAILABLE", record: record(start - 9 * HOUR) },
    { id: "damaged", state: "AVAILABLE", record: record(start - HOUR / 2) },
    { id: "local", state: "AVAILABLE", record: record(start - 99 * HOUR, true) },
    { id: "making", state: "SETTING_UP", record: record(start - 99 * HOUR) },
  ] as unknown as WorkspaceInfo[];
  const asked: string[] = [];
  const metrics = new Metrics();
  await using ages = new ImageAges({
    clock,
    workspaces: () => known,
    remoteStorage: true,
    findNewest: ({ id }) => {
      asked.push(id);
      if (id === "damaged") return Promise.reject(new DaemonError("DATA_LOSS", "no reference"));
      if (asked.length === 2) return Promise.reject(new DaemonError("UNAVAILABLE", "no store"));
      return Promise.resolve(id === "stored" ? start - HOUR : undefined);
    },
  });
  ages.serve(metrics);
  const operations = new OperationRegistry(clock);
  operations.observe(ages);
  const worst = async () =>
    Number(/^wsdaemon_image_age_worst_seconds (\d+)$/m.exec(await metrics.text())?.[1]);
  assertEquals(await worst(), 9 * HOUR / 1000);

  ages.start();
  await clock.wakeAll();
  await eventually(async () => assertEquals(await worst(), 5 * HOUR / 1000));
  await eventually(() => {
    assertMatch(logs.text, /^.*\[WRN\].*last image of workspace .*damaged.*no reference/m);
  });
  assertEquals(asked, ["unsaved", "stored", "stored", "damaged"]);
  known.splice(2, 1);

  await operations.run(
    { kind: "backup", subject: { workspace: "unsaved" } },
    () => Promise.resolve(),
  );
  assertEquals(await worst(), HOUR / 1000);
  await operations.run(
    { kind: "backup", subject: { workspace: "stored" } },
    () => Promise.reject(new Error("no")),
  ).catch(() => {});
  now += HOUR;
  assertEquals(await worst(), 2 * HOUR / 1000);
  const text = await metrics.text();
  const buckets = [...text.matchAll(/^wsdaemon_image_age_seconds_bucket\{le="(\d+)"\} (\d+)$/gm)]
    .map(([, le, count]) => `${le} ${count}`);
  assertEquals(buckets.filter((line) => /^(1800|3600|7200) /.test(line)), [
    "1800 0",
    "3600 1",
    "7200 2",
  ]);
});
