import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  BaselineReader,
  loadVerifiedBaseline,
  verifyBaseline,
} from "../../src/content/baseline/baseline_reader.ts";
import { appendBaseline, writeBaseline } from "../../src/content/baseline/baseline_writer.ts";
import { PreviousTree } from "../../src/content/pack/scan/previous_tree.ts";
import { SharedPackState } from "../../src/content/pack/shared_state.ts";
import { compareBytes } from "../../src/archive/mod.ts";
import { digestOf } from "../../src/digest.ts";
import { Arena, type Block, BlockBuilder, type StaleEntry } from "../../src/image/mod.ts";
import type { File } from "../../src/linux/mod.ts";
import { buildBlock, bytes, LAYER, sampleStats, textOf } from "../image/fixture.ts";
import { openFolder } from "../linux/fixture.ts";

const { file, directory } = sampleStats();
const location = { layer: 0, offset: 512, stored: 7 };

function blocks(): Block[] {
  return [block("", ["a", "c", "e"]), block("sub", ["x"]), block("sub/deep", ["y"])];
}

function write(to: File): void {
  writeBaseline(to, blocks(), { layers: [LAYER], stale: [{ layer: 0, path: bytes("old") }] });
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

/** What a baseline says, its blocks in order. */
function said(reader: BaselineReader) {
  const { header: { layers, blocks, blockBytes }, index } = reader;
  const all = reader.all();
  for (const { block, number } of all) {
    const found = reader.find(block.path)!;
    assertEquals([found.number, textOf(found.block.path)], [number, textOf(block.path)]);
  }
  return {
    ...{ layers, blocks, blockBytes, index },
    stale: reader.stale(),
    directories: all.map(({ block }) => block.bytes.toHex()),
  };
}

const saves = fc.array(
  fc.record({
    // Of these paths with these names; none for a directory that is removed.
    changed: fc.dictionary(
      fc.constantFrom("", "a", "a/b", "a/b/c", "a-b", "z"),
      fc.array(fc.constantFrom("x", "y", "z"), { maxLength: 3 }),
    ),
    removed: fc.uniqueArray(fc.constantFrom("a", "a/b", "a/b/c", "a-b", "z")),
    stale: fc.uniqueArray(fc.constantFrom("s", "t", "uvw")),
  }),
  { minLength: 1, maxLength: 6 },
);

Deno.test("a baseline that was added to again and again says what one written whole does", () => {
  fc.assert(
    fc.property(saves, (all) => {
      using folder = openFolder();
      using opened = new DisposableStack();
      const create = (name: string) => opened.use(folder.dir.createFile(name));
      const tree = new Map([["", block("", ["a"])]]);
      let last = create("0");
      writeBaseline(last, [...tree.values()], { layers: [LAYER], stale: [] });
      const { size: wholeBytes } = last.stat();
      all.forEach(({ changed, removed, stale }, n) => {
        const reader = new BaselineReader(n % 2 === 0 ? last : loadVerifiedBaseline(last));
        const dead = new Set<number>();
        const isDead = (path: string) => {
          const found = reader.find(bytes(path));
          if (found) dead.add(found.number);
        };
        for (const path of removed) if (tree.delete(path)) isDead(path);
        const blocks = Object.entries(changed).map(([path, names]) => {
          const made = block(path, [...new Set(names)].sort());
          isDead(path);
          tree.set(path, made);
          return made;
        }).sort(byPath);
        const content = {
          layers: [LAYER, { ...LAYER, digest: digestOf(`${n}`) }],
          stale: stale.sort().map((path): StaleEntry => ({ layer: 0, path: bytes(path) })),
          index: { digest: digestOf(`index ${n}`), size: n, below: [{ ...LAYER, size: 7 }] },
        };
        const next = create(`${n + 1}`);
        appendBaseline(next, { file: last, reader, dead }, blocks, content);
        const whole = create(`whole ${n}`);
        writeBaseline(whole, [...tree.values()].sort(byPath), content);
        for (const file of [next, whole]) verifyBaseline(file);
        const added = new BaselineReader(loadVerifiedBaseline(next));
        assertEquals(said(added), said(new BaselineReader(loadVerifiedBaseline(whole))));
        assertEquals(said(new BaselineReader(next)), said(added));
        assertEquals(added.wholeBytes, wholeBytes);
        last = next;
      });
    }),
    { numRuns: 40 },
  );
});

function block(path: string, names: readonly string[]): Block {
  const entries = names.map((name) => ({ stat: file, name, location }));
  return buildBlock(new BlockBuilder(new Arena()), path, directory, entries);
}

const byPath = (a: Block, b: Block) => compareBytes(a.path, b.path);
