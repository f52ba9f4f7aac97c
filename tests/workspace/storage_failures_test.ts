import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../src/clock.ts";
import type { Tree } from "../../src/content/tree.ts";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { ALICE, StoreFixture } from "../snapshot/fixture.ts";
import { faultyStore, type PlannedFault } from "../fixtures/faulty_store.ts";
import { file } from "../fixtures/tree.ts";

const TREE: Tree = { area: "workspaces", name: "w" };

/** Images of the fixture on a store that fails as planned. */
function failingImages(
  fixture: StoreFixture,
  plan: PlannedFault[],
  content = fixture.started.content,
) {
  const { store, assertAllFired } = faultyStore(fixture.store, plan);
  const images = new StoredImages({
    content,
    store,
    clock: systemClock,
    retention: { retain: 1, otherLineages: 8 },
  });
  return { images, assertAllFired };
}

/** What an image leaves on the node besides its workspace: spool files and uncommitted baselines. */
function leftovers({ started: { areas } }: StoreFixture): string[] {
  return [areas.spool, areas.baselines].flatMap((folder) =>
    [...Deno.readDirSync(folder)].map(({ name }) => name)
  ).filter((name) => name !== TREE.name);
}

async function refuses(code: ErrorCode, work: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(work, DaemonError);
  assertEquals(error.code, code, error.message);
}

Deno.test("a failure of the store at any step of an image keeps its code, leaves nothing on the node, and the backup before", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("one")], ["prebuild-log-1", file("log")]]);
  const before = await fixture.backup("w");
  const codes: ErrorCode[] = ["UNAVAILABLE", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"];
  const steps: Pick<PlannedFault, "operation" | "nth">[] = [
    { operation: "putBlob", nth: 1 },
    { operation: "putBlob", nth: 2 },
    { operation: "putBlob", nth: 3 },
    { operation: "putBlobBytes", nth: 1 },
    { operation: "putBlobBytes", nth: 2 },
    { operation: "getRef", nth: 1 },
    { operation: "replaceRef", nth: 1 },
  ];
  for (const code of codes) {
    for (const step of steps) {
      // A file for the data layer, and a folder for the metadata layer, which is reused otherwise.
      await Deno.writeTextFile(`${fixture.pathOf("w")}/a`, `${code} ${JSON.stringify(step)}`);
      await Deno.mkdir(`${fixture.pathOf("w")}/${code} ${step.operation} ${step.nth}`);
      const error = new DaemonError(code, "planned");
      const { images, assertAllFired } = failingImages(fixture, [{ ...step, error }]);
      await refuses(code, () => images.saveBackup(TREE, ALICE, { baseline: "w" }));
      assertAllFired();
      assertEquals(leftovers(fixture), [], `${code} at ${JSON.stringify(step)}`);
    }
  }
  const { tree } = await restored(fixture);
  assertEquals(await Deno.readTextFile(`${fixture.started.areas.staging}/${tree.name}/a`), "one");
  assertEquals((await fixture.backup("w")).manifest === before.manifest, false);
});

Deno.test("an image of content that somebody else removed is refused, since the workspace is known", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("one")]]);
  await Deno.remove(fixture.pathOf("w"), { recursive: true });
  const { images } = failingImages(fixture, []);
  await refuses("FAILED_PRECONDITION", () => images.saveBackup(TREE, ALICE, { baseline: "w" }));
});

Deno.test("a terminal log that cannot be stored leaves nothing in the spool", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["prebuild-log-1", file("log")]]);
  const { images, assertAllFired } = failingImages(fixture, [{ operation: "putObject", nth: 1 }]);
  const options = { identity: ALICE, instance: "w", task: "1" };
  await refuses("UNAVAILABLE", () => images.saveLog(TREE, "prebuild-log-1", options));
  assertAllFired();
  assertEquals(leftovers(fixture), []);
});

Deno.test("a baseline that cannot be kept costs the next image time, not this one its success", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("one")]]);
  const content = {
    ...fixture.started.content,
    commitBaseline: () => Promise.reject(new DaemonError("RESOURCE_EXHAUSTED", "the disk is full")),
  };
  const { images } = failingImages(fixture, [], content);
  await images.saveBackup(TREE, ALICE, { baseline: "w" });
  assertEquals(leftovers(fixture), []);
  const { tree } = await restored(fixture);
  assertEquals(await Deno.readTextFile(`${fixture.started.areas.staging}/${tree.name}/a`), "one");
});

Deno.test("a terminal log is stored whatever its task is called, and nowhere else", async () => {
  await using fixture = await StoreFixture.open();
  const tasks = ["1", "..", ".", "a\\b", "\n", "späße", "x".repeat(200)];
  await fixture.publish("w", [["log", file("log")]]);
  for (const task of tasks) {
    await fixture.images.saveLog(TREE, "log", { identity: ALICE, instance: "w", task });
  }
  const { owner, metaId } = ALICE;
  const folder = `objects/workspaces/${owner}/${metaId}/instances/w/logs/`;
  const keys = (await Array.fromAsync(fixture.store.list("objects/"))).map(({ key }) => key);
  assertEquals(keys.filter((key) => !key.startsWith(folder)), []);
  assertEquals(keys.length, tasks.length);
});

async function restored(fixture: StoreFixture): Promise<{ tree: Tree }> {
  const tree = await fixture.started.content.create({ uid: Deno.uid()!, gid: Deno.gid()! });
  await fixture.images.restoreBackup(tree, ALICE, {});
  return { tree };
}
