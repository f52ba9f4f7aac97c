import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { parseCalendarSpan } from "../../src/config/units.ts";
import { newLineage } from "../../src/snapshot/lineage.ts";
import { decodeReference, readReference } from "../../src/snapshot/references.ts";
import { backupKey } from "../../src/snapshot/snapshot_names.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { file } from "../fixtures/tree.ts";
import { ALICE, StoreFixture } from "./fixture.ts";

Deno.test("a node whose clock is a year ahead lets nothing go that is within the span to keep", async () => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [["todo", file("one\n")]]);
  const { store, started: { content } } = fixture;
  const keep = { last: 1, within: parseCalendarSpan("30d") };
  const retention = { retain: 1, otherLineages: 0, keep };
  const ahead = { ...systemClock, now: () => systemClock.now() + 366 * 86_400_000 };
  const lineage = newLineage();
  const saved: string[] = [];
  // The store goes by a clock of its own, which is right.
  for (const [n, clock] of [systemClock, systemClock, ahead, systemClock].entries()) {
    await Deno.writeTextFile(join(path, "todo"), `${n}\n`);
    await fixture.settle();
    const images = new StoredImages({ content, store, clock, retention });
    const tree = { area: "workspaces", name: "w" } as const;
    const { manifest } = await images.saveBackup(tree, ALICE, { baseline: "w", lineage });
    saved.unshift(manifest);
  }
  const key = backupKey(ALICE);
  const { images } = decodeReference(key, (await readReference(store, key))!);
  assertEquals(images.map(({ manifest }) => manifest), saved);
});
