/** Damaged bytes at every reader of what the daemon itself writes: an error that says so, and an end. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { joinBytes } from "../../src/archive/bytes.ts";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { FrameWriter } from "../../src/archive/frame_writer.ts";
import { parseSeekTable, seekTableSize } from "../../src/archive/seek_table.ts";
import { encodeSparseMap, SparseMapReader } from "../../src/archive/sparse_map.ts";
import { BaselineReader, verifyBaseline } from "../../src/content/baseline/baseline_reader.ts";
import { LayerReader } from "../../src/image/layer_reader.ts";
import { Directory, type File, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../fixtures/folder.ts";
import { directory, file } from "../fixtures/tree.ts";
import { ImageFixture } from "./image_fixture.ts";
import { namesIn } from "./fixture.ts";

const RAW = new TextEncoder().encode("one frame after the other ".repeat(200));
const FRAME = 1000;

/** A blob of frames, one of them empty, with its seek table. */
function sealed(): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new FrameWriter((bytes) => parts.push(bytes.slice()));
  for (let at = 0; at < RAW.length; at += FRAME) writer.write(RAW.subarray(at, at + FRAME));
  writer.write(new Uint8Array(0));
  writer.seal();
  return joinBytes(...parts);
}

/** Bytes that may be changed anywhere, and cut. */
function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edits = fc.array(
    fc.tuple(
      // The end has what the rest is found by.
      fc.oneof(
        fc.nat(bytes.length - 1),
        fc.integer({ min: bytes.length - 60, max: bytes.length - 1 }),
      ),
      fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
    ),
    { maxLength: 4 },
  );
  return fc.tuple(edits, fc.oneof(fc.constant(bytes.length), fc.nat(bytes.length))).map(
    ([changes, length]) => {
      const copy = new Uint8Array(bytes);
      for (const [at, byte] of changes) copy[at] = byte;
      return copy.subarray(0, length);
    },
  );
}

/** Runs `read`. @returns what it gave; `undefined` where it threw one of these, which alone it may */
function refusedOr<T>(
  read: () => T,
  // deno-lint-ignore ban-types -- any class of errors
  ...errors: (Function & { prototype: Error })[]
): T | undefined {
  try {
    return read();
  } catch (error) {
    assert(errors.some((known) => error instanceof known), String(error));
    return undefined;
  }
}

/** Calls `use` with a file of these bytes. */
function withFile<T>(bytes: Uint8Array, use: (file: File) => T): T {
  using folder = testFolder();
  Deno.writeFileSync(join(folder.path, "file"), bytes);
  openLibc(libcPath());
  using dir = Directory.open(folder.path, "area");
  using opened = dir.openFile("file");
  return use(opened);
}

Deno.test("a damaged seek table describes the file that it ends, or is refused", () => {
  const blob = sealed();
  const size = seekTableSize(blob.subarray(-9))!;
  let refused = 0;
  fc.assert(
    fc.property(damaged(blob.subarray(blob.length - size)), (table) => {
      fc.pre(table.length >= 9);
      const parsed = refusedOr(() => parseSeekTable(table, blob.length), ArchiveError);
      if (!parsed) return void refused++;
      assertEquals(parsed.offsets.at(-1)! + table.length, blob.length);
      assertEquals(parsed.offsets.length, parsed.rawOffsets.length);
    }),
    { numRuns: 1000 },
  );
  assert(refused > 0);
});

Deno.test("a damaged layer gives as many bytes as were asked for, or is refused", () => {
  const blob = sealed();
  const read = (bytes: Uint8Array) =>
    withFile(bytes, (opened) => {
      const pieces: Uint8Array[] = [];
      new LayerReader(opened, bytes.length, RAW.length)
        .read(10, RAW.length - 10, (piece) => void pieces.push(piece.slice()));
      return joinBytes(...pieces);
    });
  assertEquals(read(blob), RAW.subarray(10));
  fc.assert(
    fc.property(damaged(blob), (bytes) => {
      const found = refusedOr(() => read(bytes), ArchiveError);
      if (found) assertEquals(found.length, RAW.length - 10);
    }),
    { numRuns: 300 },
  );
});

Deno.test("a damaged sparse map stays in its file, in order, or is refused", () => {
  const size = 1_000_000;
  const extents = [[0, 5], [4096, 8192], [500_000, 1]].map(([offset, length]) => ({
    offset: offset!,
    length: length!,
  }));
  const digits = fc.constantFrom(..."0123456789\n".split("").map((c) => c.charCodeAt(0)));
  const map = encodeSparseMap(extents, size);
  const edits = fc.array(fc.tuple(fc.nat(40), fc.oneof(digits, fc.nat(255))), { maxLength: 4 });
  let accepted = 0;
  fc.assert(
    fc.property(edits, fc.integer({ min: 1, max: 600 }), (changes, piece) => {
      const bytes = new Uint8Array(map);
      for (const [at, byte] of changes) bytes[at] = byte;
      const found = refusedOr(() => {
        const reader = new SparseMapReader();
        for (let at = 0; at < bytes.length; at += piece) {
          const part = bytes.subarray(at, at + piece);
          const taken = reader.take(part);
          const whole = reader.extents(size);
          if (whole || taken < part.length) return whole;
        }
        return undefined;
      }, ArchiveError);
      if (!found) return;
      accepted++;
      let end = 0;
      for (const { offset, length } of found) {
        assert(offset >= end && offset + length <= size);
        end = offset + length;
      }
    }),
    { numRuns: 2000 },
  );
  assert(accepted > 0);
});

Deno.test("a damaged baseline is refused before any of it is used", async () => {
  await using fixture = new ImageFixture(1);
  const folders = [..."abcdefghijklmno"].map((name) => [name, directory()] as const);
  const path = await fixture.publish("w", [...folders, ["d/f", file("f")], ["z", file("z")]]);
  await fixture.pack("w");
  Deno.writeTextFileSync(`${path}/d/f`, "changed");
  await fixture.pack("w");
  const [name] = namesIn(fixture.areas.baselines);
  const whole = Deno.readFileSync(join(fixture.areas.baselines, name!));
  withFile(whole, (opened) => {
    const { size, wholeBytes } = new BaselineReader(opened);
    assert(size > wholeBytes, "nothing was added to the baseline");
  });
  const open = (bytes: Uint8Array) =>
    withFile(bytes, (opened) => {
      verifyBaseline(opened);
      const reader = new BaselineReader(opened);
      return Array.from({ length: reader.directories }, (_, n) => reader.block(n).path.length);
    });
  const paths = open(whole);
  fc.assert(
    fc.property(damaged(whole), (bytes) => {
      const found = refusedOr(() => open(bytes), RangeError, ArchiveError);
      if (found) assertEquals(found, paths);
    }),
    { numRuns: 300 },
  );
});
