import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import {
  describeImage,
  type ImageDescription,
  joinConfig,
  parseManifest,
  type SmallBlob,
} from "../../src/snapshot/manifest.ts";

const digest = fc.string().map(digestOf);
const image: fc.Arbitrary<ImageDescription> = fc.record({
  layers: fc.array(fc.record({ digest, size: fc.nat(), diffId: digest }), { maxLength: 5 }),
  index: fc.record({ digest, size: fc.nat() }),
}, { requiredKeys: ["layers"] });

function parse(manifest: SmallBlob, config: SmallBlob): ImageDescription {
  const parsed = parseManifest(manifest);
  assertEquals(parsed.config, { digest: config.digest, size: config.bytes.length });
  return joinConfig(parsed, config);
}

Deno.test("an image's manifest and config read back as what was written", () => {
  fc.assert(fc.property(image, (description) => {
    const { manifest, config } = describeImage(description);
    assertEquals(parse(manifest, config), description);
    assertEquals(manifest.digest, digestOf(manifest.bytes));
  }));
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
