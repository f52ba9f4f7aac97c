import { assertEquals, assertThrows } from "@std/assert";
import { numberLayers } from "../../src/content/pack/merge/number_layers.ts";
import type { SealedLayer } from "../../src/content/pack/write/layer_writer.ts";
import { sha256Digest } from "../../src/digest.ts";

function digest(n: number) {
  return sha256Digest(n.toString(16).padStart(64, "0"));
}

function sealed(temporary: number): SealedLayer {
  return {
    digest: digest(temporary),
    diffId: digest(temporary + 1000),
    size: temporary,
    rawSize: 2 * temporary,
    temporary,
    file: { area: "spool", path: `layer-${temporary}` },
  };
}

function reused(n: number) {
  return { digest: digest(n), diffId: digest(n), size: n, rawSize: n, isMetadata: false };
}

Deno.test("an image's layers are the reused ones, new ones by number, and the metadata layer", () => {
  const { layers, destination } = numberLayers({
    reused: [[0, reused(1)], [2, reused(3)]],
    data: [sealed(200), sealed(100)],
    metadata: sealed(300),
    moved: new Map(),
  });
  assertEquals(layers.map(({ size }) => size), [1, 3, 100, 200, 300]);
  assertEquals(layers.map(({ isMetadata }) => isMetadata), [false, false, false, false, true]);
  assertEquals([0, 2, 100, 200].map((n) => destination(n).layer), [0, 1, 2, 3]);
  assertThrows(() => destination(1), TypeError, "layer 1");
});

Deno.test("a remainder is found in the layer that it was appended to", () => {
  const { destination } = numberLayers({
    reused: [],
    data: [sealed(200)],
    metadata: sealed(300),
    moved: new Map([[100, { into: 200, shift: 512 }], [101, { into: 999, shift: 0 }]]),
  });
  assertEquals(destination(100), { layer: 0, shift: 512 });
  // A remainder in a layer that came to nothing holds no file of the image.
  assertThrows(() => destination(101), TypeError);
});
