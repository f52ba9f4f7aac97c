/** Indexes that are patches over others: whatever is saved, it reads as if it had been written whole. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Digest, digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import {
  Arena,
  type Block,
  BlockBuilder,
  checkLayersOfIndex,
  type IndexContent,
  type LayerInfo,
  layersInUse,
  readIndex,
  REMOVED_DIRECTORY,
  sortStale,
  type StaleEntry,
  writeIndex,
} from "../../src/image/mod.ts";
import { compareBytes } from "../../src/archive/mod.ts";
import { UNUSED_LAYER } from "../../src/image/tree_file.ts";
import { openFolder } from "../linux/fixture.ts";
import { buildBlock, bytes, LAYER, sampleStats, textOf } from "./fixture.ts";

const { file, directory } = sampleStats();

/** A tree by its directories' paths, with the names of their files and the layer of each. */
interface Tree {
  readonly layers: readonly LayerInfo[];
  readonly directories: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly stale: readonly StaleEntry[];
}

function blocksOf({ directories }: Tree, paths: Iterable<string> = directories.keys()): Block[] {
  const builder = new BlockBuilder(new Arena());
  return [...paths].map((path) =>
    buildBlock(
      builder,
      path,
      directory,
      [...directories.get(path)!].sort(([a], [b]) => a < b ? -1 : 1).map(([name, layer]) => ({
        stat: file,
        name,
        location: { layer, offset: 512, stored: file.size },
      })),
    )
  ).sort((a, b) => compareBytes(a.path, b.path));
}

const isData = (layer?: LayerInfo) => layer && !layer.isMetadata && !layer.isUnused;
const keyOf = ({ layer, path }: StaleEntry) => `${layer} ${textOf(path)}`;

/** What one save after another writes: whole at first, then patches. */
function differences(before: Tree, now: Tree, below: Digest): IndexContent {
  const [old, fresh] = [before, now].map(({ stale }) => new Set(stale.map(keyOf)));
  const changed = [...now.directories].filter(([path, files]) =>
    JSON.stringify([...files]) !== JSON.stringify([...before.directories.get(path) ?? [["", 0]]])
  ).map(([path]) => path);
  const removed = [...before.directories.keys()].filter((path) => !now.directories.has(path))
    .map((path) => ({ layer: REMOVED_DIRECTORY, path: bytes(path) }));
  const isUsed = ({ layer }: StaleEntry) => !now.layers[layer]!.isUnused;
  const dropped = before.stale.filter((entry) => isUsed(entry) && !fresh!.has(keyOf(entry)));
  return {
    layers: now.layers,
    blocks: blocksOf(now, changed),
    stale: now.stale.filter((entry) => !old!.has(keyOf(entry))),
    patch: { below, removals: sortStale([...removed, ...dropped]) },
  };
}

const layer = (n: number): LayerInfo => ({ ...LAYER, digest: digestOf(`layer ${n}`) });

const START: Tree = {
  layers: [layer(0), { ...layer(1), isMetadata: true }],
  directories: new Map([["", new Map([["a", 0], ["b", 0]])], ["d", new Map([["x", 0]])]]),
  stale: [{ layer: 0, path: bytes("gone") }],
};

/** An edit: a directory, whether it goes, the files that it has then, and a layer that is given up. */
const edit = fc.record({
  path: fc.constantFrom("", "d", "d/e", "d-f", "d/e/g", "h"),
  isRemoved: fc.boolean(),
  names: fc.uniqueArray(fc.constantFrom("a", "b", "c", "x"), { maxLength: 3 }),
  givesUp: fc.nat(3),
});

function edited(tree: Tree, edits: readonly EditModel[], save: number): Tree {
  const added = tree.layers.length;
  const layers: LayerInfo[] = [...tree.layers, layer(100 + save)];
  const directories = new Map(tree.directories);
  const stale = new Map(tree.stale.map((entry) => [keyOf(entry), entry]));
  for (const { path, isRemoved, names } of edits) {
    for (const [name, layer] of directories.get(path) ?? []) {
      const entry = { layer, path: bytes(path === "" ? name : `${path}/${name}`) };
      if (isData(layers[layer]) && layer !== added) stale.set(keyOf(entry), entry);
    }
    if (isRemoved && path !== "") directories.delete(path);
    else directories.set(path, new Map(names.map((name) => [name, added])));
  }
  const [first] = edits;
  const givenUp = first!.givesUp;
  if (isData(layers[givenUp]) && givenUp !== added) {
    layers[givenUp] = UNUSED_LAYER;
    for (const [path, files] of directories) {
      const moved = [...files].map(([name, at]) => [name, at === givenUp ? added : at] as const);
      directories.set(path, new Map(moved));
    }
  }
  const left = [...stale.values()].filter((entry) => !layers[entry.layer]!.isUnused);
  // One is dropped, as where a file is there again as it was.
  return { layers, directories, stale: sortStale(left.slice(save % 2)) };
}

type EditModel = { path: string; isRemoved: boolean; names: string[]; givesUp: number };

Deno.test("a chain of patches reads as the index that would have been written whole", () => {
  const saves = fc.array(fc.array(edit, { minLength: 1, maxLength: 3 }), { maxLength: 8 });
  fc.assert(
    fc.property(saves, (all) => {
      using folder = openFolder();
      const write = (name: string, content: IndexContent) => {
        const made = folder.dir.createFile(name);
        return { file: made, blob: writeIndex(made, content) };
      };
      let tree = START;
      const chain = [write("0", { ...tree, blocks: blocksOf(tree) })];
      all.forEach((edits, n) => {
        const now = edited(tree, edits, n);
        chain.unshift(write(`${n + 1}`, differences(tree, now, chain[0]!.blob.digest)));
        tree = now;
      });
      const whole = write("whole", { ...tree, blocks: blocksOf(tree) });
      const [read, expected] = [readIndex(chain), readIndex([whole])];
      assertEquals(read.header, expected.header);
      assertEquals(read.memory.bytes, expected.memory.bytes);
      assertEquals(
        read.blocks.map(({ at, path }) => [at, textOf(path)]),
        expected.blocks.map(({ at, path }) => [at, textOf(path)]),
      );
      for (const { file } of [...chain, whole]) file[Symbol.dispose]();
    }),
    { numRuns: 60 },
  );
});

Deno.test("the layers of an image are those in use, the metadata layer last", () => {
  const table = [layer(0), { ...layer(1), isMetadata: true }, UNUSED_LAYER, layer(2)];
  const digests = [0, 2, 1].map((n) => layer(n).digest);
  assertEquals(layersInUse(table).map(({ digest }) => digest), digests);
  checkLayersOfIndex(digestOf("index"), table, layersInUse(table));
  assertThrows(
    () => checkLayersOfIndex(digestOf("index"), table, table),
    DaemonError,
    "other layers",
  );
});

Deno.test("a patch that is not of what is below it is DATA_LOSS that names it", () => {
  using folder = openFolder();
  const opened = new DisposableStack();
  using _opened = opened;
  let files = 0;
  const write = (content: IndexContent) => {
    const file = opened.use(folder.dir.createFile(`${files++}`));
    return { file, blob: writeIndex(file, content) };
  };
  const whole = write({ ...START, blocks: blocksOf(START) });
  const other = write({ ...START, stale: [], blocks: blocksOf(START) });
  const below = whole.blob.digest;
  const empty = { layers: START.layers, blocks: [], stale: [] };
  const patch = write({ ...empty, patch: { below, removals: [] } });
  const next = write({ ...empty, patch: { below: patch.blob.digest, removals: [] } });
  assertEquals(readIndex([next, patch, whole]).blocks.length, START.directories.size);
  const unused = [UNUSED_LAYER, START.layers[1]!];
  const removing = (path: string, layer: number) =>
    write({ ...empty, patch: { below, removals: [{ layer, path: bytes(path) }] } });
  const cases: [string, ReturnType<typeof write>[]][] = [
    ["it is a patch, and nothing is below it", [patch]],
    ["it is no patch of the index", [patch, other]],
    ["it is no patch of the index", [next, whole]],
    ["it is no patch of the index", [other, whole]],
    ["it removes what the index below it does not have", [
      removing("no-such", REMOVED_DIRECTORY),
      whole,
    ]],
    ["it removes what the index below it does not have", [removing("no-such", 0), whole]],
    ["its layers have other numbers", [
      write({ ...empty, layers: [...START.layers].reverse(), patch: { below, removals: [] } }),
      whole,
    ]],
    ["its layers have other numbers", [
      write({ ...empty, layers: [], patch: { below, removals: [] } }),
      whole,
    ]],
    ["a layer that the image no longer has", [
      write({ ...empty, layers: unused, patch: { below, removals: [] } }),
      whole,
    ]],
  ];
  for (const [says, chain] of cases) {
    const error = assertThrows(() => readIndex(chain), DaemonError, says);
    assertEquals(error.code, "DATA_LOSS");
    const named = says.includes("nothing is below") ? patch : chain[0]!;
    assertStringIncludes(error.message, named.blob.digest);
  }
});

Deno.test("a blob of a chain that is damaged or cut is DATA_LOSS that names it", () => {
  using folder = openFolder();
  using opened = new DisposableStack();
  const write = (name: string, content: IndexContent) => {
    const file = opened.use(folder.dir.createFile(name));
    return { file, blob: writeIndex(file, content) };
  };
  const whole = write("whole", { ...START, blocks: blocksOf(START) });
  const patch = write("patch", {
    layers: START.layers,
    blocks: [],
    stale: [],
    patch: { below: whole.blob.digest, removals: [] },
  });
  for (const damaged of [whole, patch]) {
    const { size } = damaged.blob;
    const at = size >> 1;
    const byte = new Uint8Array(1);
    damaged.file.readAt(byte, at);
    damaged.file.seek(at);
    damaged.file.write(Uint8Array.of(byte[0]! ^ 1));
    const error = assertThrows(() => readIndex([patch, whole]), DaemonError);
    assertEquals(error.code, "DATA_LOSS");
    assert(error.message.includes(damaged.blob.digest));
    damaged.file.seek(at);
    damaged.file.write(byte);
    assertEquals(readIndex([patch, whole]).blocks.length, START.directories.size);
  }
});
