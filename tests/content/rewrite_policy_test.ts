import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { LAYER_BYTES } from "../../src/content/pack/write/layer_writer.ts";
import { chooseRewrites, type LayerUse } from "../../src/content/pack/merge/rewrite_policy.ts";

const use = (layer: number, rawSize: number, liveBytes = rawSize): LayerUse => ({
  layer,
  rawSize,
  liveBytes,
});

Deno.test("a large layer that is alive is not rewritten because another one changed", () => {
  const uses = [0, 1, 2, 3].map((layer) => use(layer, 2 * LAYER_BYTES));
  const fresh = { layers: 1, bytes: 2 * LAYER_BYTES };
  assertEquals([...chooseRewrites(uses, fresh)], []);
});

Deno.test("a layer that is mostly dead is rewritten, whatever its size", () => {
  const uses = [use(0, LAYER_BYTES), use(1, LAYER_BYTES, LAYER_BYTES / 2), use(2, 1000, 100)];
  assertEquals([...chooseRewrites(uses, { layers: 0, bytes: 0 })], [1, 2]);
});

Deno.test("small layers are merged once as much is written, and left alone before", () => {
  const uses = [use(0, LAYER_BYTES), use(1, 1_000_000), use(2, 2_000_000)];
  assertEquals([...chooseRewrites(uses, { layers: 0, bytes: 999_999 })], []);
  assertEquals([...chooseRewrites(uses, { layers: 0, bytes: 1_000_000 })], [1, 2]);
});

Deno.test("what is kept and written is never more than twice a fresh image's layers", () => {
  const bytes = fc.integer({ min: 1, max: 3 * LAYER_BYTES });
  const layer = fc.record({ rawSize: bytes, live: fc.double({ min: 0, max: 1, noNaN: true }) });
  fc.assert(fc.property(fc.array(layer, { maxLength: 60 }), bytes, (layers, written) => {
    const uses = layers.map(({ rawSize, live }, n) => use(n, rawSize, Math.floor(rawSize * live)));
    const given = chooseRewrites(uses, { layers: 0, bytes: written });
    const live = written + uses.reduce((sum, { liveBytes }) => sum + liveBytes, 0);
    const kept = uses.filter(({ layer }) => !given.has(layer));
    assertLessOrEqual(kept.length + 1, 2 * Math.ceil(live / LAYER_BYTES) + 1);
    for (const { rawSize, liveBytes } of kept) assert(liveBytes >= 0.6 * rawSize);
  }));
});
