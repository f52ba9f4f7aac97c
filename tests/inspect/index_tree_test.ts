import { assertEquals, assertThrows } from "@std/assert";
import { Arena, type Block, BlockBuilder, KIND, Memory } from "../../src/image/mod.ts";
import { IndexTree } from "../../src/inspect/index_tree.ts";
import { buildBlock, bytes, type EntryOf, LAYER, sampleStats, textOf } from "../image/fixture.ts";

const { file, directory, symlink } = sampleStats();
const location = { layer: 0, offset: 512, stored: 7 };

function block(path: string, entries: readonly EntryOf[] = []): Block {
  return buildBlock(new BlockBuilder(new Arena()), path, directory, entries);
}

function treeOf(...blocks: Block[]): IndexTree {
  const header = { layers: [LAYER], blocks: blocks.length, blockBytes: 0, stale: 0, staleBytes: 0 };
  return new IndexTree({ memory: new Memory(new ArrayBuffer(8)), header, blocks });
}

function listed(tree: IndexTree): string[] {
  return [...tree.entries()].map(({ path, type, link }) =>
    `${type} ${textOf(path) || "."}${link ? ` -> ${textOf(link)}` : ""}`
  );
}

Deno.test("all that is below a directory comes before what is not", () => {
  // By bytes, "a-b" is between "a" and "a/c".
  const tree = treeOf(
    block("", [{ stat: symlink, name: "l", link: bytes("target") }]),
    block("a"),
    block("a-b"),
    block("a/c", [{ stat: file, name: "f", location }]),
  );
  assertEquals(listed(tree), [
    "directory .",
    "symlink l -> target",
    "directory a",
    "directory a/c",
    "file a/c/f",
    "directory a-b",
  ]);
});

Deno.test("the first name in order is the file, whichever record has the content", () => {
  const tree = treeOf(
    block("", [{ stat: file, name: "a", kind: KIND.link, link: bytes("d/b") }]),
    block("d", [
      { stat: file, name: "b", location },
      { stat: file, name: "c", kind: KIND.link, link: bytes("d/b") },
    ]),
  );
  assertEquals(listed(tree), [
    "directory .",
    "file a",
    "directory d",
    "hardlink d/b -> a",
    "hardlink d/c -> a",
  ]);
  for (const name of ["a", "d/b", "d/c"]) {
    assertEquals(tree.find(bytes(name))?.content, { ...location, form: "plain" });
  }
  assertEquals([tree.find(bytes("d/x")), tree.find(bytes("x/y"))], [undefined, undefined]);
});

Deno.test("a hard link to nothing, or to another link, is refused", () => {
  const link = (name: string, to: string) => ({
    stat: file,
    name,
    kind: KIND.link,
    link: bytes(to),
  });
  for (const entries of [[link("a", "x")], [link("a", "b"), link("b", "a")]]) {
    assertThrows(() => treeOf(block("", entries)), RangeError, "names what is not there");
  }
});
