import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { newLineage } from "../../src/snapshot/lineage.ts";
import { readReference } from "../../src/snapshot/references.ts";
import { backupKey } from "../../src/snapshot/snapshot_names.ts";
import { file } from "../fixtures/tree.ts";
import { ALICE, StoreFixture } from "./fixture.ts";

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
