import { assertThrows } from "@std/assert";
import { Block, Memory } from "../../src/image/block.ts";
import { checkBlock } from "../../src/image/check_block.ts";
import { FIELD, HEAD, KIND, RECORD } from "../../src/image/layout.ts";
import { bytes, LAYER, sampleStats, soundBlock } from "./fixture.ts";

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
