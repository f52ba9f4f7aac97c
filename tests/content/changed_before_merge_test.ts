/** Files that change once they are packed and before the parts of the image are merged. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { noise } from "../fixtures/noise.ts";
import { settle } from "../fixtures/settle.ts";
import { mergingFixture } from "./merging_fixture.ts";

const MiB = 1 << 20;

Deno.test("an image has no chunk packs once the file of its chunks has become small", async () => {
  const { fixture, hook } = mergingFixture();
  await using _ = fixture;
  const path = await fixture.publish("w");
  const disk = join(path, "disk");
  const how = { chunkMinBytes: 4 * MiB };
  const content = noise(8 * MiB, 1);
  Deno.writeFileSync(disk, content);
  await fixture.pack("w", how);
  // The first pack has so little that is in use that the merge reads the file once more.
  content.set(noise(6 * MiB, 2), 2 * MiB);
  Deno.writeFileSync(disk, content);
  await settle(fixture.areas.workspaces);
  hook.beforeMerge = () => Deno.writeTextFileSync(disk, "small");
  const image = await fixture.pack("w", how);
  assertEquals([image.isNative, image.layers.some(({ isChunks }) => isChunks)], [false, false]);
  const { path: restored } = await fixture.restore(image);
  assertEquals(Deno.readTextFileSync(join(restored, "disk")), "small");
});

Deno.test("another name keeps the content of moved files whose first name is gone", async () => {
  const { fixture, hook } = mergingFixture();
  await using _ = fixture;
  const path = await fixture.publish("w");
  const content = noise(200 << 10, 3);
  Deno.writeFileSync(join(path, "before"), content);
  Deno.writeFileSync(join(path, "kept"), noise(MiB, 4));
  await settle(fixture.areas.workspaces);
  await fixture.pack("w");
  Deno.renameSync(join(path, "before"), join(path, "first"));
  Deno.linkSync(join(path, "first"), join(path, "second"));
  await settle(fixture.areas.workspaces);
  hook.beforeMerge = () => Deno.removeSync(join(path, "first"));
  const image = await fixture.pack("w");
  const { path: restored } = await fixture.restore(image);
  assertEquals(Deno.readFileSync(join(restored, "second")), content);
});
