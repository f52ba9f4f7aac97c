import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../src/clock.ts";
import type { Tree } from "../../src/content/api.ts";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import { StoredImages } from "../../src/snapshot/images.ts";
import { ALICE, StoreRig } from "../snapshot/rig.ts";
import { faultyStore, type PlannedFault } from "../support/faulty_store.ts";
import { file } from "../support/tree.ts";

const TREE: Tree = { room: "workspaces", name: "w" };

/** Images of the rig on a store that fails as planned. */
function failingImages(rig: StoreRig, plan: PlannedFault[], content = rig.started.content) {
  const { store, assertAllFired } = faultyStore(rig.store, plan);
  const images = new StoredImages({ content, store, clock: systemClock, retain: 1 });
  return { images, assertAllFired };
}

/** What an image leaves on the node besides its workspace: spool files and uncommitted baselines. */
function leftovers({ started: { rooms } }: StoreRig): string[] {
  return [rooms.spool, rooms.baselines].flatMap((folder) =>
    [...Deno.readDirSync(folder)].map(({ name }) => name)
  ).filter((name) => name !== TREE.name);
}

async function refuses(code: ErrorCode, work: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(work, DaemonError);
  assertEquals(error.code, code, error.message);
}

Deno.test("a failure of the store at any step of an image keeps its code, leaves nothing on the node, and the backup before", async () => {
  await using rig = await StoreRig.open();
  await rig.publish("w", [["a", file("one")], ["prebuild-log-1", file("log")]]);
  const before = await rig.backup("w");
  const codes: ErrorCode[] = ["UNAVAILABLE", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"];
  const steps: Pick<PlannedFault, "operation" | "nth">[] = [
    { operation: "putBlob", nth: 1 },
    { operation: "putBlob", nth: 2 },
    { operation: "putBlob", nth: 3 },
    { operation: "putBlobBytes", nth: 1 },
    { operation: "putBlobBytes", nth: 2 },
    { operation: "getRef", nth: 1 },
    { operation: "putRef", nth: 1 },
  ];
  for (const code of codes) {
    for (const step of steps) {
      await Deno.writeTextFile(`${rig.pathOf("w")}/a`, `${code} ${JSON.stringify(step)}`);
      const error = new DaemonError(code, "planned");
      const { images, assertAllFired } = failingImages(rig, [{ ...step, error }]);
      await refuses(code, () => images.saveBackup(TREE, ALICE, { baseline: "w" }));
      assertAllFired();
      assertEquals(leftovers(rig), [], `${code} at ${JSON.stringify(step)}`);
    }
  }
  const { tree } = await restored(rig);
  assertEquals(await Deno.readTextFile(`${rig.started.rooms.staging}/${tree.name}/a`), "one");
  assertEquals((await rig.backup("w")).manifest === before.manifest, false);
});

Deno.test("an image of content that somebody else removed is refused, since the workspace is known", async () => {
  await using rig = await StoreRig.open();
  await rig.publish("w", [["a", file("one")]]);
  await Deno.remove(rig.pathOf("w"), { recursive: true });
  const { images } = failingImages(rig, []);
  await refuses("FAILED_PRECONDITION", () => images.saveBackup(TREE, ALICE, { baseline: "w" }));
});

Deno.test("a terminal log that cannot be stored leaves nothing in the spool", async () => {
  await using rig = await StoreRig.open();
  await rig.publish("w", [["prebuild-log-1", file("log")]]);
  const { images, assertAllFired } = failingImages(rig, [{ operation: "putObject", nth: 1 }]);
  const options = { identity: ALICE, instance: "w", task: "1" };
  await refuses("UNAVAILABLE", () => images.saveLog(TREE, "prebuild-log-1", options));
  assertAllFired();
  assertEquals(leftovers(rig), []);
});

Deno.test("a baseline that cannot be kept costs the next image time, not this one its success", async () => {
  await using rig = await StoreRig.open();
  await rig.publish("w", [["a", file("one")]]);
  const content = {
    ...rig.started.content,
    commitBaseline: () => Promise.reject(new DaemonError("RESOURCE_EXHAUSTED", "the disk is full")),
  };
  const { images } = failingImages(rig, [], content);
  await images.saveBackup(TREE, ALICE, { baseline: "w" });
  assertEquals(leftovers(rig), []);
  const { tree } = await restored(rig);
  assertEquals(await Deno.readTextFile(`${rig.started.rooms.staging}/${tree.name}/a`), "one");
});

Deno.test("a terminal log is stored whatever its task is called, and nowhere else", async () => {
  await using rig = await StoreRig.open();
  const tasks = ["1", "..", ".", "a\\b", "\n", "späße", "x".repeat(200)];
  await rig.publish("w", [["log", file("log")]]);
  for (const task of tasks) {
    await rig.images.saveLog(TREE, "log", { identity: ALICE, instance: "w", task });
  }
  const { owner, metaId } = ALICE;
  const folder = `objects/workspaces/${owner}/${metaId}/instances/w/logs/`;
  const keys = (await Array.fromAsync(rig.store.list("objects/"))).map(({ key }) => key);
  assertEquals(keys.filter((key) => !key.startsWith(folder)), []);
  assertEquals(keys.length, tasks.length);
});

async function restored(rig: StoreRig): Promise<{ tree: Tree }> {
  const tree = await rig.started.content.create({ uid: Deno.uid()!, gid: Deno.gid()! });
  await rig.images.restoreBackup(tree, ALICE, {});
  return { tree };
}
