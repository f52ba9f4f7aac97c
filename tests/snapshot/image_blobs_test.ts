import { assertEquals } from "@std/assert";
import { digestOf } from "../../src/digest.ts";
import { blobsOf, contentBlobsOf } from "../../src/snapshot/mod.ts";

const blob = (name: string, size: number) => ({ digest: digestOf(name), size });
const [one, two, index, config] = [blob("1", 1), blob("2", 2), blob("i", 3), blob("c", 4)];
const manifest = { ...blob("m", 5), config, layers: [one, two, one], index };

Deno.test("an image's blobs are named once each, its manifest last", () => {
  assertEquals(blobsOf(manifest), [one, two, index, config, blob("m", 5)]);
});

Deno.test("blobs of content are all but the manifest and the config", () => {
  assertEquals(contentBlobsOf(manifest), [one, two, index]);
  assertEquals(contentBlobsOf({ layers: [two] }), [two]);
});
