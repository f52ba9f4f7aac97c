import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { newLineage } from "../../src/snapshot/lineage.ts";
import { decodeReference, readReference } from "../../src/snapshot/references.ts";
import { backupKey, parseSnapshotName, snapshotKey } from "../../src/snapshot/snapshot_names.ts";
import { file } from "../fixtures/tree.ts";
import { ALICE, StoreFixture } from "./fixture.ts";

type Kind = "backup" | "snapshot";

const HOUR = 3600_000;

Deno.test("a backup that would be the same as the latest one writes nothing where that is to be skipped", async () => {
  await using fixture = await StoreFixture.open();
  const tree = { area: "workspaces", name: "w" } as const;
  const path = await fixture.publish("w", [["todo", file("remember the milk\n".repeat(1000))]]);
  const save = () => fixture.images.saveBackup(tree, ALICE, { baseline: "w", skipUnchanged: true });
  const reference = async () =>
    new TextDecoder().decode(await readReference(fixture.store, backupKey(ALICE)));

  await fixture.settle();
  const first = await save();
  assertEquals(first.isUnchanged, undefined);
  const before = [await reference(), fixture.blobs()];
  const second = await save();
  assert(second.isUnchanged);
  assertEquals([second.url, second.stats.filesRead], [first.url, 0]);
  assertEquals([await reference(), fixture.blobs()], before);

  await Deno.writeTextFile(join(path, "todo"), "two\n");
  const third = await save();
  assertEquals(third.isUnchanged, undefined);
  assertNotEquals(third.url, first.url);

  // Whoever removed the backup is not told that it is there.
  await fixture.store.deleteRef(backupKey(ALICE));
  assertEquals((await save()).isUnchanged, undefined);
  assert((await reference()).includes(third.manifest));
});

Deno.test("a tree of an earlier version's snapshot is not taken for that version's backups", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("old", [["todo", file("old\n")]]);
  await fixture.publish("w", [["todo", file("new\n")]]);
  await fixture.settle();
  // Neither image says a lineage.
  await fixture.backup("old");
  const { manifest: base } = await fixture.snapshot("w");
  const tree = { area: "workspaces", name: "w" } as const;
  const options = { baseline: "w", lineage: newLineage(base), skipUnchanged: true };
  const saved = await fixture.images.saveBackup(tree, ALICE, options);
  assertEquals(saved.isUnchanged, undefined);
  const reference = await readReference(fixture.store, backupKey(ALICE));
  assert(new TextDecoder().decode(reference).includes(saved.manifest));
});

/** The order in which a workspace was saved, and whether the save of a fork of the snapshot is skipped. */
const FORKS: [what: string, order: readonly Kind[], isUnchanged: boolean, movedBy?: number][] = [
  ["newer than the last backup is backed up", ["backup", "snapshot"], false],
  ["older than the last backup displaces nothing", ["snapshot", "backup"], true],
  [
    "whose reference was copied after the backup displaces nothing",
    ["snapshot", "backup"],
    true,
    HOUR,
  ],
  [
    "whose reference is older than the backup displaces nothing",
    ["backup", "snapshot"],
    true,
    -HOUR,
  ],
];

for (const [what, order, isUnchanged, movedBy = 0] of FORKS) {
  Deno.test(`an untouched fork of a snapshot ${what}`, async () => {
    await using fixture = await StoreFixture.open();
    const { images, store, started: { areas, content } } = fixture;
    const path = await fixture.publish("w", [["todo", file("nothing\n")]]);
    const tree = { area: "workspaces", name: "w" } as const;
    const options = { baseline: "w", lineage: newLineage() };
    const url = images.newSnapshotUrl(ALICE);
    for (const kind of order) {
      await Deno.writeTextFile(join(path, "todo"), `before the ${kind}\n`);
      await fixture.settle();
      if (kind === "snapshot") await images.saveSnapshot(tree, url, options);
      else await images.saveBackup(tree, ALICE, options);
    }
    const name = parseSnapshotName(url, "url");
    assert(name.kind === "image");
    const key = join(areas.blobs, snapshotKey(ALICE, name.id));
    const stored = Deno.statSync(key).mtime!.getTime();
    await Deno.utime(key, (stored + movedBy) / 1000, (stored + movedBy) / 1000);

    const fork = await content.create({ uid: Deno.uid()!, gid: Deno.gid()! }, "f");
    const { manifest: base, newBaseline } = await images.restoreSnapshot(fork, url, {});
    await content.commitBaseline(newBaseline!, "f");
    await content.publish(fork, "f");
    const saved = await images.saveBackup({ area: "workspaces", name: "f" }, ALICE, {
      baseline: "f",
      lineage: newLineage(base),
      skipUnchanged: true,
    });
    assertEquals(saved.isUnchanged ?? false, isUnchanged);
    const backups = decodeReference(key, (await readReference(store, backupKey(ALICE)))!).images;
    assertEquals(backups.length, isUnchanged ? 1 : 2);
    assertEquals(backups[0]!.manifest === saved.manifest, !isUnchanged);
    assertEquals(saved.otherLineages !== undefined, !isUnchanged);
  });
}
