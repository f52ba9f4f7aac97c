import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { digestOf } from "../../src/digest.ts";
import {
  blocksAt,
  decodeHeader,
  decodeStale,
  encodeHeader,
  encodeStale,
  HEADER,
  LAYER,
  layerCount,
  PATCH,
  STALE_HEAD,
  UNUSED_LAYER,
} from "../../src/image/tree_file.ts";

const size = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const digest = fc.string().map((text) => digestOf(text));
const layer = fc.record({
  digest,
  diffId: digest,
  size,
  rawSize: size,
  isMetadata: fc.boolean(),
  isChunks: fc.constant(true),
  isUnused: fc.constant(true),
}, { requiredKeys: ["digest", "diffId", "size", "rawSize", "isMetadata"] });
const u32 = fc.nat(2 ** 32 - 1);
const header = fc.record({
  layers: fc.array(layer, { maxLength: 5 }),
  blocks: u32,
  blockBytes: size,
  stale: u32,
  staleBytes: size,
  patch: fc.record({ below: digest, removals: u32, removalBytes: size }),
}, { requiredKeys: ["layers", "blocks", "blockBytes", "stale", "staleBytes"] });

Deno.test("a header reads as what was written, and has the size that is announced", () => {
  fc.assert(fc.property(header, (written) => {
    const bytes = encodeHeader(written);
    assertEquals(bytes.length, blocksAt(written));
    assertEquals(layerCount(bytes), written.layers.length);
    assertEquals(decodeHeader(bytes), written);
  }));
});

Deno.test("stale entries read as what was written", () => {
  const stale = fc.record({ layer: u32, path: fc.uint8Array({ maxLength: 300 }) });
  fc.assert(fc.property(fc.array(stale), (written) => {
    assertEquals(decodeStale(encodeStale(written), written.length), written);
  }));
});

const one = encodeHeader({
  layers: [{
    digest: digestOf("a"),
    diffId: digestOf("b"),
    size: 1,
    rawSize: 2,
    isMetadata: true,
  }],
  blocks: 1,
  blockBytes: 2,
  stale: 3,
  staleBytes: 4,
});

/** The header with one part of it overwritten. */
function damaged(write: (view: DataView) => void): Uint8Array {
  const bytes = one.slice();
  write(new DataView(bytes.buffer));
  return bytes;
}

Deno.test("the bytes of version 2 stay as they are", () => {
  assertEquals([HEADER, LAYER, STALE_HEAD], [48, 88, 8]);
  assertEquals(new TextDecoder().decode(one.subarray(0, 8)), "wsdtree1");
  const view = new DataView(one.buffer);
  assertEquals([8, 12, 16, 20].map((at) => view.getUint32(at, true)), [2, 1, 1, 3]);
  assertEquals([24, 32, 48 + 64, 48 + 72].map((at) => view.getFloat64(at, true)), [2, 4, 1, 2]);
  assertEquals(view.getUint32(48 + 80, true), 1);
});

Deno.test("the bytes of version 2 stay as they are, and it is written only where it is needed", () => {
  const { patch: _, ...whole } = decodeHeader(one);
  const hole = encodeHeader({ ...whole, layers: [...whole.layers, UNUSED_LAYER] });
  const view = new DataView(hole.buffer);
  assertEquals([8, 12, 40].map((at) => view.getUint32(at, true)), [2, 2, 0]);
  assert(hole.subarray(48 + 88, 48 + 88 + 80).every((byte) => byte === 0));
  assertEquals(view.getUint32(48 + 88 + 80, true), 2);
  const below = digestOf("below");
  const patch = encodeHeader({ ...whole, patch: { below, removals: 5, removalBytes: 6 } });
  const at = 48 + 88;
  assertEquals([PATCH, patch.length], [48, at + 48]);
  const words = new DataView(patch.buffer);
  assertEquals([8, 40, at + 32, at + 36].map((at) => words.getUint32(at, true)), [2, 1, 5, 0]);
  assertEquals(words.getFloat64(at + 40, true), 6);
  assertEquals(`sha256:${patch.subarray(at, at + 32).toHex()}`, below);
});

Deno.test("a header of version 1 is read", () => {
  const before = damaged((view) => view.setUint32(8, 1, true));
  assertEquals(decodeHeader(before), decodeHeader(one));
});

Deno.test("what is no header of this version is refused, saying why", () => {
  const cases: [string, Uint8Array][] = [
    ["no wsdaemon tree file", one.subarray(0, HEADER - 1)],
    ["no wsdaemon tree file", damaged((view) => view.setUint8(0, 0))],
    ["its version is 3, not 1 or 2", damaged((view) => view.setUint32(8, 3, true))],
    ["a layer has an unknown flag, 8", damaged((view) => view.setUint32(48 + 80, 8, true))],
    ["the blocks' size is no whole number", damaged((view) => view.setFloat64(24, -1, true))],
    ["a layer's size is no whole number", damaged((view) => view.setFloat64(48 + 64, NaN, true))],
  ];
  for (const [says, bytes] of cases) assertThrows(() => decodeHeader(bytes), RangeError, says);
  for (let length = HEADER; length < one.length; length++) {
    assertThrows(() => decodeHeader(one.subarray(0, length)), RangeError);
  }
});

Deno.test("stale entries that leave their file, or do not fill it, are refused", () => {
  const bytes = encodeStale([{ layer: 1, path: Uint8Array.of(1, 2, 3) }]);
  assertThrows(() => decodeStale(bytes, 2), RangeError);
  assertThrows(() => decodeStale(bytes, 0), RangeError, "bytes follow");
  assertThrows(() => decodeStale(bytes.subarray(0, -1), 1), RangeError, "leaves the file");
});
