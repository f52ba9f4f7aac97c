import { assertEquals, assertThrows } from "@std/assert";
import { UNUSED_LAYER } from "../../src/image/mod.ts";
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

const metadataLayer = (n: number) => ({ ...reused(n), isMetadata: true });

Deno.test("new layers of a new image are numbered as its manifest orders them", () => {
  const { layers, destination } = numberLayers({
    table: [],
    reused: new Set(),
    data: [sealed(200), sealed(100)],
    metadata: sealed(300),
    moved: new Map(),
  });
  assertEquals(layers.map(({ size }) => size), [100, 200, 300]);
  assertEquals(layers.map(({ isMetadata }) => isMetadata), [false, false, true]);
  assertEquals([100, 200].map((n) => destination(n).layer), [0, 1]);
});

Deno.test("layers keep their numbers, and those of layers that are given up stay unused", () => {
  const table = [reused(1), reused(2), UNUSED_LAYER, metadataLayer(3), reused(4)];
  const { layers, destination } = numberLayers({
    table,
    reused: new Set([0, 4]),
    data: [sealed(200), sealed(100)],
    metadata: sealed(300),
    moved: new Map(),
  });
  assertEquals(layers.slice(0, 5), [reused(1), UNUSED_LAYER, UNUSED_LAYER, UNUSED_LAYER, table[4]]);
  assertEquals(layers.slice(5).map(({ size }) => size), [100, 200, 300]);
  assertEquals([0, 4, 100, 200].map((n) => destination(n).layer), [0, 4, 5, 6]);
  assertThrows(() => destination(1), TypeError, "layer 1");
  const same = numberLayers({
    table,
    reused: new Set([0, 1, 4]),
    data: [],
    metadata: metadataLayer(3),
    moved: new Map(),
  });
  assertEquals(same.layers, table);
});

Deno.test("a layer that was packed again as it was has the number that it had", () => {
  const { digest, size, diffId, rawSize } = sealed(100);
  const table = [reused(2), { digest, size, diffId, rawSize, isMetadata: false }, metadataLayer(3)];
  const { layers, destination } = numberLayers({
    table,
    reused: new Set([0]),
    data: [sealed(100)],
    metadata: metadataLayer(3),
    moved: new Map(),
  });
  assertEquals(layers, table);
  assertEquals(destination(100), { layer: 1, shift: 0 });
});

Deno.test("a remainder is found in the layer that it was appended to", () => {
  const { destination } = numberLayers({
    table: [],
    reused: new Set(),
    data: [sealed(200)],
    metadata: sealed(300),
    moved: new Map([[100, { into: 200, shift: 512 }], [101, { into: 999, shift: 0 }]]),
  });
  assertEquals(destination(100), { layer: 0, shift: 512 });
  // A remainder in a layer that came to nothing holds no file of the image.
  assertThrows(() => destination(101), TypeError);
});
