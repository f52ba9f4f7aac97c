import { assertEquals, assertThrows } from "@std/assert";
import { TarReader } from "../../src/archive/tar_reader.ts";
import { LayerTree } from "../../src/inspect/layer_tree.ts";
import { archive, entry, header, pax } from "../archive/build.ts";
import { textOf } from "../image/fixture.ts";

function treeOf(...layers: Uint8Array[]): LayerTree {
  const tree = new LayerTree();
  for (const bytes of layers) {
    let at = 0;
    tree.apply(
      new TarReader({
        read(into) {
          const part = bytes.subarray(at, at + into.length);
          into.set(part);
          at += part.length;
          return part.length;
        },
      }),
    );
  }
  return tree;
}

function listed(tree: LayerTree): string[] {
  return [...tree.entries()].map(({ path, type, link }) =>
    `${type} ${textOf(path) || "."}${link ? ` -> ${textOf(link)}` : ""}`
  );
}

const file = (name: string, content = "x") => entry({ name }, content);
const dir = (name: string) => header({ name: `${name}/`, type: "5", mode: 0o755 });

Deno.test("a layer's entries replace those of lower layers", () => {
  const tree = treeOf(
    archive(dir("d"), file("d/f"), file("g")),
    archive(file("d"), dir("g"), file("g/h")),
  );
  assertEquals(listed(tree), ["directory .", "file d", "directory g", "file g/h"]);
});

Deno.test("whiteouts remove what lower layers have, wherever in their layer they are", () => {
  const lower = archive(dir("d"), file("d/a"), file("d/b"), file("e"));
  assertEquals(
    listed(treeOf(lower, archive(file("d/new"), file("d/.wh..wh..opq"), file(".wh.e")))),
    [
      "directory .",
      "directory d",
      "file d/new",
    ],
  );
  assertEquals(listed(treeOf(lower, archive(file("e"), file(".wh.e"), file("gone/.wh.x")))), [
    "directory .",
    "file e",
    "directory d",
    "file d/a",
    "file d/b",
  ]);
});

Deno.test("a name in a vendor record is the entry's real one", () => {
  const tree = treeOf(archive(pax({ "WSDAEMON.path": ".wh.x" }), file("escaped")));
  assertEquals(listed(tree), ["directory .", "file .wh.x"]);
});

Deno.test("the first name in order has a linked file's content, the others are links to it", () => {
  const tree = treeOf(archive(file("b", "content"), header({ name: "a", type: "1", link: "b" })));
  assertEquals(listed(tree), ["directory .", "file a", "hardlink b -> a"]);
  const found = tree.find(new TextEncoder().encode("b"));
  assertEquals([found?.type, found?.size, found?.content?.stored], ["file", 7, 7]);
});

Deno.test("content is located by its layer and offset", () => {
  const tree = treeOf(archive(file("a")), archive(file("b", "yy"), file("c", "zzz")));
  const locations = ["a", "b", "c"].map((name) =>
    tree.find(new TextEncoder().encode(name))?.content
  );
  assertEquals(locations, [
    { layer: 0, offset: 512, stored: 1, form: "plain" },
    { layer: 1, offset: 512, stored: 2, form: "plain" },
    { layer: 1, offset: 1536, stored: 3, form: "plain" },
  ]);
});

Deno.test("a hard link to nothing and a top folder that is a file are refused", () => {
  const link = archive(header({ name: "a", type: "1", link: "b" }));
  assertThrows(() => treeOf(link), RangeError, "names what is not there");
  assertThrows(() => treeOf(archive(file("."))), RangeError, "top folder");
});
