import { assertEquals } from "@std/assert";
import { type Digest, digestOf } from "../../src/digest.ts";
import { addBackup } from "../../src/snapshot/add_backup.ts";
import type { DescribedImage } from "../../src/snapshot/known_lineages.ts";
import { lineageLabels, newLineage, parseLineage } from "../../src/snapshot/lineage.ts";
import { retainedImages } from "../../src/snapshot/retained_images.ts";

/** Images by name: `a2<b1` is the second of lineage `a`, which began from `b1`; `?1` of unknown lineage. */
function history(...names: string[]): DescribedImage[] {
  return names.map((name) => {
    const [image, base] = name.split("<");
    const id = image![0]!;
    const began = base === undefined ? {} : { base: digestOf(base) };
    const lineage = id === "?" ? {} : { lineage: { id, ...began } };
    return { manifest: digestOf(image!), createdAt: 1, contentBytes: 1, files: 1, ...lineage };
  });
}

function namesOf(images: readonly { manifest: Digest }[], all: readonly string[]): string {
  const names = new Map(all.map((name) => [digestOf(name.split("<")[0]!), name.split("<")[0]!]));
  return images.map(({ manifest }) => names.get(manifest)).join(" ");
}

const CASES: [what: string, retain: number, history: string, kept: string, heads: string][] = [
  ["one lineage has its newest", 2, "a3 a2 a1", "a3 a2", ""],
  ["another lineage's last image stays", 1, "b1 a2 a1", "b1 a2", "a2"],
  ["what was restored lives on in the fork", 1, "b1<a2 a2 a1", "b1", ""],
  ["also behind the fork's later images", 1, "b2<a2 b1<a2 a2", "b2", ""],
  ["what was saved after the fork stays", 1, "b1<a1 a2 a1", "b1 a2", "a2"],
  ["each of several lineages has its last", 1, "c1 b2 a2 b1 a1", "c1 b2 a2", "b2 a2"],
  ["a fork of a fork", 1, "c1<b1 b1<a1 a1", "c1", ""],
  ["two forks of one image", 1, "c1<a1 b1<a1 a1", "c1 b1", "b1"],
  ["the last of unknown lineage stays", 1, "a1 ?3 ?2", "a1 ?3", "?3"],
  ["unknown lineages alone are one", 1, "?3 ?2 ?1", "?3", ""],
  ["a head within the newest is no extra", 3, "b1 a2 a1", "b1 a2 a1", ""],
];

for (const [what, retain, names, kept, heads] of CASES) {
  Deno.test(`of a history stays what nothing goes on from: ${what}`, () => {
    const all = names.split(" ");
    const retained = retainedImages(history(...all), { retain, otherLineages: 9 });
    assertEquals([namesOf(retained.images, all), namesOf(retained.heads, all)], [kept, heads]);
    assertEquals(retained.droppedHeads, []);
  });
}

Deno.test("the newest are those that were saved last, whatever a clock said meanwhile", () => {
  const all = ["a5", "a4", "a3", "a2", "a1"];
  // The clock was years ahead for one image, and years behind for the last two.
  const times = [11, 10, 9000, 5001, 5000];
  const images = history(...all).map((image, n) => ({ ...image, createdAt: times[n]! }));
  const retained = retainedImages(images, { retain: 2, otherLineages: 0 });
  assertEquals(namesOf(retained.images, all), "a5 a4");
});

Deno.test("of too many other lineages the oldest heads are let go, and told", () => {
  const all = ["d1", "c1", "b1", "a1"];
  const retained = retainedImages(history(...all), { retain: 1, otherLineages: 2 });
  assertEquals(namesOf(retained.images, all), "d1 c1 b1");
  assertEquals(namesOf(retained.droppedHeads, all), "a1");
});

Deno.test("an image that an earlier version saved of the same tree is followed by its next", () => {
  const [image, old, older] = history("a1", "?2", "?1");
  const layers = [digestOf("data"), digestOf("metadata")];
  const rules = { retain: 1, otherLineages: 9 };
  const earlier = [{ ...old!, layers }, older!];
  const own = addBackup(image!, earlier, { rules, now: 1, previousLayers: layers });
  assertEquals(own.images.map(({ manifest }) => manifest), [image!.manifest]);
  assertEquals(own.displaced, undefined);
  const others = addBackup(image!, earlier, { rules, now: 1, previousLayers: [] });
  assertEquals(others.images.map(({ manifest }) => manifest), [image!.manifest, old!.manifest]);
  assertEquals(others.displaced?.manifest, old!.manifest);
});

Deno.test("labels say a lineage, and nothing that this version does not understand", () => {
  const lineages = [newLineage(), newLineage(digestOf("base"))];
  for (const lineage of lineages) assertEquals(parseLineage(lineageLabels(lineage)), lineage);
  const { id } = lineages[0]!;
  for (const value of ["", id, `2:${id}`, "1:", `1:${id}0`, `1:${id.toUpperCase()}x`]) {
    assertEquals(parseLineage({ "dev.wsdaemon.lineage": value }), undefined, value);
  }
  const odd = { "dev.wsdaemon.lineage": `1:${id}`, "dev.wsdaemon.lineage.base": "sha256:1" };
  assertEquals(parseLineage(odd), { id });
});
