/** What the smallest files take in an image. */

import { assertLess } from "@std/assert";
import { file, makeTree } from "../fixtures/tree.ts";
import { settle } from "../fixtures/settle.ts";
import { ImageFixture } from "./image_fixture.ts";

Deno.test("the smallest files have no digest, which would take more than they do", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w");
  const files = Array.from({ length: 500 }, (_, n) => [`f${n}`, file(`small ${n}`)] as const);
  await makeTree(path, files);
  await settle(fixture.areas.scratch);
  const { index } = await fixture.pack("w");
  // A digest has 32 bytes that cannot be compressed.
  assertLess(index.size, files.length * 32);
});
