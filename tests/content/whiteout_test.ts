/** Whiteouts mean the same to a restore and to what shows an image's tree without restoring it. */

import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { zstdCompressSync } from "node:zlib";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { bytesSource } from "../../src/archive/byte_source.ts";
import { TarReader } from "../../src/archive/tar_reader.ts";
import { digestOf, hexOf } from "../../src/digest.ts";
import { LayerTree } from "../../src/inspect/layer_tree.ts";
import { archive, entry, pax } from "../archive/build.ts";
import { readTree } from "../fixtures/tree.ts";
import { ImageFixture } from "./image_fixture.ts";
import { assertFails } from "./fixture.ts";

/** What is there before; `d/.wh..wh..opq` is a file, of which the layer has an escaped name. */
const lower = archive(
  entry({ name: "d/", type: "5" }),
  entry({ name: "d/a" }),
  entry({ name: "d/b" }),
  entry({ name: "d/e/", type: "5" }),
  entry({ name: "d/e/f" }),
  pax({ "WSDAEMON.path": "d/.wh..wh..opq" }),
  entry({ name: "d/.wsdaemon.wh.0" }),
  entry({ name: "x" }),
);
const all = ["d", "d/.wh..wh..opq", "d/a", "d/b", "d/e", "d/e/f", "x"];
const without = (...gone: string[]) =>
  all.filter((path) => !gone.some((one) => path === one || path.startsWith(`${one}/`)));

const table: readonly (readonly [name: string, left: readonly string[]])[] = [
  ["d/.wh.a", without("d/a")],
  ["./d//.wh.a", without("d/a")],
  ["/d/.wh.a", without("d/a")],
  [".wh.d", ["x"]],
  ["d/.wh.e", without("d/e")],
  ["d/.wh.nothing", all],
  ["nothing/.wh.x", all],
  ["x/.wh.y", all],
  ["d/.wh..wh..opq", ["d", "x"]],
  [".wh..wh..opq", []],
  ["d/e/.wh..wh..opq", without("d/e/f")],
  ["d/.wh.…", all],
];

function imageOf(fixture: ImageFixture, tars: readonly Uint8Array[]) {
  const layers = tars.map((tar) => {
    const blob = zstdCompressSync(tar);
    const digest = digestOf(blob);
    Deno.writeFileSync(join(fixture.areas.blobs, hexOf(digest)), blob);
    return { digest, size: blob.length, diffId: digestOf(tar) };
  });
  return { layers, index: { digest: layers[0]!.digest, size: layers[0]!.size } };
}

async function restored(fixture: ImageFixture, upper: Uint8Array): Promise<string[]> {
  const { path, tree } = await fixture.restore(imageOf(fixture, [lower, upper]), { index: false });
  const paths = (await readTree(path)).map((one) => one.path).filter((one) => one !== ".");
  await fixture.content.remove(tree);
  return paths.sort();
}

function shown(upper: Uint8Array): string[] {
  const tree = new LayerTree();
  for (const tar of [lower, upper]) tree.apply(new TarReader(bytesSource(tar)));
  return [...tree.entries()].map(({ path }) => new TextDecoder().decode(path))
    .filter((path) => path !== "").sort();
}

Deno.test("a whiteout removes the same from a restored tree as from one that is shown", async () => {
  await using fixture = new ImageFixture(1);
  for (const [name, left] of table) {
    const upper = archive(entry({ name }));
    assertEquals(shown(upper), left, `${name}, shown`);
    assertEquals(await restored(fixture, upper), left, `${name}, restored`);
  }
});

Deno.test("a whiteout of a file that is called like an opaque one removes that file alone", async () => {
  await using fixture = new ImageFixture(1);
  const upper = archive(
    pax({ "WSDAEMON.whiteout": "d/.wh..wh..opq" }),
    entry({ name: "d/.wh..wsdaemon.wh.0" }),
  );
  assertEquals(shown(upper), without("d/.wh..wh..opq"));
  assertEquals(await restored(fixture, upper), without("d/.wh..wh..opq"));
});

Deno.test("a whiteout of nothing is a malformed layer to whoever reads it", async () => {
  await using fixture = new ImageFixture(1);
  for (const name of [".wh.", "d/.wh.", "d/.wh..", "d/.wh...", "nothing/.wh."]) {
    const upper = archive(entry({ name }));
    assertThrows(() => shown(upper), ArchiveError, "whiteout of nothing", name);
    await assertFails(restored(fixture, upper), "DATA_LOSS", "whiteout of nothing");
  }
});
