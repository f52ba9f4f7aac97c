import { assert, assertEquals, assertThrows } from "@std/assert";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { DaemonError } from "../../src/errors.ts";
import { Arena } from "../../src/image/arena.ts";
import { BlockBuilder } from "../../src/image/block_builder.ts";
import { BUFFER_BYTES } from "../../src/image/buffers.ts";
import { readIndex } from "../../src/image/index_reader.ts";
import { writeIndex } from "../../src/image/index_writer.ts";
import { LayerReader } from "../../src/image/layer_reader.ts";
import { LOCAL_FIELDS, RECORD } from "../../src/image/layout.ts";
import { encodeHeader } from "../../src/image/tree_file.ts";
import { openFolder } from "../linux/fixture.ts";
import { buildBlock, LAYER, sampleStats, textOf } from "./fixture.ts";

const { file, directory } = sampleStats();

/** Blocks of which one is larger than a frame, so that records lie across frames' ends. */
function someBlocks() {
  const builder = new BlockBuilder(new Arena());
  return [3, 25_000, 1].map((count, n) => {
    const entries = Array.from({ length: count }, (_, i) => ({
      stat: file,
      name: `${i}`.padStart(6, "0"),
      location: { layer: 0, offset: i % 100, stored: file.size },
    }));
    return buildBlock(builder, n === 0 ? "" : `d${n}`, directory, entries);
  });
}

/** The uncompressed index of the blocks: without what only this node knows. */
function expected(header: Uint8Array, blocks: ReturnType<typeof someBlocks>): Uint8Array {
  const parts = blocks.map((block) => {
    const bytes = block.bytes.slice();
    for (let n = 0; n <= block.count; n++) {
      const record = block.self - block.at + n * RECORD;
      bytes.fill(0, record + LOCAL_FIELDS, record + RECORD);
    }
    return bytes;
  });
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, header.length));
  let at = 0;
  for (const part of [header, ...parts]) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function write(blocks: ReturnType<typeof someBlocks>) {
  const folder = openFolder();
  const header = encodeHeader({
    layers: [LAYER],
    blocks: blocks.length,
    blockBytes: blocks.reduce((sum, block) => sum + block.length, 0),
    stale: 0,
    staleBytes: 0,
  });
  const made = folder.dir.createFile("index");
  const sealed = writeIndex(made, { layers: [LAYER], blocks, stale: [] });
  return { folder, made, sealed, raw: expected(header, blocks) };
}

Deno.test("an index has every block, and nothing that only this node knows", () => {
  const blocks = someBlocks();
  const { folder, made, sealed, raw } = write(blocks);
  using _folder = folder;
  using index = made;
  assert(raw.length > 2 * BUFFER_BYTES);
  const loaded = readIndex([{ file: index, blob: sealed }]);
  assertEquals(loaded.blocks.map((block) => textOf(block.path)), ["", "d1", "d2"]);
  assertEquals(loaded.memory.bytes.length, raw.length);
  assert(loaded.memory.bytes.every((byte, at) => byte === raw[at]), "the bytes differ");
  for (const block of loaded.blocks) {
    for (let record = block.self; record < block.end; record += RECORD) {
      assertEquals([block.ino(record), block.devMajor(record)], [0n, 0]);
    }
  }
});

Deno.test("a layer reader hands out any range, over the ends of frames and within one", () => {
  const { folder, made, sealed, raw } = write(someBlocks());
  using _folder = folder;
  using layer = made;
  using reader = new LayerReader(layer, sealed.size, sealed.rawSize);
  const frame = BUFFER_BYTES;
  const ranges = [
    [0, 1],
    [0, raw.length],
    [raw.length - 1, 1],
    [frame - 100_000, 200_000],
    [frame, frame],
    [5, 0],
  ];
  for (const [offset, length] of ranges as [number, number][]) {
    const read: number[] = [];
    let at = offset;
    reader.read(offset, length, (piece) => {
      assert(piece.every((byte, n) => byte === raw[at + n]), `${offset}+${length} differs`);
      at += piece.length;
      read.push(piece.length);
    });
    assertEquals(read.reduce((sum, count) => sum + count, 0), length);
  }
  for (const [offset, length] of [[raw.length, 1], [raw.length - 1, 2], [raw.length + 5, 1]]) {
    assertThrows(() => reader.read(offset!, length!, () => {}), ArchiveError, "it has no byte");
  }
});

Deno.test("a layer reader refuses a file without a seek table, and one of another length", () => {
  const { folder, made, sealed } = write(someBlocks());
  using at = folder;
  using layer = made;
  assertThrows(
    () => new LayerReader(layer, sealed.size, sealed.rawSize + 1),
    ArchiveError,
    "its seek table is not for",
  );
  using plain = at.dir.createFile("plain");
  plain.write(new Uint8Array(100));
  assertThrows(() => new LayerReader(plain, 100, 100), ArchiveError, "no seek table");
  assertThrows(() => new LayerReader(plain, 3, 100), ArchiveError, "no seek table");
  const error = assertThrows(() => readIndex([{ file: plain, blob: sealed }]), DaemonError);
  assertEquals(error.code, "DATA_LOSS");
});
