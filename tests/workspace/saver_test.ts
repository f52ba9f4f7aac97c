import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { Fixture, request } from "./fixture.ts";

const KEEP = { backup: false, backupLogs: false };
const BACK_UP = { backup: true, backupLogs: false };

function unreachable(): DaemonError {
  return new DaemonError("UNAVAILABLE", "out of reach");
}

Deno.test("however often a backup fails, no delay before its next attempt exceeds five minutes", async () => {
  await using fixture = await Fixture.start({ attempts: 40, concurrency: 1 });
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const refused = assertRejects(() => fixture.manager.backup("w"), DaemonError, "out of reach");
  for (let attempt = 1; attempt <= 40; attempt++) {
    (await fixture.saveBarrier.next()).fail(unreachable());
    if (attempt < 40) await fixture.clock.wakeAll();
  }
  await refused;
  assertEquals(fixture.clock.slept.length, 39);
  assert(Math.max(...fixture.clock.slept) <= 5 * 60_000, `${fixture.clock.slept}`);
  assert(fixture.clock.slept.slice(9).every((delay) => delay >= 150_000), `${fixture.clock.slept}`);
});

Deno.test("a backup that waits for its next attempt holds up no other save", async () => {
  await using fixture = await Fixture.start({ attempts: 2, concurrency: 1 });
  const { manager, saveBarrier, clock } = fixture;
  await manager.init(request("w"));
  await manager.init(request("other", { metaId: "other" }));
  saveBarrier.open = false;
  const backup = manager.backup("w");
  (await saveBarrier.next()).fail(unreachable());
  await clock.asleep();
  saveBarrier.open = true;
  assertEquals(await manager.backup("other"), "backup-alice-other");
  await manager.takeSnapshot("w", false);
  await clock.wakeAll();
  assertEquals(await backup, "backup-alice-m");
});

Deno.test("a disposal does not wait for the delays of a save that is retried", async () => {
  await using fixture = await Fixture.start({ attempts: 40, concurrency: 1 });
  const { manager, saveBarrier, clock } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  const backup = assertRejects(() => manager.backup("w"), DaemonError, "out of reach");
  (await saveBarrier.next()).fail(unreachable());
  await clock.asleep();
  const disposal = manager.dispose("w", KEEP);
  (await saveBarrier.next()).fail(unreachable());
  await Promise.all([backup, disposal]);
  assert(!manager.exists("w"));
});

Deno.test("the final backup of a disposal has all its attempts", async () => {
  await using fixture = await Fixture.start({ attempts: 3, concurrency: 1 });
  const { manager, saveBarrier, clock } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  const disposal = manager.dispose("w", BACK_UP);
  for (let failures = 0; failures < 2; failures++) {
    (await saveBarrier.next()).fail(unreachable());
    await clock.wakeAll();
  }
  (await saveBarrier.next()).go();
  await disposal;
});

Deno.test("all images of a workspace are of one lineage, also after a restart; another's is another", async () => {
  await using fixture = await Fixture.start();
  for (const id of ["w", "other"]) await fixture.manager.init(request(id));
  await fixture.manager.backup("w");
  await fixture.manager.backup("other");
  await fixture.restart();
  await fixture.manager.backup("w");
  const [first, others, again] = fixture.lineages.map((lineage) => lineage?.id);
  assert(first !== undefined && others !== undefined && first !== others);
  assertEquals(again, first);
});

Deno.test("a workspace that an earlier version made begins a lineage with its first image", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  await fixture.restart("DROP TABLE workspace_lineages");
  for (let n = 0; n < 2; n++) await fixture.manager.backup("w");
  await fixture.restart();
  await fixture.manager.backup("w");
  const [first, ...rest] = fixture.lineages.map((lineage) => lineage?.id);
  assert(first !== undefined);
  assertEquals(rest, [first, first]);
});

Deno.test("a backup that keeps or drops others' work says so, and is counted", async () => {
  using logs = captureLogs();
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.metByBackups = { otherLineages: { displaced: "kept-url", dropped: ["a-url", "b-url"] } };
  await fixture.manager.backup("w");
  assertStringIncludes(logs.text, "does not go on from");
  for (const url of ["kept-url", "a-url", "b-url"]) assertStringIncludes(logs.text, url);
  const text = await fixture.metrics.text();
  assertStringIncludes(text, 'other_lineages_total{outcome="kept"} 1');
  assertStringIncludes(text, 'other_lineages_total{outcome="dropped"} 2');
});
