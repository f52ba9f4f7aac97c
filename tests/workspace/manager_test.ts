import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import { MAX_LOG_BYTES } from "../../src/snapshot/images.ts";
import { until } from "../fixtures/eventually.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { Fixture, request } from "./fixture.ts";

const KEEP = { backup: false, backupLogs: false };
const BACK_UP = { backup: true, backupLogs: false };
const never = new AbortController().signal;

async function refuses(code: ErrorCode, words: string, work: () => Promise<unknown>) {
  const error = await assertRejects(work, DaemonError, words);
  assertEquals(error.code, code, error.message);
}

Deno.test("an initialised workspace is known, waited for at once, and its id is taken", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  assert(fixture.manager.exists("w"));
  assertEquals([...fixture.disk.trees], ["workspaces/w"]);
  await fixture.manager.waitForInit("w", never);
  await refuses("ALREADY_EXISTS", "AVAILABLE", () => fixture.manager.init(request("w")));
});

Deno.test("an id is taken while its workspace is set up, and any number of waiters are answered", async () => {
  await using fixture = await Fixture.start();
  fixture.initBarrier.open = false;
  const init = fixture.manager.init(request("w"));
  const step = await fixture.initBarrier.next();
  await refuses("ALREADY_EXISTS", "SETTING_UP", () => fixture.manager.init(request("w")));
  await refuses("FAILED_PRECONDITION", "SETTING_UP", () => fixture.manager.takeSnapshot("w", true));
  await refuses("FAILED_PRECONDITION", "SETTING_UP", () => fixture.manager.backup("w"));
  assert(fixture.manager.exists("w"));
  assert(!fixture.disk.trees.has("workspaces/w"), "nothing half-made is visible");
  const waiters = [1, 2, 3].map(() => fixture.manager.waitForInit("w", never));
  const impatient = new AbortController();
  const givenUp = fixture.manager.waitForInit("w", impatient.signal);
  impatient.abort();
  await refuses("CANCELLED", "given up", () => givenUp);
  step.go();
  await Promise.all([init, ...waiters]);
});

Deno.test("a failed initialisation tells its caller and the waiters, and leaves nothing", async () => {
  await using fixture = await Fixture.start();
  fixture.initBarrier.open = false;
  const init = fixture.manager.init(request("w"));
  const step = await fixture.initBarrier.next();
  const waiter = fixture.manager.waitForInit("w", never);
  step.fail(new DaemonError("NOT_FOUND", "no such snapshot"));
  await Promise.all([
    refuses("NOT_FOUND", "no such snapshot", () => init),
    refuses("FAILED_PRECONDITION", "no such snapshot", () => waiter),
  ]);
  assert(!fixture.manager.exists("w"));
  assertEquals([...fixture.disk.trees], []);
  assertEquals(fixture.journal.workspaces(), []);
  fixture.initBarrier.open = true;
  await fixture.manager.init(request("w"));
});

Deno.test("a bad initializer and a negative quota are refused before anything is known", async () => {
  await using fixture = await Fixture.start();
  const spec = { kind: "composite" as const, initializers: [] };
  await refuses(
    "INVALID_ARGUMENT",
    "only empty",
    () => fixture.manager.init(request("w", { initializer: spec })),
  );
  await refuses(
    "INVALID_ARGUMENT",
    "storage_quota_bytes",
    () => fixture.manager.init(request("w", { storageQuotaBytes: -1n })),
  );
  assert(!fixture.manager.exists("w"));
});

Deno.test("every call on an unknown workspace is NOT_FOUND", async () => {
  await using fixture = await Fixture.start();
  const { manager } = fixture;
  await refuses("NOT_FOUND", "w", () => manager.waitForInit("w", never));
  await refuses("NOT_FOUND", "w", () => manager.takeSnapshot("w", false));
  await refuses("NOT_FOUND", "w", () => manager.takeSnapshot("w", true));
  await refuses("NOT_FOUND", "w", () => manager.backup("w"));
  await refuses("NOT_FOUND", "w", () => manager.dispose("w", KEEP));
  assert(!manager.exists("w"));
});

Deno.test("remote storage disabled by the request refuses every image and keeps the content", async () => {
  await using fixture = await Fixture.start();
  const { manager } = fixture;
  await manager.init(request("w", { remoteStorageDisabled: true }));
  await refuses("FAILED_PRECONDITION", "disabled", () => manager.takeSnapshot("w", true));
  await refuses("FAILED_PRECONDITION", "disabled", () => manager.backup("w"));
  await refuses("FAILED_PRECONDITION", "disabled", () => manager.dispose("w", BACK_UP));
  assert(fixture.disk.trees.has("workspaces/w"));
  const logs = { backup: false, backupLogs: true };
  await refuses("FAILED_PRECONDITION", "the logs of workspace w", () => manager.dispose("w", logs));
  const both = { backup: true, backupLogs: true };
  await refuses("FAILED_PRECONDITION", "content and logs", () => manager.dispose("w", both));
  assert(fixture.disk.trees.has("workspaces/w"));
  await manager.waitForInit("w", never);
  await manager.dispose("w", KEEP);
  assertEquals(fixture.saveBarrier.seen, []);
});

Deno.test("disposing of a workspace while it is set up cancels the initialisation", async () => {
  await using fixture = await Fixture.start();
  fixture.initBarrier.open = false;
  const init = fixture.manager.init(request("w"));
  await fixture.initBarrier.next();
  const waiter = fixture.manager.waitForInit("w", never);
  await refuses("FAILED_PRECONDITION", "never ready", () => fixture.manager.dispose("w", BACK_UP));
  assert(fixture.manager.exists("w"), "a refused disposal cancels nothing");
  const disposal = fixture.manager.dispose("w", KEEP);
  await Promise.all([
    refuses("ABORTED", "disposed of", () => init),
    refuses("FAILED_PRECONDITION", "disposed of", () => waiter),
  ]);
  assertEquals(await disposal, {});
  assert(!fixture.manager.exists("w"));
  assertEquals([...fixture.disk.trees], []);
});

Deno.test("images of one workspace are made one after another, and of the node within its limit", async () => {
  await using fixture = await Fixture.start();
  const { manager, saveBarrier } = fixture;
  for (const id of ["a", "b", "c"]) await manager.init(request(id, { metaId: id }));
  saveBarrier.open = false;
  const all = ["a", "a", "b", "c"].map((id) => manager.backup(id));
  const first = await saveBarrier.next();
  const second = await saveBarrier.next();
  assertEquals([first.name, second.name], ["backup-alice-a", "backup-alice-b"]);
  assertEquals(saveBarrier.waiting, 0);
  first.go();
  second.go();
  const rest = [await saveBarrier.next(), await saveBarrier.next()];
  assertEquals(rest.map(({ name }) => name).sort(), ["backup-alice-a", "backup-alice-c"]);
  rest.forEach(({ go }) => go());
  assertEquals((await Promise.all(all))[3], "backup-alice-c");
});

Deno.test("an image is tried again while the store is unavailable, and no other failure is", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const backup = fixture.manager.backup("w");
  (await fixture.saveBarrier.next()).fail(new DaemonError("UNAVAILABLE", "out of reach"));
  await fixture.clock.wakeAll();
  (await fixture.saveBarrier.next()).fail(new DaemonError("UNAVAILABLE", "still out of reach"));
  await refuses("UNAVAILABLE", "still out of reach", () => backup);
  const refused = fixture.manager.backup("w");
  (await fixture.saveBarrier.next()).fail(
    new DaemonError("FAILED_PRECONDITION", "bad credentials"),
  );
  await refuses("FAILED_PRECONDITION", "bad credentials", () => refused);
  assertEquals(fixture.saveBarrier.seen.length, 3);
});

Deno.test("a disposal lets what runs finish, refuses what is new, and a second one gets its answer", async () => {
  await using fixture = await Fixture.start();
  const { manager, saveBarrier } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  const running = manager.takeSnapshot("w", false);
  const snapshot = await saveBarrier.next();
  const disposals = [manager.dispose("w", BACK_UP), manager.dispose("w", KEEP)];
  await refuses("FAILED_PRECONDITION", "WRAPPING_UP", () => manager.takeSnapshot("w", false));
  await refuses("FAILED_PRECONDITION", "WRAPPING_UP", () => manager.backup("w"));
  await refuses("FAILED_PRECONDITION", "WRAPPING_UP", () => manager.waitForInit("w", never));
  await refuses("ALREADY_EXISTS", "WRAPPING_UP", () => manager.init(request("w")));
  assert(manager.exists("w"));
  snapshot.go();
  await running;
  const backup = await saveBarrier.next();
  assertEquals(backup.name, "backup-alice-m");
  assert(fixture.disk.trees.has("workspaces/w"), "content goes only after its backup");
  backup.go();
  assertEquals(await Promise.all(disposals), [{}, {}]);
  assert(!manager.exists("w"));
  assertEquals([...fixture.disk.trees], []);
});

Deno.test("a disposal is joined only by who asks for no more than it can still give", async () => {
  await using fixture = await Fixture.start();
  const { manager, saveBarrier } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  const running = manager.takeSnapshot("w", false);
  const snapshot = await saveBarrier.next();
  const plain = manager.dispose("w", KEEP);
  const saving = manager.dispose("w", BACK_UP);
  snapshot.go();
  await running;
  const backup = await saveBarrier.next();
  assertEquals(backup.name, "backup-alice-m", "what was asked for later is done too");
  backup.go();
  assertEquals(await Promise.all([plain, saving]), [{}, {}]);
  assert(!manager.exists("w"));
});

Deno.test("a disposal that deletes is joined only by who asks for no more than it kept", async () => {
  await using fixture = await Fixture.start();
  const { manager } = fixture;
  for (const [first, kept] of [[KEEP, 0], [BACK_UP, 1]] as const) {
    await manager.init(request("w"));
    const removal = fixture.disk.hold("remove");
    const disposals = [manager.dispose("w", first)];
    await removal.reached;
    const logs = { ...first, backupLogs: true };
    await refuses("FAILED_PRECONDITION", "without its logs", () => manager.dispose("w", logs));
    if (first === KEEP) {
      await refuses("FAILED_PRECONDITION", "a backup", () => manager.dispose("w", BACK_UP));
    }
    disposals.push(manager.dispose("w", KEEP), manager.dispose("w", first));
    removal.go();
    assertEquals(await Promise.all(disposals), [{}, {}, {}]);
    assertEquals(fixture.saveBarrier.seen.length, kept);
  }
});

Deno.test("a disposal answers nobody OK who asks for a backup in the moment it begins to delete", async () => {
  await using fixture = await Fixture.start();
  const { manager, statusBarrier } = fixture;
  // One more turn of the microtask queue each time, until the call comes too late.
  for (let turns = 0, late = false; !late; turns++) {
    await manager.init(request("w"));
    statusBarrier.open = false;
    const plain = manager.dispose("w", KEEP);
    (await statusBarrier.next()).go();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const backups = fixture.saveBarrier.seen.length;
    const told = await manager.dispose("w", BACK_UP).then(() => "OK", ({ code }) => code);
    await plain;
    late = told !== "OK";
    assertEquals(
      fixture.saveBarrier.seen.length - backups,
      late ? 0 : 1,
      `${told} after ${turns} turns`,
    );
  }
});

Deno.test("a deletion that failed can be repeated, with a backup only where one was made", async () => {
  await using fixture = await Fixture.start();
  const { manager } = fixture;
  for (const [first, kept] of [[KEEP, 0], [BACK_UP, 1]] as const) {
    await manager.init(request("w"));
    fixture.disk.faults.set("remove", { error: new DaemonError("FAILED_PRECONDITION", "a mount") });
    await refuses("FAILED_PRECONDITION", "a mount", () => manager.dispose("w", first));
    if (first === KEEP) {
      await refuses("FAILED_PRECONDITION", "a backup", () => manager.dispose("w", BACK_UP));
    }
    await manager.dispose("w", first);
    assertEquals(fixture.saveBarrier.seen.length, kept);
  }
});

Deno.test("a disposal with a backup that is refused is joined by nobody", async () => {
  await using fixture = await Fixture.start();
  const { manager } = fixture;
  await manager.init({ ...request("w"), remoteStorageDisabled: true });
  const refused = manager.dispose("w", BACK_UP);
  const plain = manager.dispose("w", KEEP);
  await refuses("FAILED_PRECONDITION", "disabled", () => refused);
  assertEquals(await plain, {});
});

Deno.test("a failed final backup is DATA_LOSS: the content stays AVAILABLE and the call can be repeated", async () => {
  await using fixture = await Fixture.start();
  const { manager, saveBarrier } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  const disposal = manager.dispose("w", BACK_UP);
  (await saveBarrier.next()).fail(new DaemonError("FAILED_PRECONDITION", "no such bucket"));
  await refuses("DATA_LOSS", "no such bucket", () => disposal);
  await manager.waitForInit("w", never);
  assert(fixture.disk.trees.has("workspaces/w"));
  saveBarrier.open = true;
  await manager.dispose("w", BACK_UP);
  assert(fixture.stored.has("backup-alice-m"));
});

Deno.test("a promised snapshot is tried until it is stored", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const url = await fixture.manager.takeSnapshot("w", true);
  for (let n = 0; n < 3; n++) {
    (await fixture.saveBarrier.next()).fail(new DaemonError("FAILED_PRECONDITION", "full bucket"));
    await fixture.clock.wakeAll();
  }
  assertEquals(fixture.journal.pendingSnapshots(), [{ url, workspaceId: "w" }]);
  (await fixture.saveBarrier.next()).go();
  fixture.saveBarrier.open = true;
  await fixture.manager.dispose("w", KEEP);
  assert(fixture.stored.has(url));
  assertEquals(fixture.journal.pendingSnapshots(), []);
});

Deno.test("a promised snapshot that cannot be stored stops a disposal, and is taken up again", async () => {
  await using fixture = await Fixture.start();
  const { manager, saveBarrier } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  const url = await manager.takeSnapshot("w", true);
  const disposal = manager.dispose("w", KEEP);
  for (let n = 0; n < 2; n++) {
    (await saveBarrier.next()).fail(new DaemonError("FAILED_PRECONDITION", "full bucket"));
  }
  await refuses("DATA_LOSS", "full bucket", () => disposal);
  await manager.waitForInit("w", never);
  (await saveBarrier.next()).go();
  await manager.dispose("w", KEEP);
  assert(fixture.stored.has(url));
});

Deno.test("a restart finishes a promised snapshot, and leaves one alone that was finished", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.saveBarrier.open = false;
  const unfinished = await fixture.manager.takeSnapshot("w", true);
  await fixture.saveBarrier.next();
  fixture.journal.addPendingSnapshot({ url: "finished", workspaceId: "w" });
  fixture.stored.add("finished");
  await fixture.restart();
  (await fixture.saveBarrier.next()).go();
  await fixture.manager.dispose("w", KEEP);
  assert(fixture.stored.has(unfinished));
  assertEquals(fixture.saveBarrier.seen.filter((url) => url === "finished"), []);
});

Deno.test("a restart makes the right thing of every state it finds", async () => {
  await using fixture = await Fixture.start();
  const record = {
    owner: "alice",
    metaId: "m",
    remoteStorageDisabled: false,
    quotaBytes: 0,
    checkoutLocation: "",
  };
  for (const state of ["SETTING_UP", "AVAILABLE", "WRAPPING_UP", "DELETING"] as const) {
    fixture.journal.insert({ ...record, id: state, state });
    fixture.disk.trees.add(`workspaces/${state}`);
    fixture.disk.baselines.add(state);
  }
  fixture.journal.insert({ ...record, id: "unpublished", state: "SETTING_UP" });
  fixture.disk.trees.add("staging/unpublished~half").add("staging/half").add("workspaces/nobody's");
  fixture.disk.trash.add("DELETING").add("unknown");
  await fixture.restart();
  for (const id of ["SETTING_UP", "DELETING", "unpublished"]) {
    await until(`${id} is deleted`, () => !fixture.manager.exists(id));
  }
  await until("two are discarded", () => fixture.disk.discarded === 2);
  assertEquals([...fixture.disk.trash], []);
  assertEquals([...fixture.disk.trees].sort(), [
    "workspaces/AVAILABLE",
    "workspaces/WRAPPING_UP",
    "workspaces/nobody's",
  ]);
  assertEquals([...fixture.disk.baselines].sort(), ["AVAILABLE", "WRAPPING_UP"]);
  assertEquals(
    fixture.journal.workspaces().map(({ id, state }) => [id, state]),
    [["AVAILABLE", "AVAILABLE"], ["WRAPPING_UP", "AVAILABLE"]],
  );
  for (const id of ["AVAILABLE", "WRAPPING_UP"]) await fixture.manager.waitForInit(id, never);
});

Deno.test("stopping refuses new work, lets work finish within its grace, and cancels what does not", async () => {
  await using fixture = await Fixture.start();
  const { manager, saveBarrier, initBarrier } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = initBarrier.open = false;
  const backup = manager.backup("w");
  const saving = await saveBarrier.next();
  const init = manager.init(request("slow"));
  await initBarrier.next();
  const waiter = manager.waitForInit("slow", never);
  const stopped = manager.stop(1_000);
  await refuses("UNAVAILABLE", "shutting down", () => manager.init(request("new")));
  await refuses("UNAVAILABLE", "shutting down", () => manager.backup("w"));
  await refuses("UNAVAILABLE", "shutting down", () => manager.dispose("w", KEEP));
  saving.go();
  assertEquals(await backup, "backup-alice-m");
  const late = Promise.all([
    refuses("UNAVAILABLE", "shutting down", () => init),
    refuses("UNAVAILABLE", "shutting down", () => waiter),
  ]);
  await fixture.clock.wakeAll();
  await Promise.all([late, stopped]);
  assertEquals([...fixture.disk.trees], ["workspaces/w"]);
});

Deno.test("the metrics count workspaces by state, and operations by outcome", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("a"));
  await fixture.manager.init(request("b", { metaId: "b" }));
  await fixture.manager.backup("a");
  await fixture.manager.dispose("a", KEEP);
  await fixture.restart();
  const text = await fixture.metrics.text();
  assertStringIncludes(text, 'wsdaemon_workspaces{state="AVAILABLE"} 1');
  fixture.initBarrier.open = false;
  const init = fixture.manager.init(request("c"));
  (await fixture.initBarrier.next()).fail(new DaemonError("NOT_FOUND", "gone"));
  await refuses("NOT_FOUND", "gone", () => init);
  assertStringIncludes(
    await fixture.metrics.text(),
    'wsdaemon_workspace_operation_seconds_count{operation="init",outcome="NOT_FOUND"} 1',
  );
});

Deno.test("an id that is taken again in the moment its disposal ends stays known", async () => {
  await using fixture = await Fixture.start();
  const { manager, initBarrier } = fixture;
  initBarrier.open = false;
  const again = manager.init(request("w")).catch(() => manager.init(request("w")));
  await initBarrier.next();
  await manager.dispose("w", KEEP);
  assert(manager.exists("w"), "the second one is being set up");
  (await initBarrier.next()).go();
  await again;
  await manager.waitForInit("w", never);
});

Deno.test("a promised snapshot that stops a disposal stops it only once the others had their turn", async () => {
  await using fixture = await Fixture.start();
  const { manager, saveBarrier } = fixture;
  await manager.init(request("w"));
  saveBarrier.open = false;
  const urls = [await manager.takeSnapshot("w", true), await manager.takeSnapshot("w", true)];
  const disposal = manager.dispose("w", KEEP);
  const fail = async () => {
    const save = await saveBarrier.next();
    save.fail(new DaemonError("FAILED_PRECONDITION", "full bucket"));
    return save.name;
  };
  const tried = [await fail(), await fail(), await fail(), await fail()];
  await refuses("DATA_LOSS", "promised", () => disposal);
  assertEquals(tried.toSorted(), [urls[0], urls[0], urls[1], urls[1]]);
  for (let n = 0; n < 2; n++) (await saveBarrier.next()).go();
  await manager.dispose("w", KEEP);
  assertEquals(urls.filter((url) => !fixture.stored.has(url)), []);
});

Deno.test("a disposal that the daemon's stop cuts short keeps the content, also where no backup was asked for", async () => {
  await using fixture = await Fixture.start();
  const { manager, statusBarrier } = fixture;
  await manager.init(request("w"));
  statusBarrier.open = false;
  const disposal = manager.dispose("w", KEEP);
  await statusBarrier.next();
  const refused = refuses("UNAVAILABLE", "shutting down", () => disposal);
  await Promise.all([manager.stop(0), fixture.clock.wakeAll(), refused]);
  assert(fixture.disk.trees.has("workspaces/w"));
  await fixture.restart();
  statusBarrier.open = true;
  await fixture.manager.waitForInit("w", never);
  await fixture.manager.dispose("w", KEEP);
});

Deno.test("one terminal log that cannot be stored does not keep the others from it", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.disk.topFolder = ["1", "2", "3"].map((task) => ({
    name: `prebuild-log-${task}`,
    type: "file",
    size: 1,
  }));
  fixture.unstorableLogs.add("1");
  await fixture.manager.dispose("w", { backup: false, backupLogs: true });
  assertEquals(fixture.storedLogs, ["2", "3"]);
  const metrics = await fixture.metrics.text();
  assertStringIncludes(metrics, 'terminal_logs_total{outcome="stored"} 2');
  assertStringIncludes(metrics, 'terminal_logs_total{outcome="failed"} 1');
});

Deno.test("a cut in the number or size of terminal logs is logged", async () => {
  await using fixture = await Fixture.start();
  using logs = captureLogs();
  await fixture.manager.init(request("w"));
  const tasks = Array.from({ length: 1002 }, (_, n) => String(n));
  fixture.disk.topFolder = tasks.toReversed().map((task) => ({
    name: `prebuild-log-${task}`,
    type: "file",
    size: task === "7" ? MAX_LOG_BYTES + 1 : MAX_LOG_BYTES,
  }));
  await fixture.manager.dispose("w", { backup: false, backupLogs: true });
  assertEquals(fixture.storedLogs, tasks.slice(0, 1000));
  const said = logs.text.split("\n").filter((line) => line.includes("Only the first"));
  assertEquals(said.length, 2, logs.text);
  assertStringIncludes(said[0]!, "1000 of the 1002 terminal logs of workspace");
  assertStringIncludes(said[0]!, "prebuild-log-1000");
  const metrics = await fixture.metrics.text();
  for (const [outcome, count] of [["stored", 999], ["cut", 1], ["excess", 2]]) {
    assertStringIncludes(metrics, `terminal_logs_total{outcome="${outcome}"} ${count}`);
  }
  assertStringIncludes(said[1]!, "prebuild-log-7");
});

Deno.test("terminal logs are stored even where the final backup fails", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.disk.topFolder = [{ name: "prebuild-log-1", type: "file", size: 1 }];
  fixture.saveBarrier.open = false;
  const disposal = refuses(
    "DATA_LOSS",
    "final backup",
    () => fixture.manager.dispose("w", { backup: true, backupLogs: true }),
  );
  (await fixture.saveBarrier.next()).fail(new DaemonError("FAILED_PRECONDITION", "no such bucket"));
  await disposal;
  assertEquals(fixture.storedLogs, ["1"]);
  assert(fixture.disk.trees.has("workspaces/w"));
});

Deno.test("a Git status that fails stops no disposal, nor its backup", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.statusBarrier.open = false;
  const disposal = fixture.manager.dispose("w", BACK_UP);
  (await fixture.statusBarrier.next()).fail(new Error("the repository is corrupt"));
  assertEquals(await disposal, {});
  assert(!fixture.manager.exists("w"));
  assertEquals([...fixture.stored], ["backup-alice-m"]);
});

Deno.test("a publication that fails half-way leaves nothing visible, and the id is free", async () => {
  await using fixture = await Fixture.start();
  fixture.disk.faults.set("publish", { error: new Error("cannot sync"), afterwards: true });
  await refuses("INTERNAL", "cannot sync", () => fixture.manager.init(request("w")));
  assertEquals([...fixture.disk.trees], []);
  assert(!fixture.manager.exists("w"));
  await fixture.manager.init(request("w"));
});

Deno.test("content that cannot be cleared away after a failure is known until a disposal manages it", async () => {
  await using fixture = await Fixture.start();
  fixture.disk.faults.set("publish", { error: new Error("cannot sync"), afterwards: true });
  fixture.disk.faults.set("remove", { error: new Error("cannot remove") });
  await refuses("INTERNAL", "cannot sync", () => fixture.manager.init(request("w")));
  await refuses("ALREADY_EXISTS", "still being deleted", () => fixture.manager.init(request("w")));
  await refuses("FAILED_PRECONDITION", "a backup", () => fixture.manager.dispose("w", BACK_UP));
  await fixture.manager.dispose("w", { backup: false, backupLogs: true });
  assertEquals([...fixture.disk.trees], []);
  await fixture.manager.init(request("w"));
});

Deno.test("a folder that no workspace belongs to is nobody's to replace or to delete", async () => {
  await using fixture = await Fixture.start();
  fixture.disk.trees.add("workspaces/w");
  await fixture.restart();
  await refuses("ALREADY_EXISTS", "no workspace", () => fixture.manager.init(request("w")));
  assert(!fixture.manager.exists("w"));
  assertEquals(fixture.journal.workspaces(), []);
  await fixture.restart();
  assertEquals([...fixture.disk.trees], ["workspaces/w"]);
});

Deno.test("a workspace that a restart cannot clear away keeps nobody else waiting, and can be disposed of", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("good"));
  for (const state of ["DELETING", "SETTING_UP"] as const) {
    await fixture.manager.init(request("w", { metaId: "w" }));
    fixture.journal.setState("w", state);
    fixture.disk.faults.set("remove", { error: new DaemonError("FAILED_PRECONDITION", "a mount") });
    await fixture.restart();
    await fixture.manager.waitForInit("good", never);
    // Its first attempt fails; the clock stands still before the second.
    await fixture.clock.asleep();
    assert(fixture.manager.exists("w"));
    await refuses("FAILED_PRECONDITION", "WRAPPING_UP", () => fixture.manager.backup("w"));
    await fixture.manager.dispose("w", KEEP);
    assertEquals([...fixture.disk.trees], ["workspaces/good"]);
  }
});

Deno.test("a journal that cannot be written loses nothing and leaves no workspace stuck", async () => {
  await using fixture = await Fixture.start();
  const { journal } = fixture;
  const full = new DaemonError("RESOURCE_EXHAUSTED", "disk is full");
  const { setState, remove } = journal;
  const fail = () => {
    journal.setState = journal.remove = () => {
      throw full;
    };
  };
  const mend = () => Object.assign(journal, { setState, remove });

  fail();
  await refuses("RESOURCE_EXHAUSTED", "full", () => fixture.manager.init(request("w")));
  assert(!fixture.manager.exists("w"));
  assertEquals([...fixture.disk.trees], []);
  mend();
  await fixture.manager.init(request("w"));

  fail();
  await refuses("RESOURCE_EXHAUSTED", "full", () => fixture.manager.dispose("w", KEEP));
  await fixture.manager.waitForInit("w", never);
  assert(fixture.disk.trees.has("workspaces/w"), "what a restart would not delete stays");
  mend();
  await fixture.manager.dispose("w", KEEP);
  assertEquals(journal.workspaces(), []);
});

Deno.test("what cannot be deleted keeps its id until it is gone, and is tried again by itself", async () => {
  await using fixture = await Fixture.start();
  const blocker = new DaemonError("FAILED_PRECONDITION", "cannot delete /root/f: unmount it");
  fixture.disk.always.set("remove", blocker);
  await fixture.manager.init(request("w"));
  for (let n = 0; n < 2; n++) {
    await refuses(
      "FAILED_PRECONDITION",
      "w is being deleted",
      () => fixture.manager.dispose("w", KEEP),
    );
    await refuses("FAILED_PRECONDITION", "unmount it", () => fixture.manager.dispose("w", KEEP));
    await refuses(
      "ALREADY_EXISTS",
      "still being deleted",
      () => fixture.manager.init(request("w")),
    );
    assertEquals(fixture.journal.workspaces().map(({ state }) => state), ["DELETING"]);
    const metrics = await fixture.metrics.text();
    assertStringIncludes(metrics, "wsdaemon_workspace_deletions_pending 1\n");
    assert(/wsdaemon_workspace_deletion_failures_total [1-9]/.test(metrics), metrics);
    await fixture.restart();
    await fixture.clock.asleep();
  }
  fixture.disk.always.delete("remove");
  await until("it is deleted", () => {
    void fixture.clock.wakeAll(0);
    return !fixture.manager.exists("w");
  });
  assertEquals(fixture.journal.workspaces(), []);
  assertStringIncludes(await fixture.metrics.text(), "wsdaemon_workspace_deletions_pending 0\n");
  await fixture.manager.init(request("w"));
});

Deno.test("a disposal that failed goes on by itself, with delays that grow to five minutes", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.disk.always.set("remove", new DaemonError("FAILED_PRECONDITION", "a mount"));
  await refuses("FAILED_PRECONDITION", "a mount", () => fixture.manager.dispose("w", KEEP));
  for (let n = 0; n < 12; n++) await fixture.clock.wakeAll();
  const { slept } = fixture.clock;
  await until("13 delays have begun", () => slept.length === 13);
  assert(slept[0]! <= 1_000 && slept.every((ms) => ms >= 500 && ms <= 300_000), slept.join());
  assert(slept.at(-1)! >= 150_000, slept.join());
  fixture.disk.always.delete("remove");
  await fixture.clock.wakeAll();
  await until("w is deleted", () => !fixture.manager.exists("w"));
});

Deno.test("an init that failed and cannot be cleared away is cleared away by itself later", async () => {
  await using fixture = await Fixture.start();
  fixture.disk.faults.set("publish", { error: new Error("cannot sync"), afterwards: true });
  fixture.disk.always.set("remove", new DaemonError("FAILED_PRECONDITION", "a mount"));
  await refuses("INTERNAL", "cannot sync", () => fixture.manager.init(request("w")));
  await refuses("ALREADY_EXISTS", "still being deleted", () => fixture.manager.init(request("w")));
  fixture.disk.always.delete("remove");
  await until("it is deleted", () => {
    void fixture.clock.wakeAll(0);
    return !fixture.manager.exists("w");
  });
  assertEquals([...fixture.disk.trees], []);
});

Deno.test("what cannot be deleted of one workspace keeps no other from being deleted or disposed of", async () => {
  await using fixture = await Fixture.start();
  for (const id of ["stuck", "left", "other"]) {
    await fixture.manager.init(request(id, { metaId: id }));
  }
  for (const id of ["stuck", "left"]) fixture.journal.setState(id, "DELETING");
  fixture.disk.stuck.add("workspaces/stuck");
  await fixture.restart();
  await until("left is deleted", () => !fixture.manager.exists("left"));
  await fixture.manager.dispose("other", KEEP);
  assert(fixture.manager.exists("stuck"));
  assertEquals([...fixture.disk.trees], ["workspaces/stuck"]);
});

Deno.test("a disposal that was backed up can be repeated with a backup, also after a restart", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.disk.always.set("remove", new DaemonError("FAILED_PRECONDITION", "unmount it"));
  await refuses("FAILED_PRECONDITION", "unmount it", () => fixture.manager.dispose("w", BACK_UP));
  await fixture.restart();
  await refuses("FAILED_PRECONDITION", "unmount it", () => fixture.manager.dispose("w", BACK_UP));
  fixture.disk.always.delete("remove");
  await fixture.manager.dispose("w", BACK_UP);
  assertEquals(fixture.saveBarrier.seen.length, 1);

  await fixture.manager.init(request("w"));
  fixture.disk.always.set("remove", new DaemonError("FAILED_PRECONDITION", "unmount it"));
  await refuses("FAILED_PRECONDITION", "unmount it", () => fixture.manager.dispose("w", KEEP));
  await fixture.restart();
  await refuses("FAILED_PRECONDITION", "a backup", () => fixture.manager.dispose("w", BACK_UP));
});

Deno.test("a row that makes no sense keeps no other workspace from being served", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("good"));
  const row = { owner: "", metaId: "", checkoutLocation: "../..", remoteStorageDisabled: false };
  const states = ["AVAILABLE", "SETTING_UP", "DELETING", "WRAPPING_UP"] as const;
  for (const [n, state] of states.entries()) {
    fixture.journal.insert({ ...row, id: `../${n}`, state, quotaBytes: 0 });
    fixture.disk.stuck.add(`workspaces/../${n}`);
  }
  await fixture.restart("UPDATE workspaces SET quota_bytes = 1 << 62 WHERE id <> 'good'");
  await fixture.manager.waitForInit("good", never);
  await fixture.manager.dispose("good", BACK_UP);
});

Deno.test("a start waits for no deletion of what an earlier daemon left, however long it takes", async () => {
  await using fixture = await Fixture.start();
  for (const id of ["w", "good"]) await fixture.manager.init(request(id, { metaId: id }));
  fixture.journal.setState("w", "DELETING");
  fixture.disk.trash.add("somebody's");
  const [removal, trash] = [fixture.disk.hold("remove"), fixture.disk.hold("deleteTrash")];
  const restart = fixture.restart();
  await removal.reached;
  // A workspace's own deletion has a moment, so that its id is free where little is left.
  await fixture.clock.wakeAll();
  await restart;
  await fixture.manager.waitForInit("good", never);
  removal.go();
  await until("w is deleted", () => !fixture.manager.exists("w"));
  await trash.reached;
  assertEquals([...fixture.disk.trash], ["somebody's"]);
  trash.go();
  await until("the trash is empty", () => fixture.disk.trash.size === 0);
});

Deno.test("a tree that older versions left in the trash unnamed keeps the ids that it may be of", async () => {
  await using fixture = await Fixture.start();
  await fixture.manager.init(request("w"));
  fixture.journal.setState("w", "DELETING");
  fixture.disk.trees.delete("workspaces/w");
  fixture.disk.trash.add(crypto.randomUUID());
  fixture.disk.always.set("deleteTrash", new DaemonError("FAILED_PRECONDITION", "immutable"));
  await fixture.restart();
  await refuses("FAILED_PRECONDITION", "immutable", () => fixture.manager.dispose("w", KEEP));
  fixture.disk.always.delete("deleteTrash");
  await fixture.manager.dispose("w", KEEP);
  assertEquals([...fixture.disk.trash], []);
});
