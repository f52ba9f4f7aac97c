import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { LAYER_BYTES } from "../../src/content/pack/write/layer_writer.ts";
import {
  chooseRewrites,
  type LayerUse,
  PACKS,
} from "../../src/content/pack/merge/rewrite_policy.ts";

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
  const uses = [use(0, LAYER_BYTES), use(1, 500_000), use(2, 1_000_000)];
  assertEquals([...chooseRewrites(uses, { layers: 0, bytes: 499_999 })], []);
  assertEquals([...chooseRewrites(uses, { layers: 0, bytes: 500_000 })], [1, 2]);
});

Deno.test("small layers that are costly to read are merged once there are eight, and then all", () => {
  const few = [use(0, LAYER_BYTES), ...[1, 2, 3, 4, 5, 6, 7].map((layer) => use(layer, 5_000_000))];
  const fresh = { layers: 0, bytes: 5_000_000 };
  assertEquals([...chooseRewrites(few, fresh)], []);
  const many = [...few, use(8, 5_000_000)];
  assertEquals([...chooseRewrites(many, fresh)], [1, 2, 3, 4, 5, 6, 7, 8]);
});

/** Checks the bound on layers for layers of at most so many bytes each. */
function checkBound(largest: number, slack: (live: number) => number): void {
  const bytes = fc.integer({ min: 1, max: largest });
  const layer = fc.record({ rawSize: bytes, live: fc.double({ min: 0, max: 1, noNaN: true }) });
  fc.assert(fc.property(fc.array(layer, { maxLength: 60 }), bytes, (layers, written) => {
    const uses = layers.map(({ rawSize, live }, n) => use(n, rawSize, Math.floor(rawSize * live)));
    const given = chooseRewrites(uses, { layers: 0, bytes: written });
    const live = written + uses.reduce((sum, { liveBytes }) => sum + liveBytes, 0);
    const kept = uses.filter(({ layer }) => !given.has(layer));
    assertLessOrEqual(kept.length + 1, 2 * Math.ceil(live / LAYER_BYTES) + slack(live));
    for (const { rawSize, liveBytes } of kept) assert(liveBytes >= 0.6 * rawSize);
  }));
}

Deno.test("what is kept and written is at most twice a fresh image's layers, and eight more", () => {
  checkBound(3 * LAYER_BYTES, () => 8);
  // What costs little to merge is merged.
  checkBound(100_000, (live) => live <= 2 << 20 ? 1 : 8);
});

Deno.test("a few small packs stay as they are, eight are merged", () => {
  const MiB = 1 << 20;
  const packs = (small: number) => [
    ...[0, 1, 2, 3].map((layer) => use(layer, 32 * MiB)),
    ...Array.from({ length: small }, (_, n) => use(4 + n, 2 * MiB)),
  ];
  const fresh = { layers: 1, bytes: 2 * MiB };
  assertEquals([...chooseRewrites(packs(7), fresh, PACKS)], []);
  assertEquals(chooseRewrites(packs(8), fresh, PACKS).size > 0, true);
  assertEquals([...chooseRewrites(packs(8), fresh, PACKS)].every((layer) => layer >= 4), true);
});
