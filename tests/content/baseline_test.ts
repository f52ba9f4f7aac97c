import { assertEquals, assertThrows } from "@std/assert";
import { BaselineReader, verifyBaseline } from "../../src/content/baseline/baseline_reader.ts";
import { BaselineWriter } from "../../src/content/baseline/baseline_writer.ts";
import { PreviousTree } from "../../src/content/pack/scan/previous_tree.ts";
import { SharedPackState } from "../../src/content/pack/shared_state.ts";
import { Arena, type Block, BlockBuilder, encodeHeader, encodeStale } from "../../src/image/mod.ts";
import type { File } from "../../src/linux/mod.ts";
import { buildBlock, bytes, LAYER, sampleStats, textOf } from "../image/fixture.ts";
import { openFolder } from "../linux/fixture.ts";

const { file, directory } = sampleStats();
const location = { layer: 0, offset: 512, stored: 7 };

function blocks(): Block[] {
  const build = (path: string, names: readonly string[]) =>
    buildBlock(
      new BlockBuilder(new Arena()),
      path,
      directory,
      names.map((name) => ({ stat: file, name, location })),
    );
  return [build("", ["a", "c", "e"]), build("sub", ["x"]), build("sub/deep", ["y"])];
}

function write(to: File): void {
  const all = blocks();
  const stale = [{ layer: 0, path: bytes("old") }];
  const staleBytes = encodeStale(stale);
  using writer = new BaselineWriter(to);
  writer.bytes(encodeHeader({
    layers: [LAYER],
    blocks: all.length,
    blockBytes: all.reduce((sum, block) => sum + block.length, 0),
    stale: stale.length,
    staleBytes: staleBytes.length,
  }));
  for (const block of all) writer.block(block);
  writer.bytes(staleBytes);
  writer.finish();
}

Deno.test("a baseline finds each directory by its path, and no other", () => {
  using folder = openFolder();
  using written = folder.dir.createFile("baseline");
  write(written);
  verifyBaseline(written);
  const reader = new BaselineReader(written);
  assertEquals(reader.directories, 3);
  assertEquals(reader.header.layers, [LAYER]);
  for (const path of ["", "sub", "sub/deep"]) {
    assertEquals(textOf(reader.find(bytes(path))!.block.path), path);
  }
  assertEquals(reader.find(bytes("su")), undefined);
  assertEquals(reader.stale().map(({ layer, path }) => [layer, textOf(path)]), [[0, "old"]]);
});

Deno.test("a baseline with one byte changed, or cut short, is refused", () => {
  using folder = openFolder();
  using written = folder.dir.createFile("baseline");
  write(written);
  const { size } = written.stat();
  const byte = new Uint8Array(1);
  written.readAt(byte, 100);
  written.writeAt(Uint8Array.of(byte[0]! ^ 1), 100);
  assertThrows(() => verifyBaseline(written), RangeError, "checksum");
  written.writeAt(byte, 100);
  verifyBaseline(written);
  written.truncate(size - 1);
  assertThrows(() => verifyBaseline(written), RangeError, "footer");
  written.truncate(3);
  assertThrows(() => verifyBaseline(written), RangeError, "too short");
});

Deno.test("names that the previous tree had and nobody asks for are stale, visited or not", () => {
  using folder = openFolder();
  using written = folder.dir.createFile("baseline");
  write(written);
  const visited = new SharedPackState(SharedPackState.allocate(1, 3), 1);
  const tree = new PreviousTree(
    new BaselineReader(written),
    visited,
    new Set([LAYER.digest]),
  );
  const top = tree.directory(bytes(""))!;
  assertEquals(top.find(bytes("b")), undefined);
  const record = top.find(bytes("c"))!;
  assertEquals(top.hasContent(record), true);
  assertEquals(top.find(bytes("d")), undefined);
  top.finish();
  assertEquals(tree.stale.map(({ path }) => textOf(path)), ["a", "e"]);
  tree.directory(bytes("sub"))!.find(bytes("x"));
  tree.markUnvisitedStale();
  assertEquals(tree.stale.map(({ path }) => textOf(path)), ["a", "e", "sub/deep/y"]);
  assertEquals(tree.directory(bytes("none")), undefined);
});

Deno.test("nothing of a layer that is not stored any more is stale", () => {
  using folder = openFolder();
  using written = folder.dir.createFile("baseline");
  write(written);
  const visited = new SharedPackState(SharedPackState.allocate(1, 3), 1);
  const tree = new PreviousTree(new BaselineReader(written), visited, new Set());
  tree.markUnvisitedStale();
  assertEquals(tree.stale, []);
});
