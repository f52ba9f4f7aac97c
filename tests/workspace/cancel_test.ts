import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import type { OperationKind } from "../../src/operations/mod.ts";
import { eventually } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { Fixture, request } from "./fixture.ts";

const CANCELLED = { code: "ABORTED", reason: "OPERATION_CANCELLED" };

/** Cancels the only running operation of a kind that is none's step. */
function cancel(fixture: Fixture, kind: OperationKind): void {
  const [operation] = fixture.operations.all().filter((one) =>
    one.kind === kind && one.state === "running" && !one.parent
  );
  fixture.operations.cancel(operation!.id);
}

async function fails(work: Promise<unknown>): Promise<{ code: string; reason: string }> {
  const { code, reason } = await assertRejects(() => work, DaemonError);
  return { code, reason };
}

/** The last state of each operation, in the order in which they began. */
function outcomes(fixture: Fixture): string[] {
  return fixture.operations.all()
    .filter(({ kind }) => kind !== "deletion")
    .map(({ kind, state, subject }) => `${kind} ${subject.workspace} ${state}`);
}

Deno.test("a cancelled init leaves nothing: the id is free", async () => {
  await using fixture = await Fixture.start();
  fixture.initBarrier.open = false;
  const init = fixture.manager.init(request("w"));
  const waiter = fixture.manager.waitForInit("w", new AbortController().signal);
  await fixture.initBarrier.next();
  cancel(fixture, "init");
  assertEquals(await fails(init), CANCELLED);
  assertEquals((await fails(waiter)).code, "FAILED_PRECONDITION");
  assertEquals([fixture.manager.exists("w"), [...fixture.disk.trees]], [false, []]);
  assertEquals(outcomes(fixture), ["init w cancelled"]);
});

Deno.test("an init that is being published cannot be cancelled any more", async () => {
  await using fixture = await Fixture.start();
  const publishing = fixture.disk.hold("publish");
  const init = fixture.manager.init(request("w"));
  await publishing.reached;
  const [operation] = fixture.operations.all().filter(({ kind }) => kind === "init");
  assertEquals(operation!.uncancellable, "the content is whole, and is being published");
  publishing.go();
  await init;
  assertEquals(outcomes(fixture), ["init w succeeded"]);
});

Deno.test("a cancelled backup leaves the previous one, running or waiting for its turn", async () => {
  await using fixture = await Fixture.start({ attempts: 2, concurrency: 1 });
  for (const id of ["a", "b"]) await fixture.manager.init(request(id));
  fixture.saveBarrier.open = false;
  const first = fixture.manager.backup("a");
  const { go } = await fixture.saveBarrier.next();
  const second = fixture.manager.backup("b");
  const [running, queued] = await eventually(() => {
    const backups = fixture.operations.all().filter(({ kind }) => kind === "backup");
    // Before, it is for a moment in the queue of its workspace.
    assertMatch(`${backups[1]?.queue?.name}`, /^node\b/);
    return backups;
  });
  assertEquals(fixture.operations.positions().get(queued!), 0);
  fixture.operations.cancel(queued!.id);
  assertEquals(await fails(second), CANCELLED);
  fixture.operations.cancel(running!.id);
  assertEquals(await fails(first), CANCELLED);
  go();
  assertEquals([...fixture.stored], []);
  fixture.saveBarrier.open = true;
  await fixture.manager.backup("b");
});

Deno.test("a backup that waits for its next attempt is cancelled at once", async () => {
  await using fixture = await Fixture.start({ attempts: 9, concurrency: 1 });
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const backup = fixture.manager.backup("w");
  (await fixture.saveBarrier.next()).fail(new DaemonError("UNAVAILABLE", "no store"));
  await fixture.clock.asleep();
  const operation = fixture.operations.all().at(-1)!;
  assertEquals([operation.attempt, operation.phase], [2, "waiting for the next attempt"]);
  assertEquals(operation.failure?.message, "no store");
  cancel(fixture, "backup");
  assertEquals(await fails(backup), CANCELLED);
});

Deno.test("a promised snapshot that is cancelled is given up, durably, and holds no disposal up", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const url = await fixture.manager.takeSnapshot("w", true);
  await fixture.saveBarrier.next();
  assertEquals(fixture.journal.pendingSnapshots().map(({ url }) => url), [url]);
  const disposal = fixture.manager.dispose("w", { backup: false, backupLogs: false });
  cancel(fixture, "snapshot");
  await disposal;
  assertEquals(fixture.journal.pendingSnapshots(), []);
  assertEquals([fixture.manager.exists("w"), [...fixture.stored]], [false, []]);
  assertEquals(outcomes(fixture), [
    "init w succeeded",
    "snapshot w cancelled",
    "dispose w succeeded",
  ]);
});

Deno.test("a promised snapshot is cancelled while the store does not say whether it has it", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.existsBarrier.open = false;
  await fixture.manager.takeSnapshot("w", true);
  await fixture.existsBarrier.next();
  cancel(fixture, "snapshot");
  await fixture.operations.all().at(-1)!.ended;
  assertEquals(fixture.journal.pendingSnapshots(), []);
  assertEquals(outcomes(fixture), ["init w succeeded", "snapshot w cancelled"]);
});

Deno.test("a promised snapshot whose cancelling cannot be recorded is resumed by the next start", async () => {
  using logs = captureLogs();
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const url = await fixture.manager.takeSnapshot("w", true);
  await fixture.saveBarrier.next();
  fixture.journal.removePendingSnapshot = () => {
    throw new DaemonError("FAILED_PRECONDITION", "the disk is read-only");
  };
  cancel(fixture, "snapshot");
  await fixture.operations.all().find(({ kind }) => kind === "snapshot")!.ended;
  assertEquals(outcomes(fixture), ["init w succeeded", "snapshot w cancelled"]);
  assertMatch(
    logs.text,
    /\[ERR\].*stays promised, so that the next start resumes it: .*the disk is read-only/,
  );
  fixture.saveBarrier.open = true;
  await fixture.restart();
  await fixture.operations.all().find(({ kind }) => kind === "snapshot")!.ended;
  assertEquals([[...fixture.stored], fixture.journal.pendingSnapshots()], [[url], []]);
});

Deno.test("a disposal that is cancelled before it deletes leaves the workspace as it was", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  const dispose = () => fixture.manager.dispose("w", { backup: true, backupLogs: false });
  const steps = {
    "reading Git's status": fixture.statusBarrier,
    saving: fixture.saveBarrier,
  };
  for (const [phase, barrier] of Object.entries(steps)) {
    barrier.open = false;
    const disposals = [dispose(), dispose()];
    await barrier.next();
    assertEquals(
      fixture.operations.all().find(({ kind, state }) => kind === "dispose" && state === "running")
        ?.phase,
      phase,
    );
    cancel(fixture, "dispose");
    for (const disposal of disposals) assertEquals(await fails(disposal), CANCELLED, phase);
    barrier.open = true;
  }
  await fixture.manager.backup("w");
  await dispose();
  assertEquals(fixture.manager.exists("w"), false);
});

Deno.test("a disposal that waits for a save is cancelled, and the save goes on", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const url = await fixture.manager.takeSnapshot("w", true);
  const running = await fixture.saveBarrier.next();
  const disposal = fixture.manager.dispose("w", { backup: false, backupLogs: false });
  cancel(fixture, "dispose");
  assertEquals(await fails(disposal), CANCELLED);
  // It was the last attempt while there was a disposal; now it is one of many again.
  running.fail(new DaemonError("UNAVAILABLE", "no store"));
  await fixture.clock.wakeAll();
  (await fixture.saveBarrier.next()).go();
  const [snapshot] = fixture.operations.all().filter(({ kind }) => kind === "snapshot");
  await snapshot!.ended;
  assertEquals([...fixture.stored], [url]);
});

Deno.test("a disposal that deletes cannot be cancelled", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  const removing = fixture.disk.hold("remove");
  const disposal = fixture.manager.dispose("w", { backup: false, backupLogs: false });
  await removing.reached;
  const [operation] = fixture.operations.all().filter(({ kind }) => kind === "dispose");
  assertEquals(operation!.uncancellable, "the content is being deleted");
  removing.go();
  await disposal;
});
