import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { type Operation, OperationRegistry } from "../../src/operations/mod.ts";
import { backUpAll } from "../../src/workspace/drain.ts";
import type { ImageSaver } from "../../src/workspace/image_saver.ts";
import type { Workspace } from "../../src/workspace/workspace.ts";
import { ManualClock } from "../fixtures/clock.ts";
import { until } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { Fixture, request } from "./fixture.ts";

const BACKUPS = { attempts: 1, concurrency: 2 };
const of = (id: string) => request(id, { metaId: id });

function drains({ operations }: Fixture): Operation[] {
  return operations.all().filter(({ kind }) => kind === "drain");
}

Deno.test("a drain backs every workspace up that may be stored, and refuses new ones", async () => {
  await using fixture = await Fixture.start(BACKUPS);
  const { manager, saveBarrier } = fixture;
  for (const id of ["a", "b", "c"]) await manager.init(of(id));
  await manager.init(request("off", { metaId: "off", remoteStorageDisabled: true }));
  const drain = await manager.drain();
  await drain.ended;
  assertEquals(drain.state, "succeeded");
  assertEquals(saveBarrier.seen.toSorted(), ["backup-alice-a", "backup-alice-b", "backup-alice-c"]);
  assertEquals(drain.figures, { workspaces: 4, stored: 3, unchanged: 0, excluded: 1, failed: 0 });
  assertStringIncludes(drain.findings.join(), "off has no backup: remote storage is disabled");
  const { filesTotal, files } = drain.progress.read();
  assertEquals([files, filesTotal], [4, 4]);
  const refused = await assertRejects(() => manager.init(of("d")), DaemonError);
  assertEquals([refused.code, refused.reason], ["UNAVAILABLE", "NODE_DRAINING"]);
  assert(!manager.exists("d"));
  // What is there goes on.
  await manager.backup("a");
  await manager.dispose("a", { backup: true, backupLogs: false });
});

Deno.test("a drain survives a kill, goes on after it, and ends with undo", async () => {
  await using fixture = await Fixture.start(BACKUPS);
  const { manager, saveBarrier } = fixture;
  for (const id of ["a", "b", "c"]) await manager.init(of(id));
  saveBarrier.open = false;
  await manager.drain();
  (await saveBarrier.next()).go();
  await until("one is stored", () => fixture.stored.size === 1);
  saveBarrier.open = true;
  saveBarrier.seen.length = 0;
  await fixture.restart();
  const [drain] = drains(fixture);
  await drain!.ended;
  assertEquals([drain!.state, drain!.figures["workspaces"]], ["succeeded", 3]);
  assertEquals(saveBarrier.seen.length, 3);
  await assertRejects(() => fixture.manager.init(of("d")), DaemonError, "drained");
  assert(fixture.manager.undrain());
  await fixture.manager.init(of("d"));
  await fixture.restart();
  assertEquals(drains(fixture).length, 0);
  await fixture.manager.init(of("e"));
  assert(!fixture.manager.undrain());
  while (saveBarrier.waiting > 0) (await saveBarrier.next()).go();
});

Deno.test("a second drain joins the first, and undo ends it", async () => {
  await using fixture = await Fixture.start(BACKUPS);
  const { manager, saveBarrier } = fixture;
  await manager.init(of("a"));
  saveBarrier.open = false;
  const drain = await manager.drain();
  await saveBarrier.next();
  assertEquals((await manager.drain()).id, drain.id);
  manager.undrain();
  // One that is being ended is no drain to join.
  const another = await manager.drain();
  await drain.ended;
  assertEquals([drain.state, drain.findings], ["cancelled", [
    "a was not backed up before the end",
  ]]);
  (await saveBarrier.next()).go();
  await another.ended;
  assertEquals(another.state, "succeeded");
});

Deno.test("a drain names what could not be backed up, and saves the rest", async () => {
  await using fixture = await Fixture.start({ attempts: 1, concurrency: 1 });
  const { manager, saveBarrier } = fixture;
  for (const id of ["a", "b"]) await manager.init(of(id));
  saveBarrier.open = false;
  const drain = await manager.drain();
  (await saveBarrier.next()).fail(new DaemonError("RESOURCE_EXHAUSTED", "the bucket is full"));
  (await saveBarrier.next()).go();
  await drain.ended;
  assertEquals([drain.state, drain.failure?.reason], ["failed", "DRAIN_INCOMPLETE"]);
  assertStringIncludes(drain.findings.join(), "the bucket is full");
  assertEquals(fixture.stored.size, 1);
});

Deno.test("a drain names what failed, however many workspaces must not be stored", async () => {
  const workspaces = Array.from({ length: 120 }, (_, n) => ({
    id: `w${n}`,
    state: "AVAILABLE",
    pendingSnapshots: new Map(),
  })) as unknown as Workspace[];
  const operations = new OperationRegistry(new ManualClock());
  const work = (operation: Operation) =>
    backUpAll(workspaces, {
      saver: {
        saveInBackground: () => Promise.reject(new DaemonError("DATA_LOSS", "its folder is gone")),
      } as unknown as ImageSaver,
      attempts: 1,
      concurrency: 1,
      hasStorage: ({ id }) => id === "w119",
      caller: "drain",
      operation,
      signal: operation.signal,
    });
  await assertRejects(() => operations.run({ kind: "drain" }, work), DaemonError, "w119. Mend");
  const [drain] = operations.all();
  assertEquals(drain!.findings[0], "w119 could not be backed up: its folder is gone");
  assertEquals(drain!.figures["excluded"], 119);
});

Deno.test("a drain waits for what is set up or disposed of, and saves what stays", async () => {
  await using fixture = await Fixture.start({ attempts: 1, concurrency: 4 });
  const { manager, saveBarrier, initBarrier } = fixture;
  await manager.init(of("goes"));
  await manager.init(of("stays"));
  initBarrier.open = false;
  const init = manager.init(of("comes"));
  const setup = await initBarrier.next();
  saveBarrier.open = false;
  const disposals = ["goes", "stays"].map((id) =>
    manager.dispose(id, { backup: true, backupLogs: false })
  );
  const saves = [await saveBarrier.next(), await saveBarrier.next()];
  const drain = await manager.drain();
  saveBarrier.open = true;
  for (const save of saves) {
    if (save.name === "backup-alice-goes") save.go();
    else save.fail(new DaemonError("RESOURCE_EXHAUSTED", "the bucket is full"));
  }
  await Promise.allSettled(disposals);
  setup.go();
  await init;
  await drain.ended;
  assertEquals(drain.state, "succeeded");
  assertEquals(drain.figures, { workspaces: 2, stored: 2, unchanged: 0, excluded: 0, failed: 0 });
});

Deno.test("a drain has not ended before the snapshots that were promised are stored", async () => {
  await using fixture = await Fixture.start(BACKUPS);
  const { manager, saveBarrier, clock, stored } = fixture;
  await manager.init(of("a"));
  saveBarrier.open = false;
  const url = await manager.takeSnapshot("a", true);
  (await saveBarrier.next()).fail(new DaemonError("UNAVAILABLE", "the store is away"));
  await clock.asleep();
  const drain = await manager.drain();
  (await saveBarrier.next()).go();
  await until("the backup is stored", () => stored.has("backup-alice-a"));
  await clock.wakeAll();
  const snapshot = await saveBarrier.next();
  assertEquals([snapshot.name, drain.state], [url, "running"]);
  snapshot.go();
  await drain.ended;
  assertEquals([drain.state, [...stored]], ["succeeded", ["backup-alice-a", url]]);
});

Deno.test("a node that stops makes the final backups within the grace, where it is to", async () => {
  for (const onStop of [false, true]) {
    await using fixture = await Fixture.start({ ...BACKUPS, onStop });
    for (const id of ["a", "b", "c"]) await fixture.manager.init(of(id));
    await fixture.manager.stop(60_000);
    assertEquals(fixture.stored.size, onStop ? 3 : 0);
  }
});

Deno.test("what a stop has no time to back up is named, and holds the stop up no longer", async () => {
  await using fixture = await Fixture.start({ ...BACKUPS, onStop: true });
  await fixture.manager.init(of("slow"));
  using logs = captureLogs();
  fixture.saveBarrier.open = false;
  const stopping = fixture.manager.stop(60_000);
  await fixture.saveBarrier.next();
  await fixture.clock.wakeAll();
  await stopping;
  assertMatch(logs.text, /\[ERR\].*Not every workspace is backed up.*slow was not backed up/);
});
