import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { digestOf } from "../../src/digest.ts";
import { forgetImageUses, imageUses, noteImageUse, useKey } from "../../src/snapshot/image_uses.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { testFolder } from "../fixtures/folder.ts";

const HOUR = 3600_000;

Deno.test("that an image is used is noted with its time, and forgotten by its age", async () => {
  using folder = testFolder();
  const spoolDir = join(folder.path, "spool");
  await Deno.mkdir(spoolDir);
  const root = join(folder.path, "store");
  const store = await FileStore.open({ folder: root, spoolDir, clock: systemClock });
  const [old, recent, damaged] = ["old", "recent", "damaged"].map((name) => digestOf(name));
  for (const image of [old!, recent!]) await noteImageUse(store, image, "w1");
  await store.putRef(useKey(damaged!), new TextEncoder().encode("{"));
  await store.putRef("gc/uses/notes.txt", new Uint8Array(1));
  const time = (Date.now() - 30 * HOUR) / 1000;
  await Deno.utime(join(root, useKey(old!)), time, time);

  const uses = await imageUses(store);
  assertEquals(new Set(uses.keys()), new Set([old!, recent!, damaged!]));
  assertEquals([uses.get(recent!)!.workspace, uses.get(damaged!)!.workspace], ["w1", "?"]);
  assert(Math.abs(uses.get(recent!)!.usedAt - Date.now()) < HOUR);
  assert(Math.abs(uses.get(old!)!.usedAt - time * 1000) < 1000);

  await noteImageUse(store, recent!, "w2");
  assertEquals((await imageUses(store)).get(recent!)!.workspace, "w2");
  assertEquals(await forgetImageUses(store, 24 * HOUR), 1);
  assertEquals((await imageUses(store)).has(old!), false);
  await store.close();
});
