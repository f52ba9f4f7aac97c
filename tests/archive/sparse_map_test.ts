import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { BLOCK } from "../../src/archive/raw_header.ts";
import { MAX_EXTENTS } from "../../src/archive/sparse_formats.ts";
import { encodeSparseMap, SparseMapReader } from "../../src/archive/sparse_map.ts";
import type { Extent } from "../../src/extent.ts";

/** Extents in order, by the gaps before them and their lengths, and the hole at the end. */
const layout = fc.record({
  parts: fc.array(fc.tuple(fc.nat(1 << 20), fc.integer({ min: 1, max: 1 << 20 })), {
    maxLength: 40,
  }),
  tail: fc.constantFrom(0, 1, 4096),
});

function extentsOf(parts: readonly (readonly [number, number])[]): Extent[] {
  let end = 0;
  return parts.map(([gap, length]) => {
    const offset = end + gap;
    end = offset + length;
    return { offset, length };
  });
}

Deno.test("a sparse map reads as what was encoded, whatever pieces it comes in", () => {
  fc.assert(fc.property(layout, fc.integer({ min: 1, max: 700 }), ({ parts, tail }, piece) => {
    const extents = extentsOf(parts);
    const last = extents.at(-1);
    const size = (last ? last.offset + last.length : 0) + tail;
    const map = encodeSparseMap(extents, size);
    assertEquals(map.length % BLOCK, 0);
    const reader = new SparseMapReader();
    let taken = 0;
    for (let at = 0; at < map.length; at += piece) {
      assertEquals(reader.extents(size), undefined, "the map is whole too soon");
      taken += reader.take(map.subarray(at, at + piece));
    }
    assertEquals(taken, map.length);
    assertEquals(reader.take(Uint8Array.of(0x30)), 0, "data is taken for the map");
    const read = reader.extents(size)!;
    assertEquals(read.filter(({ length }) => length > 0), extents);
  }));
});

Deno.test("a sparse map that is no list of numbers in its file is refused", () => {
  const cases: [string, string][] = [
    ["1\n0\n20\n", "leaves its file"],
    ["2\n5\n2\n0\n1\n", "leaves its file"],
    ["x\n", "no list of numbers"],
    ["\n", "no list of numbers"],
    ["-1\n", "no list of numbers"],
    [`${"9".repeat(16)}\n`, "no list of numbers"],
    [`${MAX_EXTENTS + 1}\n`, "extents"],
  ];
  for (const [text, says] of cases) {
    const bytes = new Uint8Array(BLOCK);
    bytes.set(new TextEncoder().encode(text));
    const reader = new SparseMapReader();
    assertThrows(
      () => {
        reader.take(bytes);
        reader.extents(10);
      },
      ArchiveError,
      says,
      JSON.stringify(text),
    );
  }
});
