import { assertEquals } from "@std/assert";
import { HardLinks } from "../../src/content/pack/merge/hard_links.ts";
import { type EntryRef, EntrySet, MergedTree } from "../../src/content/pack/merge/merged_tree.ts";
import { conflictingLayers, pathsToRemove } from "../../src/content/pack/merge/stale_entries.ts";
import {
  Arena,
  type Block,
  BlockBuilder,
  FLAG,
  KIND,
  RECORD,
  sortStale,
} from "../../src/image/mod.ts";
import { buildBlock, bytes, type EntryOf, sampleStats, textOf } from "../image/fixture.ts";

const { file, directory, symlink } = sampleStats();
const location = { layer: 7, offset: 512, stored: 7 };

function block(path: string, entries: readonly EntryOf[]): Block {
  return buildBlock(new BlockBuilder(new Arena()), path, directory, entries);
}

function entriesOf(tree: MergedTree): string[] {
  const found: string[] = [];
  tree.each((block, record) => {
    const target = block.kind(record) === KIND.link ? ` -> ${textOf(block.link(record))}` : "";
    found.push(`${textOf(block.path)}/${textOf(block.name(record))}${target}`);
  });
  return found;
}

function at(tree: MergedTree, path: string, n: number): EntryRef {
  const number = tree.blocks.findIndex((block) => textOf(block.path) === path);
  return { directory: number, record: tree.blocks[number]!.first + n * RECORD };
}

Deno.test("directories of several parts make one tree, ordered by path", () => {
  const tree = new MergedTree([block("b", []), block("", [{ stat: file, name: "x" }])]);
  tree.add([block("a", [{ stat: file, name: "y" }]), block("", [{ stat: file, name: "w" }])]);
  assertEquals(tree.blocks.map(({ path }) => textOf(path)), ["", "a", "b"]);
  assertEquals(entriesOf(tree), ["/w", "/x", "a/y"]);
  assertEquals(tree.kindAt(bytes("a")), KIND.directory);
  assertEquals(tree.kindAt(bytes("a/y")), KIND.file);
  assertEquals(tree.kindAt(bytes("a/z")), undefined);
});

Deno.test("entries are removed, replaced and turned into links together", () => {
  const names = ["a", "b", "c", "d"].map((name) => ({ stat: file, name, location }));
  const tree = new MergedTree([block("", names)]);
  const other = block("b", []);
  tree.change(at(tree, "", 0), { kind: "remove" });
  tree.change(at(tree, "", 2), { kind: "link", target: bytes("d") });
  assertEquals(entriesOf(tree), ["/a", "/b", "/c", "/d"]);
  tree.apply();
  assertEquals(entriesOf(tree), ["/b", "/c -> d", "/d"]);
  tree.add([other]);
  assertEquals(tree.directory(bytes("b"))?.count, 0);
});

Deno.test("a set of entries tells the same position of two directories apart", () => {
  const set = new EntrySet([{ directory: 1, record: 96 }]);
  assertEquals([set.has(1, 96), set.has(0, 96), set.has(1, 0)], [true, false, false]);
});

Deno.test("all names of an inode become links to the one with the content", () => {
  const flags = FLAG.linked;
  const tree = new MergedTree([block("", [
    { stat: file, name: "a", kind: KIND.link, flags },
    { stat: file, name: "b", flags, location },
    { stat: file, name: "c", flags, location },
  ])]);
  const links = new HardLinks(tree);
  assertEquals(links.duplicates(), [at(tree, "", 2)]);
  links.packMissing(() => {
    throw new Error("a name has content already");
  });
  links.resolve();
  tree.apply();
  assertEquals(entriesOf(tree), ["/a -> b", "/b", "/c -> b"]);
});

Deno.test("an inode that no part has packed is packed by the first name that is still its", () => {
  const flags = FLAG.linked;
  const tree = new MergedTree([block("", [
    { stat: file, name: "a", kind: KIND.link, flags },
    { stat: file, name: "b", kind: KIND.link, flags },
    { stat: file, name: "c", kind: KIND.link, flags },
  ])]);
  const links = new HardLinks(tree);
  const asked: EntryRef[] = [];
  links.packMissing((entry) => {
    asked.push(entry);
    return asked.length === 2;
  });
  assertEquals(asked, [at(tree, "", 0), at(tree, "", 1)]);
});

Deno.test("a stale entry is overridden, removed by one whiteout, or keeps its layer out", () => {
  const tree = new MergedTree([
    block("", [{ stat: file, name: "file" }, { stat: symlink, name: "link", link: bytes("t") }]),
    block("dir", [{ stat: file, name: "kept" }]),
    block("was-file", []),
  ]);
  const stale = sortStale([
    { layer: 2, path: bytes("gone/b") },
    { layer: 1, path: bytes("gone/a") },
    { layer: 1, path: bytes("dir/old") },
    { layer: 1, path: bytes("link") },
    { layer: 3, path: bytes("was-file") },
    { layer: 4, path: bytes("file/below") },
    { layer: 5, path: bytes(`dir/${"n".repeat(253)}`) },
  ]);
  assertEquals([...conflictingLayers(tree, stale)].sort(), [3, 4, 5]);
  const rest = stale.filter(({ layer }) => layer < 3);
  assertEquals(pathsToRemove(tree, rest).map(textOf), ["dir/old", "gone"]);
});
