import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { MAX_PATCHES, NO_DIFF_ID } from "../../src/image/mod.ts";
import {
  CONFIG_TYPE,
  describeImage,
  type ImageDescription,
  INDEX_TYPE,
  joinConfig,
  LAYER_TYPE,
  MAX_MANIFEST_BYTES,
  NATIVE_CONFIG_TYPE,
  parseManifest,
  type SmallBlob,
} from "../../src/snapshot/manifest.ts";

const digest = fc.string().map(digestOf);
const blob = fc.record({ digest, size: fc.nat() });
const index = fc.record({
  digest,
  size: fc.nat(),
  below: fc.array(blob, { minLength: 1, maxLength: MAX_PATCHES }),
}, { requiredKeys: ["digest", "size"] });
const image: fc.Arbitrary<ImageDescription> = fc.record({
  layers: fc.array(fc.record({ digest, size: fc.nat(), diffId: digest }), { maxLength: 5 }),
  index,
}, { requiredKeys: ["layers"] });
const pack = fc.record({
  digest,
  size: fc.nat(),
  diffId: fc.constant(NO_DIFF_ID),
  isChunks: fc.constant(true),
});
const layer = fc.record({ digest, size: fc.nat(), diffId: digest });
const native: fc.Arbitrary<ImageDescription> = fc.record({
  layers: fc.array(fc.oneof(layer, pack), { maxLength: 5 }),
  index,
  isNative: fc.constant(true),
});

function parse(manifest: SmallBlob, config: SmallBlob): ImageDescription {
  const parsed = parseManifest(manifest);
  assertEquals(parsed.config, { digest: config.digest, size: config.bytes.length });
  return joinConfig(parsed, config);
}

Deno.test("an image's manifest and config read back as what was written", () => {
  fc.assert(fc.property(fc.oneof(image, native), (description) => {
    const { manifest, config } = describeImage(description);
    assertEquals(parse(manifest, config), description);
    assertEquals(manifest.digest, digestOf(manifest.bytes));
  }));
});

Deno.test("an image whose manifest nobody would read is refused", () => {
  const pack = { digest: digestOf("pack"), size: 30 << 20, diffId: NO_DIFF_ID, isChunks: true };
  const index = { digest: digestOf("index"), size: 1 };
  const describe = (packs: number) =>
    describeImage({ layers: Array.from({ length: packs }, () => pack), index, isNative: true });
  assert(describe(20_000).manifest.bytes.length <= MAX_MANIFEST_BYTES);
  const error = assertThrows(() => describe(30_000), DaemonError, "30000 layers and chunk packs");
  assertEquals(error.code, "RESOURCE_EXHAUSTED");
});

Deno.test("a native image lists its index as a layer, and its config is none that tools know", () => {
  const layers = [{ digest: digestOf("a"), size: 1, diffId: digestOf("b") }];
  const index = { digest: digestOf("i"), size: 2 };
  const { manifest } = describeImage({ layers, index, isNative: true });
  const written = JSON.parse(new TextDecoder().decode(manifest.bytes));
  assertEquals(written.config.mediaType, "application/vnd.wsdaemon.image.config.v1+json");
  assertEquals(written.layers, [
    { mediaType: LAYER_TYPE, digest: digestOf("a"), size: 1 },
    { mediaType: "application/vnd.wsdaemon.index.v2+zstd", ...index },
  ]);
  const change = (changed: (text: string) => string) => {
    const bytes = new TextEncoder().encode(changed(JSON.stringify(written)));
    return () => parseManifest({ digest: digestOf(bytes), bytes });
  };
  for (
    const [says, damaged] of [
      ["name other indexes", change((text) => text.replace(`"size":2`, `"size":3`))],
      ["name other indexes", change((text) => text.replace(INDEX_TYPE, LAYER_TYPE))],
      [`is a ${INDEX_TYPE}`, change((text) => text.replace(NATIVE_CONFIG_TYPE, CONFIG_TYPE))],
    ] as const
  ) assertThrows(damaged, DaemonError, says);
});

Deno.test("equal content gives an equal manifest", () => {
  const description = { layers: [{ digest: digestOf("a"), size: 1, diffId: digestOf("b") }] };
  assertEquals(describeImage(description), describeImage(structuredClone(description)));
});

Deno.test("a manifest damaged anywhere is either DATA_LOSS naming the blob or still well-formed", () => {
  fc.assert(
    fc.property(image, fc.nat(), fc.integer({ min: 0, max: 255 }), (description, at, byte) => {
      const { manifest, config } = describeImage(description);
      for (const blob of [manifest, config]) {
        const bytes = blob.bytes.slice();
        bytes[at % bytes.length] = byte;
        const damaged = { digest: blob.digest, bytes };
        try {
          if (blob === manifest) parseManifest(damaged);
          else joinConfig(parseManifest(manifest), damaged);
        } catch (error) {
          assert(error instanceof DaemonError);
          assertEquals(error.code, "DATA_LOSS");
          assert(error.message.includes(blob.digest));
        }
      }
    }),
  );
});

Deno.test("a config whose diff ids do not match the layers is DATA_LOSS", () => {
  const layer = { digest: digestOf("a"), size: 1, diffId: digestOf("b") };
  const one = describeImage({ layers: [layer] });
  const two = describeImage({ layers: [layer, layer] });
  const error = assertThrows(
    () => joinConfig(parseManifest(one.manifest), two.config),
    DaemonError,
    "2 diff ids for 1 layers",
  );
  assertEquals(error.code, "DATA_LOSS");
});

Deno.test("an index with more patches than there may be is DATA_LOSS", () => {
  const blob = { digest: digestOf("a"), size: 1 };
  const withBelow = (count: number) =>
    describeImage({ layers: [], index: { ...blob, below: Array(count).fill(blob) } }).manifest;
  assertEquals(parseManifest(withBelow(MAX_PATCHES)).index?.below?.length, MAX_PATCHES);
  for (const count of [0, MAX_PATCHES + 1]) {
    const error = assertThrows(() => parseManifest(withBelow(count)), DaemonError, "annotations");
    assertEquals(error.code, "DATA_LOSS");
  }
});
