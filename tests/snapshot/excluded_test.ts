import { assertEquals, assertStringIncludes } from "@std/assert";
import { systemClock } from "../../src/clock.ts";
import { excludedLabels, parseExcluded } from "../../src/snapshot/excluded_label.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { captureLogs } from "../fixtures/logs.ts";
import { file } from "../fixtures/tree.ts";
import { ALICE, StoreFixture } from "./fixture.ts";

Deno.test("an image says what was left out of it, and a restore repeats it", async () => {
  using logs = captureLogs();
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a.c", file("a")], ["a.o", file("o")], ["b.o", file("o")]]);
  const { content } = fixture.started;
  const images = new StoredImages({
    content,
    store: fixture.store,
    clock: systemClock,
    retention: { retain: 1, otherLineages: 1 },
    excludes: { cacheDirs: false, ignoreFile: true, patterns: ["*.o"] },
  });
  const tree = { area: "workspaces", name: "w" } as const;
  const { manifest } = await images.saveBackup(tree, ALICE, { baseline: "w" });
  const excluded = { entries: 2, examples: ["a.o", "b.o"] };
  assertEquals((await readImage(fixture.store, manifest)).excluded, excluded);
  const staging = await content.create({ uid: Deno.uid()!, gid: Deno.gid()! }, "r");
  const { newBaseline } = await images.restoreBackup(staging, ALICE, {});
  await content.dropBaseline(newBaseline!);
  await content.remove(staging);
  assertStringIncludes(logs.text, `Image "${manifest}" was saved without 2 excluded entries`);
});

Deno.test("a label that this version does not understand says nothing of what was left out", () => {
  const excluded = { entries: 3, examples: ["a"] };
  assertEquals(parseExcluded(excludedLabels(excluded)), excluded);
  assertEquals(excludedLabels({ entries: 0, examples: [] }), {});
  for (const value of ["", "{", "{}", '{"version":2,"entries":1,"examples":[]}']) {
    assertEquals(parseExcluded({ "dev.wsdaemon.excluded": value }), undefined, value);
  }
});
