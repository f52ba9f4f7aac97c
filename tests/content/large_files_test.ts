import { assertEquals } from "@std/assert";
import { placeLargeFiles } from "../../src/content/pack/merge/large_files.ts";
import { MergedTree } from "../../src/content/pack/merge/merged_tree.ts";
import type { LargeFileResults } from "../../src/content/pack/pack_job.ts";
import { Arena, BlockBuilder, KIND, TEMPORARY_LAYER } from "../../src/image/mod.ts";
import { buildBlock, bytes, sampleStats, textOf } from "../image/fixture.ts";

const { file, directory } = sampleStats();

function placeholder(key: number) {
  return { layer: TEMPORARY_LAYER.largeFile, offset: key, stored: 0 };
}

/** What one part made of large files, each with the layer that it is in. */
function resultsOf(files: readonly { key: number; name: string; layer: number }[]) {
  const arena = new Arena();
  for (const { name, layer } of files) {
    const builder = new BlockBuilder(arena);
    builder.begin(bytes(name));
    const location = { layer, offset: 512, stored: 7 };
    builder.add(file, { kind: KIND.file, name: bytes(name), location });
    builder.finish();
  }
  return {
    keys: files.map(({ key }) => key),
    arena: arena.buffers,
    shared: new Map(),
    segments: [],
  } satisfies LargeFileResults;
}

Deno.test("a large file's record replaces its placeholder, whichever part packed it", () => {
  const tree = new MergedTree([
    buildBlock(new BlockBuilder(new Arena()), "", directory, [
      { stat: file, name: "a", location: placeholder(11) },
      { stat: file, name: "b", location: placeholder(12) },
      { stat: file, name: "gone", location: placeholder(13) },
      { stat: file, name: "small", location: { layer: 3, offset: 0, stored: 7 } },
    ]),
  ]);
  placeLargeFiles(tree, [
    resultsOf([]),
    resultsOf([{ key: 12, name: "b", layer: 5 }]),
    resultsOf([{ key: 11, name: "a", layer: 6 }]),
  ], { pack: () => {} });
  const found: [string, number][] = [];
  tree.each((block, record) => found.push([textOf(block.name(record)), block.layer(record)]));
  assertEquals(found, [["a", 6], ["b", 5], ["small", 3]]);
});
