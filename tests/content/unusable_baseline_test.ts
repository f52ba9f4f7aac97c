/** Whatever is wrong with a baseline, the next image is made without it, and the one after with a new one. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { testFolder } from "../fixtures/folder.ts";
import { ODDITIES } from "../fixtures/oddities.ts";
import { assertSameTree, directory, file, readTree } from "../fixtures/tree.ts";
import { IS_ROOT } from "./fixture.ts";
import { ImageFixture, withoutExtents } from "./image_fixture.ts";

/** Bytes of the header: magic, version, number of layers. */
const VERSION = 8;
const LAYERS = 12;

function damaged(change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array) {
  return (path: string) => Deno.writeFileSync(path, change(Deno.readFileSync(path)));
}

function withNumber(at: number, value: number) {
  return damaged((bytes) => {
    new DataView(bytes.buffer).setUint32(at, value, true);
    return bytes;
  });
}

const CASES: { name: string; spoil(path: string, outside: string): void; ignore?: boolean }[] = [
  { name: "empty", spoil: (path) => Deno.truncateSync(path, 0) },
  { name: "cut short in its header", spoil: damaged((bytes) => bytes.subarray(0, 11)) },
  { name: "cut short at its end", spoil: damaged((bytes) => bytes.subarray(0, -1)) },
  { name: "of another version", spoil: withNumber(VERSION, 99) },
  { name: "one that claims four billion layers", spoil: withNumber(LAYERS, 0xffffffff) },
  {
    name: "changed in one byte",
    spoil: damaged((bytes) => {
      bytes[bytes.length >> 1]! ^= 1;
      return bytes;
    }),
  },
  {
    name: "another user's",
    spoil: (path) => Deno.chownSync(path, 12345, 12345),
    ignore: !IS_ROOT,
  },
  ...ODDITIES.filter(({ isStuck }) => !isStuck).map(({ name, put }) => ({
    name,
    spoil: (path: string, outside: string) => {
      Deno.removeSync(path);
      put(path, outside);
    },
  })),
];

for (const { name, spoil, ignore = false } of CASES) {
  Deno.test({
    name: `a baseline that is ${name} costs the next image no more than reading everything`,
    ignore,
    async fn() {
      using outside = testFolder();
      Deno.writeTextFileSync(join(outside.path, "sentinel"), "precious");
      await using fixture = new ImageFixture();
      const path = await fixture.publish("w", [["a", directory()], ["a/x", file("x")], [
        "y",
        file("y"),
      ]]);
      await fixture.pack("w");
      const baseline = join(fixture.areas.baselines, "w");
      spoil(baseline, outside.path);

      const { problem } = await fixture.content.baselineLayers("w");
      const image = await fixture.pack("w");
      assertEquals(image.stats.filesRead, 2);
      assertStringIncludes(problem ?? image.baselineProblem ?? "", `${baseline} cannot be used`);
      const wanted = withoutExtents(await readTree(path));
      assertSameTree(withoutExtents(await fixture.restored(image, { index: true })), wanted);
      assertEquals(Deno.lstatSync(baseline).isFile, true);
      assertEquals((await fixture.content.baselineLayers("w")).layers, image.layers);
      assertEquals([...Deno.readDirSync(outside.path)].map(({ name }) => name), ["sentinel"]);
      assertEquals(Deno.readTextFileSync(join(outside.path, "sentinel")), "precious");
    },
  });
}
