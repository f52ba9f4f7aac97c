import { assert, assertEquals } from "@std/assert";
import { assertPeersAgree } from "../fixtures/peers.ts";
import { assertSameTree, directory, file, readTree, sparse } from "../fixtures/tree.ts";
import { ImageFixture, packable, withoutExtents } from "./image_fixture.ts";
import { assertFails, IS_ROOT } from "./fixture.ts";
import { WHOLE_TREE } from "./whole_tree.ts";

Deno.test("an image restores everything a workspace can hold, with and without its index", async (t) => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", WHOLE_TREE);
  const wanted = packable(await readTree(path));
  const image = await fixture.pack("w");
  assertEquals(image.stats.skippedSockets, 1);
  assertEquals(image.stats.unstable, []);
  await assertPeersAgree(fixture, image);
  for (const index of [true, false]) {
    await t.step(index ? "by its index" : "layer by layer", async () => {
      const restored = await fixture.restored(image, { index });
      assertSameTree(withoutExtents(restored), withoutExtents(wanted));
    });
  }
  await t.step("files with holes have them again", async () => {
    for (const index of [true, false]) {
      const restored = await fixture.restored(image, { index });
      for (const name of ["sparse", "sparse-end", "all-hole"]) {
        const find = (tree: typeof wanted) => tree.find((entry) => entry.path === name)!.data;
        assertEquals(find(restored), find(wanted), `${name}, index: ${index}`);
      }
    }
  });
  await t.step("an unchanged tree gives the same image and reads nothing", async () => {
    const again = await fixture.pack("w");
    assertEquals(again.layers, image.layers);
    assertEquals(again.index.digest, image.index.digest);
    assertEquals([again.stats.filesRead, again.stats.newLayers], [0, 0]);
    assertEquals(again.stats.files, image.stats.files);
  });
  await t.step("a restored tree is known: its first image is the same one", async () => {
    const { tree, newBaseline } = await fixture.restore(image);
    await fixture.content.publish(tree, "elsewhere");
    await fixture.content.commitBaseline(newBaseline!, "elsewhere");
    const again = await fixture.pack("elsewhere");
    assertEquals(again.stats.filesRead, 0);
    assertEquals(again.layers, image.layers);
    assertEquals(again.index.digest, image.index.digest);
  });
});

Deno.test("an image of an empty tree restores an empty tree", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w");
  const image = await fixture.pack("w");
  assertEquals(await fixture.restored(image), await readTree(path));
  assertEquals(await fixture.restored(image, { index: false }), await readTree(path));
  await assertPeersAgree(fixture, image);
});

Deno.test("an image that is not ours loses set-id bits, devices and privileged attributes", {
  ignore: !IS_ROOT,
}, async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", WHOLE_TREE);
  const image = await fixture.pack("w");
  for (const index of [true, false]) {
    const restored = await fixture.restored(image, { index, trusted: false });
    const at = (path: string) => restored.find((entry) => entry.path === path);
    assertEquals(at("modes/4755")?.mode, "0755");
    assertEquals(at("modes/2755")?.mode, "0755");
    assertEquals(at("modes")?.mode, "1777");
    assertEquals(at("device"), undefined);
    assertEquals(at("trusted")?.xattrs, at("text")?.xattrs);
    assert(at("attributes")?.xattrs?.["user.plain"]);
  }
});

Deno.test("a restore of many small files is limited by what they take on disk, holes by nothing", async () => {
  await using fixture = new ImageFixture();
  const small = Array.from({ length: 400 }, (_, n) => [`d/${n}`, file("x")] as const);
  const path = await fixture.publish("w", [
    ["d", directory()],
    ["holes", sparse(1 << 30, [[1 << 20, "x"]])],
    ...small,
  ]);
  const image = await fixture.pack("w");
  const { stdout } = await new Deno.Command("du", { args: ["-s", "-B1", path] }).output();
  const taken = parseInt(new TextDecoder().decode(stdout));
  for (const index of [true, false]) {
    const refused = fixture.restore(image, { index, limitBytes: 1 << 20 });
    await assertFails(refused, "RESOURCE_EXHAUSTED", `${1 << 20}`);
    const { diskBytes } = await fixture.restore(image, { index, limitBytes: 2 << 20 });
    assert(diskBytes >= taken * 0.9 && diskBytes <= taken * 1.2, `${diskBytes} for ${taken}`);
  }
});

Deno.test("a restore that exceeds its limit is RESOURCE_EXHAUSTED", async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", WHOLE_TREE);
  const image = await fixture.pack("w");
  for (const index of [true, false]) {
    let code = "";
    await fixture.restore(image, { index, limitBytes: 1000 }).catch((error) => code = error.code);
    assertEquals(code, "RESOURCE_EXHAUSTED", `index: ${index}`);
  }
});
