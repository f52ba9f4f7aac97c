import { assertEquals, assertThrows } from "@std/assert";
import { Arena } from "../../src/image/arena.ts";
import { Block, Memory } from "../../src/image/block.ts";
import { BlockBuilder } from "../../src/image/block_builder.ts";
import { checkBlock } from "../../src/image/check_block.ts";
import { ChunkListBuilder } from "../../src/image/chunk_list.ts";
import { CHUNKED_LAYER, FIELD, FLAG, HEAD, KIND, RECORD } from "../../src/image/layout.ts";
import { type LayerInfo, NO_DIFF_ID } from "../../src/image/tree_file.ts";
import { buildBlock, bytes, LAYER, sampleStats, soundBlock } from "./fixture.ts";

const stats = sampleStats();
const sound = soundBlock(stats).bytes.slice();

/** A copy that can be damaged, with the positions of its records. */
function copy() {
  const memory = new Memory(sound.slice().buffer);
  const block = new Block(memory, 0);
  const [fifo, file, link, symlink] = [0, 1, 2, 3].map((n) => block.first + n * RECORD);
  return { block, ...memory, fifo: fifo!, file: file!, link: link!, symlink: symlink! };
}
type Copy = ReturnType<typeof copy>;

const check = ({ block }: Copy) => checkBlock(block, sound.length, [LAYER]);
const u32 = ({ view }: Copy, at: number, value: number) => view.setUint32(at, value, true);
const f64 = ({ view }: Copy, at: number, value: number) => view.setFloat64(at, value, true);

const table: readonly (readonly [says: string, damage: (to: Copy) => void])[] = [
  ["leaves the file", (to) => u32(to, HEAD.length, sound.length + 8)],
  ["leaves the file", (to) => u32(to, HEAD.length, sound.length - 1)],
  ["leaves the file", (to) => u32(to, HEAD.length, 0)],
  ["more entries than room", (to) => u32(to, HEAD.count, 1000)],
  ["a path leaves its directory", (to) => u32(to, HEAD.pathLength, sound.length)],
  ["no proper name", (to) => to.bytes.set(bytes("/"), to.block.end)],
  ["has a NUL", (to) => to.bytes.set([0], to.block.end)],
  ["own record is of another kind", (to) => to.block.setKind(to.block.self, KIND.fifo)],
  ["an entry is a directory", (to) => to.block.setKind(to.fifo, KIND.directory)],
  ["no proper name", (to) => u32(to, to.fifo + FIELD.nameLength, 0)],
  ["no proper name", (to) => to.block.name(to.fifo).set(bytes("/"))],
  ["no proper name", (to) => to.block.name(to.fifo).set([0])],
  ["out of order", (to) => to.block.name(to.fifo).set(bytes("z"))],
  ["a name leaves its directory", (to) => u32(to, to.file + FIELD.heap, sound.length)],
  ["a name leaves its directory", (to) => u32(to, to.file + FIELD.heap, 8)],
  ["impossible mode or flag", (to) => to.block.setFlags(to.file, 0x80)],
  ["impossible mode or flag", (to) => to.view.setUint16(to.file + FIELD.mode, 0o100644, true)],
  ["impossible time", (to) => u32(to, to.file + FIELD.mtimeNsec, 1e9)],
  ["impossible time", (to) => f64(to, to.file + FIELD.mtimeSec, NaN)],
  ["impossible size or place", (to) => f64(to, to.file + FIELD.size, -1)],
  ["impossible size or place", (to) => f64(to, to.file + FIELD.offset, 0.5)],
  ["impossible size or place", (to) => f64(to, to.file + FIELD.size, 2 ** 60)],
  ["an attribute leaves its list", (to) => to.block.xattrBytes(to.symlink).fill(0xff)],
  ["a layer that the image does not have", (to) => u32(to, to.file + FIELD.layer, 1)],
  ["not that of its content", (to) => f64(to, to.file + FIELD.stored, 6)],
  ["not that of its content", (to) => f64(to, to.file + FIELD.stored, NaN)],
  ["leaves its layer", (to) => f64(to, to.file + FIELD.offset, LAYER.rawSize - 6)],
  ["no proper target", (to) => to.block.link(to.symlink).set([0])],
  ["no proper target", (to) => {
    to.block.setKind(to.link, KIND.symlink);
    u32(to, to.link + FIELD.linkLength, 0);
  }],
  ["no proper name", (to) => to.block.link(to.link).set(bytes("../../up/b-file"))],
  ["no proper name", (to) => u32(to, to.link + FIELD.linkLength, 0)],
  ["an unknown kind", (to) => to.block.setKind(to.fifo, KIND.gone)],
  ["an unknown kind", (to) => to.block.setKind(to.fifo, 8)],
  ["an impossible number", (to) => {
    to.block.setKind(to.fifo, KIND.block);
    f64(to, to.fifo + FIELD.size, 2 ** 32);
  }],
];

Deno.test("a sound block passes", () => check(copy()));

for (const [n, [says, damage]] of table.entries()) {
  Deno.test(`a block is refused, case ${n}: ${says}`, () => {
    const damaged = copy();
    damage(damaged);
    assertThrows(() => check(damaged), RangeError, says);
  });
}

const PACK: LayerInfo = { ...LAYER, diffId: NO_DIFF_ID, isChunks: true };
const builder = new ChunkListBuilder();
builder.add(new Uint8Array(32).fill(1), { pack: 1, offset: 100 }, 3);
builder.add(new Uint8Array(32).fill(2), { pack: 1, offset: 0 }, 4);
const digest = new Uint8Array(32).fill(9);
const chunked = buildBlock(new BlockBuilder(new Arena()), "some", stats.directory, [{
  stat: stats.file,
  name: "file",
  flags: FLAG.digest | FLAG.chunked,
  location: { layer: CHUNKED_LAYER, offset: 2, stored: 7 },
  content: new Uint8Array([...digest, ...builder.bytes]),
}]);

Deno.test("a file of chunks passes, and its copy has the same chunks", () => {
  const block = new BlockBuilder(new Arena());
  block.begin(bytes("elsewhere"));
  block.copy(chunked, chunked.self);
  block.copy(chunked, chunked.first);
  const copied = block.finish();
  checkBlock(copied, copied.length, [LAYER, PACK]);
  assertEquals(copied.chunks(copied.first).bytes, builder.bytes);
  assertEquals(copied.contentBytes(copied.first).subarray(0, 32), digest);
});

Deno.test("a file of chunks that becomes a link to another has none of them", () => {
  const block = new BlockBuilder(new Arena());
  block.begin(bytes("some"));
  block.copy(chunked, chunked.self);
  block.copy(chunked, chunked.first, bytes("some/other"));
  const copied = block.finish();
  copied.setKind(copied.first, KIND.link);
  assertEquals([copied.flags(copied.first), copied.contentBytes(copied.first).length], [0, 0]);
  checkBlock(copied, copied.length, [LAYER, PACK]);
});

const chunkTable:
  readonly (readonly [says: string, damage: (list: Block, file: number) => void])[] = [
    ["no chunk pack", (to, file) => to.chunks(file).setPlace(1, { pack: 0, offset: 0 })],
    ["no chunk pack", (to, file) => to.chunks(file).setPlace(1, { pack: 2, offset: 0 })],
    ["leaves its pack", (to, file) => to.chunks(file).setPlace(1, { pack: 1, offset: 9_997 })],
    ["leaves its pack", (to, file) => to.chunks(file).set(0, digest, { pack: 1, offset: 0 }, 0)],
    ["do not come to its size", (to, file) => {
      to.chunks(file).set(0, digest, { pack: 1, offset: 0 }, 4);
    }],
    ["in a layer, too", (to, file) => to.setLayer(file, 0, 2)],
    ["a name leaves its directory", (to, file) => to.setLayer(file, CHUNKED_LAYER, 3)],
    ["a name leaves its directory", (to, file) => to.setLayer(file, CHUNKED_LAYER, 2 ** 40)],
    ["a layer that the image does not have", (to, file) => {
      to.setFlags(file, 0);
      to.setLayer(file, 1, 0);
    }],
    ["impossible mode or flag", (to, file) => to.setKind(file, KIND.fifo)],
  ];

for (const [n, [says, damage]] of chunkTable.entries()) {
  Deno.test(`a file of chunks is refused, case ${n}: ${says}`, () => {
    const damaged = new Block(new Memory(chunked.bytes.slice().buffer), 0);
    damage(damaged, damaged.first);
    const check = () => checkBlock(damaged, chunked.length, [LAYER, PACK]);
    assertThrows(check, RangeError, says);
  });
}
