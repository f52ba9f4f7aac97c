/** Tools that no one here wrote agree on what our layers contain. */

import { assert } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import { testFolder } from "../fixtures/folder.ts";
import { applyLayers, assertMade, EXTRACTORS, unpack, writeOci } from "../fixtures/peers.ts";
import { runs } from "../fixtures/soak.ts";
import { has } from "../fixtures/tools.ts";
import { assertSameTree, directory, file, makeTree, readTree, symlink } from "../fixtures/tree.ts";
import { anyEdit, doEdit } from "./edits.ts";
import { ImageFixture, packable } from "./image_fixture.ts";
import { IS_ROOT } from "./fixture.ts";
import { WHOLE_TREE } from "./whole_tree.ts";

for (const tool of ["tar", "bsdtar"] as const) {
  Deno.test(`${tool} gives the same tree as the original, layer by layer`, {
    ignore: !IS_ROOT || !has(tool) || !has("zstd"),
  }, async () => {
    await using fixture = new ImageFixture();
    using folder = testFolder();
    const path = await fixture.publish("w", WHOLE_TREE);
    const image = await fixture.pack("w");
    const to = join(folder.path, "tree");
    await Deno.mkdir(to);
    await applyLayers(fixture, image, to, EXTRACTORS[tool](to));
    await assertMade(tool, to, packable(await readTree(path)));
  });
}

/** Packs a tree, has every kind of entry replaced or removed, and packs what changed. */
async function packChain(fixture: ImageFixture): Promise<{ image: PackResult; path: string }> {
  const path = await fixture.publish("w", [
    ["file-to-directory", file("f")],
    ["directory-to-file", directory()],
    ["directory-to-file/inside", file("i")],
    ["directory-to-link", directory()],
    ["directory-to-link/inside", file("i")],
    ["gone", directory()],
    ["gone/deep", directory()],
    ["gone/deep/file", file("g")],
    ["changed", file("1")],
    ["kept", file("k".repeat(100_000))],
    ["single", file("s")],
  ]);
  await fixture.pack("w");
  for (
    const name of ["file-to-directory", "directory-to-file", "directory-to-link", "gone", "single"]
  ) {
    await Deno.remove(join(path, name), { recursive: true });
  }
  await Deno.writeTextFile(join(path, "changed"), "2");
  await makeTree(path, [
    ["file-to-directory", directory()],
    ["file-to-directory/new", file("n")],
    ["directory-to-file", file("n")],
    ["directory-to-link", symlink("kept")],
  ]);
  const image = await fixture.pack("w");
  assert(image.layers.length > 1);
  return { image, path };
}

for (const tool of ["tar", "bsdtar"] as const) {
  Deno.test(`${tool} gives a chain of deltas as the tree is now, layer by layer`, {
    ignore: !IS_ROOT || !has(tool) || !has("zstd"),
  }, async () => {
    await using fixture = new ImageFixture();
    using folder = testFolder();
    const { image, path } = await packChain(fixture);
    const to = join(folder.path, "tree");
    await Deno.mkdir(to);
    await applyLayers(fixture, image, to, EXTRACTORS[tool](to));
    assertSameTree(await readTree(to), await readTree(path));
  });
}

Deno.test("umoci and skopeo unpack a chain of deltas as the tree is now", {
  ignore: !IS_ROOT || !has("umoci") || !has("skopeo"),
}, async () => {
  await using fixture = new ImageFixture();
  using folder = testFolder();
  const { image, path } = await packChain(fixture);
  const oci = join(folder.path, "oci");
  await writeOci(fixture, image, oci);
  const unpacked = await readTree(await unpack(folder.path, oci));
  const wanted = await readTree(path);
  assertSameTree(unpacked, wanted);
});

Deno.test("umoci unpacks what any script of edits has left, after its last delta", {
  ignore: !IS_ROOT || !has("umoci") || !has("skopeo"),
}, async () => {
  await using fixture = new ImageFixture();
  let run = 0;
  const edits = fc.array(anyEdit, { minLength: 3, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(edits, { minLength: 1, maxLength: 3 }), async (script) => {
      using folder = testFolder();
      const id = `w${run++}`;
      const path = await fixture.publish(id, [["p", directory()], ["q", file("q")]]);
      let image = await fixture.pack(id);
      for (const edits of script) {
        for (const edit of edits) doEdit(path, edit);
        image = await fixture.pack(id);
      }
      const oci = join(folder.path, "oci");
      await writeOci(fixture, image, oci);
      assertSameTree(await readTree(await unpack(folder.path, oci)), await readTree(path));
    }),
    { numRuns: runs(4, 60), verbose: 1 },
  );
});

Deno.test("umoci unpacks an image as the original was", {
  ignore: !IS_ROOT || !has("umoci") || !has("skopeo"),
}, async () => {
  await using fixture = new ImageFixture();
  using folder = testFolder();
  const path = await fixture.publish("w", WHOLE_TREE);
  const image = await fixture.pack("w");
  const oci = join(folder.path, "oci");
  await writeOci(fixture, image, oci);
  await assertMade("umoci", await unpack(folder.path, oci), packable(await readTree(path)));
});
