import { assertEquals, fail } from "@std/assert";
import { Abilities } from "../../src/content/abilities.ts";
import { openAreas } from "../../src/content/areas.ts";
import { MergedTree } from "../../src/content/pack/merge/merged_tree.ts";
import { rescan, type RescanOptions } from "../../src/content/pack/merge/rescan.ts";
import { PartStats } from "../../src/content/pack/part_stats.ts";
import { RestoreRights } from "../../src/content/pack/restore_rights.ts";
import { Walker } from "../../src/content/pack/scan/walker.ts";
import { FilePacker } from "../../src/content/pack/write/file_packer.ts";
import { LayerWriter } from "../../src/content/pack/write/layer_writer.ts";
import { Arena, BlockBuilder, blocksOf } from "../../src/image/mod.ts";
import { areasOf } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { bytes, textOf } from "../image/fixture.ts";
import { openFolder } from "../linux/fixture.ts";

/** A folder in which `make` has made content, and the pack of it up to the rescan. */
function walked(make: (path: string) => void, paths: readonly string[]) {
  const stack = new DisposableStack();
  const { dir: top, path } = stack.use(openFolder());
  make(path);
  const scratch = stack.use(testFolder());
  const areaPaths = areasOf(scratch.path);
  for (const area of Object.values(areaPaths)) Deno.mkdirSync(area, { recursive: true });
  const areas = openAreas(areaPaths);
  const layers = stack.use(new LayerWriter({ areas, name: "pack", firstNumber: 0, onSealed() {} }));
  const now = Date.now();
  const stats = new PartStats();
  const arena = new Arena();
  const shared = {
    top,
    packer: new FilePacker(layers, { syncedAt: now, resync: () => now, tick() {} }),
    claims: { claim: () => true },
    stats,
    rights: new RestoreRights(new Abilities(areas.staging), stats),
  };
  const walker = new Walker({
    ...shared,
    builder: new BlockBuilder(arena),
    previous: undefined,
    largeFileBytes: Infinity,
    onDirectory() {},
    onLarge: () => 0,
    tick() {},
  });
  for (const path of paths) walker.walk(bytes(path));
  const tree = new MergedTree(blocksOf(arena.buffers));
  const moved = stack.move();
  return {
    path,
    stats,
    options: { ...shared, tree, tick() {} } satisfies RescanOptions,
    entries() {
      const found: string[] = [];
      tree.each((block, record) => {
        found.push(`${textOf(block.path)}/${textOf(block.name(record))}`);
      });
      return found;
    },
    [Symbol.dispose]: () => moved.dispose(),
  };
}

Deno.test("what appeared in walked directories is packed once, with all that is below it", () => {
  using pack = walked((path) => {
    Deno.mkdirSync(`${path}/d`);
    Deno.writeTextFileSync(`${path}/d/old`, "old");
  }, ["", "d"]);
  assertEquals(pack.entries(), ["d/old"]);
  Deno.writeTextFileSync(`${pack.path}/d/new`, "new");
  Deno.mkdirSync(`${pack.path}/d/sub/deep`, { recursive: true });
  Deno.writeTextFileSync(`${pack.path}/d/sub/deep/file`, "deep");
  rescan(pack.options, [bytes("d")]);
  assertEquals(pack.entries(), ["d/new", "d/old", "d/sub/deep/file"]);
  assertEquals([pack.stats.files, pack.stats.unstable], [3, []]);
});

Deno.test("a directory that was moved to where nobody looks any more is found there", () => {
  using pack = walked((path) => {
    for (const name of ["a", "b/sub"]) Deno.mkdirSync(`${path}/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${path}/b/sub/file`, "moved");
  }, ["", "a", "b", "b/sub"]);
  Deno.renameSync(`${pack.path}/b/sub`, `${pack.path}/a/sub`);
  // Shows even where all of this happens within one tick of the kernel's clock.
  Deno.chmodSync(`${pack.path}/a`, 0o711);
  // Only that it is gone is known: the place that it was moved to was walked before.
  rescan(pack.options, [bytes("b/sub")]);
  assertEquals(pack.entries(), ["a/sub/file", "b/sub/file"]);
  assertEquals(pack.stats.unstable, []);
});

Deno.test("a directory that changes at every look counts as unstable in the end, and is packed", () => {
  using pack = walked((path) => Deno.mkdirSync(`${path}/d`), ["", "d"]);
  const path = `${pack.path}/d`;
  let looks = 0;
  const tick = () => Deno.chmodSync(path, 0o700 + ++looks % 0o77);
  Deno.writeTextFileSync(`${path}/file`, "new");
  rescan({ ...pack.options, tick }, [bytes("d")]);
  assertEquals(pack.entries(), ["d/file"]);
  assertEquals(pack.stats.unstable, ["d"]);
});

Deno.test("a pack without changed directories looks at none", () => {
  using pack = walked((path) => Deno.mkdirSync(`${path}/d`), ["", "d"]);
  Deno.writeTextFileSync(`${pack.path}/d/file`, "unseen");
  rescan({ ...pack.options, tick: () => fail() }, []);
  assertEquals(pack.entries(), []);
});
