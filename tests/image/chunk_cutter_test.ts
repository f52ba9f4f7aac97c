import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import {
  ChunkCutter,
  type Cut,
  MAX_CHUNK,
  MAX_SEGMENT,
  MIN_CHUNK,
} from "../../src/image/chunk_cutter.ts";
import { noise } from "../fixtures/noise.ts";

const MiB = 1 << 20;
const GOLDEN_NOISE = [
  564398,
  436704,
  710088,
  475978,
  353232,
  291207,
  280226,
  301827,
  703263,
  263150,
  416471,
  357967,
  278041,
  321092,
  425885,
  592508,
  307283,
  805749,
  720861,
  307020,
  1015090,
  454656,
  103064,
];
const GOLDEN_TEXT = [343119, 408845, 1067053, 507020, 325219, 393285, 494799, 265959, 283591];
const GOLDEN_SEGMENTS = [38769178, 68334697, 131986031, 134217728];

function cuts(bytes: Uint8Array): Cut[] {
  const cutter = new ChunkCutter();
  const found: Cut[] = [];
  for (let at = 0; at < bytes.length;) {
    const cut = cutter.cut(bytes, at, bytes.length, true);
    found.push(cut);
    at += cut.length;
  }
  return found;
}

function digests(bytes: Uint8Array): Set<string> {
  let at = 0;
  return new Set(
    cuts(bytes).map(({ length }) => {
      const chunk = bytes.subarray(at, at += length);
      return createHash("sha256").update(chunk).digest("hex");
    }),
  );
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

Deno.test("golden: the cuts of given bytes are the same for ever", () => {
  assertEquals(cuts(noise(10 * MiB, 1)).map(({ length }) => length), GOLDEN_NOISE);
  const text = new TextEncoder().encode(
    Array.from({ length: 200_000 }, (_, n) => `line ${n} of a log\n`).join(""),
  );
  assertEquals(cuts(text).map(({ length }) => length), GOLDEN_TEXT);
  assertEquals(cuts(new Uint8Array(9 * MiB)).map(({ length }) => length), [
    MAX_CHUNK,
    MAX_CHUNK,
    MiB,
  ]);
});

Deno.test("golden: segments end where they always did", () => {
  let at = 0;
  const ends: number[] = [];
  for (const { length, endsSegment } of cuts(noise(128 * MiB, 2))) {
    at += length;
    if (endsSegment) ends.push(at);
  }
  assertEquals(ends, GOLDEN_SEGMENTS);
  assert(ends.every((end, n) => end - (ends[n - 1] ?? 0) <= MAX_SEGMENT));
});

Deno.test("no chunk but the last is shorter than the minimum, and none longer than the maximum", () => {
  const lengths = cuts(noise(64 * MiB, 3)).map(({ length }) => length);
  assert(lengths.slice(0, -1).every((length) => length >= MIN_CHUNK && length <= MAX_CHUNK));
  const average = 64 * MiB / lengths.length;
  assert(average > 0.35 * MiB && average < 0.7 * MiB, `${average}`);
});

Deno.test("where the cuts are does not depend on how the stream is read", () => {
  const bytes = noise(24 * MiB, 4);
  const whole = cuts(bytes).map(({ length }) => length);
  const cutter = new ChunkCutter();
  const found: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + MAX_CHUNK);
    // The bytes lie elsewhere each time, as they do in a buffer that is filled again.
    const moved = join(noise(4 * (found.length + 1), 9), bytes.subarray(at, end));
    const start = moved.length - (end - at);
    const { length } = cutter.cut(moved, start, moved.length, end === bytes.length);
    found.push(length);
    at += length;
  }
  assertEquals(found, whole);
});

Deno.test("an insertion at the front and changes in the middle leave the other chunks as they are", () => {
  const bytes = noise(48 * MiB, 5);
  const before = digests(bytes);
  const isNew = (changed: Uint8Array) => [...digests(changed)].filter((one) => !before.has(one));
  assert(isNew(join(noise(MiB, 6), bytes)).length <= 5);
  const changed = bytes.slice();
  for (const at of [10, 20, 30]) changed.set(noise(4, at), at * MiB);
  assert(isNew(changed).length <= 3 * 3);
});

Deno.test("a chunk that is known to be cut so is taken as if it were cut", () => {
  const bytes = noise(64 * MiB, 7);
  const cutter = new ChunkCutter();
  let at = 0;
  const expected = cuts(bytes);
  for (const cut of expected.slice(0, -1)) {
    assertEquals(cutter.take(bytes, at, cut.length), cut);
    at += cut.length;
  }
  assertEquals(cutter.cut(bytes, at, bytes.length, true), expected.at(-1));
  assert(expected.filter(({ endsSegment }) => endsSegment).length > 1);
});
