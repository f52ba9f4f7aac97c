import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { LegacyArchives } from "../../src/snapshot/legacy_archives.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import type { ObjectStore } from "../../src/store/object_store.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { faultyStore } from "../fixtures/faulty_store.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { run } from "../fixtures/tools.ts";
import { ALICE, BOB, StoreFixture } from "./fixture.ts";

const PATTERNS = [
  "{owner}/workspaces/{meta}/full.tar@workspaces",
  "workspaces/{meta}/full.tar.gz@user-{owner}",
];

/** Puts an archive that GNU tar makes where the older daemon would have. */
async function putArchive(fixture: StoreFixture, name: string, text: string): Promise<void> {
  const folder = join(fixture.root, "old");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "todo"), text);
  await Deno.chmod(join(folder, "todo"), 0o4755);
  const path = join(fixture.started.areas.blobs, "archives", name);
  await Deno.mkdir(dirname(path), { recursive: true });
  await run(folder, "tar", name.endsWith("gz") ? "-czf" : "-cf", path, ".");
}

/** A node that starts from the older layout. */
function nodeOf(fixture: StoreFixture, store: ObjectStore = fixture.store) {
  const { content } = fixture.started;
  const metrics = new Metrics();
  const legacy = new LegacyArchives({ store, patterns: PATTERNS, metrics });
  const retention = { retain: 3, otherLineages: 8 };
  const images = new StoredImages({ content, store, clock: systemClock, retention, legacy });
  const outcomes = async () =>
    Object.fromEntries(
      [...(await metrics.text()).matchAll(/legacy_restores_total\{outcome="(\w+)"\} (\d+)/g)]
        .map(([, outcome, count]) => [outcome, Number(count)]),
    );
  return { images, outcomes };
}

/** Starts an identity. @returns what is in its `todo` */
async function start(fixture: StoreFixture, images: StoredImages, identity = ALICE) {
  const { content, areas } = fixture.started;
  const tree = await content.create({ uid: Deno.uid()!, gid: Deno.gid()! });
  try {
    const restored = await images.restoreBackup(tree, identity, {});
    const path = join(areas.staging, tree.name, "todo");
    return { restored, tree, text: await Deno.readTextFile(path) };
  } catch (error) {
    await content.remove(tree);
    throw error;
  }
}

Deno.test("an identity without a backup starts from the archive of the older layout, and then from its own", async () => {
  await using fixture = await StoreFixture.open();
  await putArchive(fixture, "workspaces/alice/workspaces/notes/full.tar", "old");
  await putArchive(fixture, "user-bob/workspaces/site/full.tar.gz", "bob's");
  const { images, outcomes } = nodeOf(fixture);

  using logs = captureLogs();
  const first = await start(fixture, images);
  assertEquals([first.text, first.restored.manifest], ["old", undefined]);
  assertEquals(first.restored.omitted.counts, { "set-id": 1 }, "what policy drops is counted");
  assertStringIncludes(logs.text, "alice/workspaces/notes/full.tar@workspaces");
  assertEquals((await start(fixture, images, BOB)).text, "bob's");
  assertEquals(await outcomes(), { restored: 2, absent: 0, failed: 0 });

  const path = join(fixture.started.areas.staging, first.tree.name, "todo");
  await Deno.writeTextFile(path, "new");
  await images.saveBackup(first.tree, ALICE, { baseline: "w" });
  const again = await start(fixture, images);
  assertEquals(again.text, "new");
  assert(again.restored.manifest);
  assertEquals(await outcomes(), { restored: 2, absent: 0, failed: 0 }, "the image counts now");
});

Deno.test("an identity with neither backup nor archive is told where both were looked for", async () => {
  await using fixture = await StoreFixture.open();
  const { images, outcomes } = nodeOf(fixture);
  const error = await assertRejects(() => start(fixture, images), DaemonError);
  assertEquals([error.code, error.reason], ["FAILED_PRECONDITION", "BACKUP_NOT_FOUND"]);
  assertStringIncludes(error.message, "alice/workspaces/notes/full.tar@workspaces");
  assertStringIncludes(error.message, "workspaces/notes/full.tar.gz@user-alice");
  // No bucket has such a name, so that there can be no archive.
  const odd = { owner: "A@b", metaId: "x" };
  const other = await assertRejects(() => start(fixture, images, odd), DaemonError, "A@b/x");
  assertEquals(other.reason, "BACKUP_NOT_FOUND");
  assertEquals(await outcomes(), { restored: 0, absent: 2, failed: 0 });
});

Deno.test("an archive that cannot be looked for or read fails the start: its work must not pass for gone", async () => {
  await using fixture = await StoreFixture.open();
  for (const code of ["FAILED_PRECONDITION", "UNAVAILABLE"] as const) {
    const faulty = faultyStore(fixture.store, [
      { operation: "acquireArchive", nth: 1, error: new DaemonError(code, "the store says no") },
    ]);
    const { images, outcomes } = nodeOf(fixture, faulty.store);
    const error = await assertRejects(() => start(fixture, images), DaemonError, "says no");
    assertEquals([error.code, error.reason === "BACKUP_NOT_FOUND"], [code, false]);
    assertStringIncludes(error.message, "full.tar@workspaces (storage.legacy)");
    assertEquals(await outcomes(), { restored: 0, absent: 0, failed: 1 });
  }
  await putArchive(fixture, "workspaces/alice/workspaces/notes/full.tar", "old");
  const path = join(fixture.started.areas.blobs, "archives/workspaces/alice/workspaces/notes");
  await Deno.writeTextFile(join(path, "full.tar"), "this is no archive".repeat(100));
  const { images } = nodeOf(fixture);
  const error = await assertRejects(() => start(fixture, images), DaemonError, "full.tar@");
  assertEquals(error.code, "FAILED_PRECONDITION");
});
