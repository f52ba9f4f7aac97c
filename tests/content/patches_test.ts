/** Saves that write only what differs of their index and baseline. */

import { assert, assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import { join } from "@std/path";
import { digestOf } from "../../src/digest.ts";
import { indexBlobs, type IndexChain, MAX_PATCHES } from "../../src/image/mod.ts";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import { settle } from "../fixtures/settle.ts";
import { assertSameTree, directory, file, readTree, type TreeTable } from "../fixtures/tree.ts";
import { ImageFixture, withoutExtents } from "./image_fixture.ts";

const FOLDERS = 60;

/** With names that do not compress, so that a whole index is much longer than eight patches. */
const TREE: TreeTable = Array.from({ length: FOLDERS }, (_, n): TreeTable => [
  [`d${n}`, directory()],
  ...Array.from({ length: 4 }, (_, i) => [`d${n}/f${i}`, file(`${n} ${i}`)] as const),
  ...[1, 2].map((i) => [`d${n}/${digestOf(`${n} ${i}`)}`, file("")] as const),
]).flat();

const text = (path: string, content: string) => Deno.writeTextFileSync(path, content);
const depthOf = ({ below = [] }: IndexChain) => below.length;

/** Asserts that an image is what one without a baseline would be, and that its index restores it. */
async function assertIsTree(fixture: ImageFixture, image: PackResult): Promise<void> {
  const whole = await fixture.packWhole("w");
  const entries = (lines: readonly string[]) => lines.map((path) => ({ path }));
  assertSameTree(entries(fixture.entries(image)), entries(whole.entries));
  const wanted = withoutExtents(await readTree(join(fixture.areas.workspaces, "w")));
  assertSameTree(withoutExtents(await fixture.restored(image)), wanted);
}

/** Edits of which each is a save of its own. */
const EDITS: readonly ((path: string) => void)[] = [
  (path) => text(`${path}/d1/f1`, "edited"),
  (path) => Deno.removeSync(`${path}/d2`, { recursive: true }),
  (path) => {
    Deno.mkdirSync(`${path}/d2/new`, { recursive: true });
    text(`${path}/d2/new/file`, "new");
  },
  (path) => Deno.renameSync(`${path}/d3`, `${path}/d2/moved`),
  (path) => Deno.linkSync(`${path}/d4/f0`, `${path}/d5/linked`),
  (path) => Deno.removeSync(`${path}/d4/f0`),
  (path) => Deno.chmodSync(`${path}/d6`, 0o700),
  (path) => text(`${path}/d1/f1`, "edited again"),
];

Deno.test("little changes are patches of the index and of the baseline, at most 8 of them", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  await settle(fixture.areas.workspaces);
  let last = await fixture.pack("w");
  const whole = last.index;
  assertEquals(depthOf(whole), 0);
  const depths: number[] = [];
  for (const [n, edit] of EDITS.entries()) {
    edit(path);
    const image = await fixture.pack("w");
    depths.push(depthOf(image.index));
    assertEquals(image.index.below, indexBlobs(last.index));
    assertLess(image.index.size, whole.size / 2);
    if (n % 3 === 1) await assertIsTree(fixture, image);
    last = image;
  }
  assertEquals(depths, EDITS.map((_, n) => n + 1));
  assertEquals(depthOf(last.index), MAX_PATCHES);
  await assertIsTree(fixture, last);

  // One more would be too many: what is written whole has a table without numbers that are not in use.
  text(`${path}/d7/f0`, "the ninth");
  const ninth = await fixture.pack("w");
  assertEquals(depthOf(ninth.index), 0);
  await assertIsTree(fixture, ninth);
});

Deno.test("a tree in which nothing has changed has the same index", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  await settle(fixture.areas.workspaces);
  const first = await fixture.pack("w");
  text(`${path}/d1/f1`, "edited");
  await settle(fixture.areas.workspaces);
  const second = await fixture.pack("w");
  const third = await fixture.pack("w");
  assertEquals(third.index, second.index);
  assertEquals(third.newIndex, undefined);
  assertEquals(third.layers, second.layers);
  // What this node alone knows is written all the same: a time that was changed and put back.
  const { atime, mtime } = Deno.statSync(`${path}/d2/f2`);
  Deno.utimeSync(`${path}/d2/f2`, atime!, mtime!);
  await settle(fixture.areas.workspaces);
  const fourth = await fixture.pack("w");
  const fifth = await fixture.pack("w");
  assert(fourth.stats.filesRead > fifth.stats.filesRead);
  assertGreater(depthOf(fourth.index), depthOf(first.index));
});

Deno.test("an index of which the store has lost a blob is written whole", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  await settle(fixture.areas.workspaces);
  for (const lost of [1, 0]) {
    await fixture.pack("w");
    text(`${path}/d1/f1`, `edited ${lost}`);
    const { index } = await fixture.pack("w");
    assertGreater(depthOf(index), 0);
    Deno.removeSync(fixture.blobPath(indexBlobs(index).at(-lost)!.digest));
    const next = await fixture.pack("w");
    assertEquals(depthOf(next.index), 0);
    await assertIsTree(fixture, next);
  }
});

Deno.test("a tree that was restored from a chain goes on with it", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  await settle(fixture.areas.workspaces);
  await fixture.pack("w");
  text(`${path}/d1/f1`, "edited");
  Deno.removeSync(`${path}/d2`, { recursive: true });
  const { index, layers } = await fixture.pack("w");
  const { tree, newBaseline } = await fixture.restore({ index, layers });
  await fixture.content.publish(tree, "restored");
  await fixture.content.commitBaseline(newBaseline!, "restored");
  const restored = join(fixture.areas.workspaces, "restored");
  const same = await fixture.pack("restored");
  assertEquals([same.index, same.layers], [index, layers]);
  text(`${restored}/d1/f2`, "edited there");
  const next = await fixture.pack("restored");
  assertEquals(next.index.below, indexBlobs(index));
  const wanted = withoutExtents(await readTree(restored));
  assertSameTree(withoutExtents(await fixture.restored(next)), wanted);
});

Deno.test("baselines that are added to stay at most about twice as long as a whole one", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  await settle(fixture.areas.workspaces);
  await fixture.pack("w");
  const sizeOf = () => Deno.statSync(join(fixture.areas.baselines, "w")).size;
  const whole = sizeOf();
  let isPatched = false;
  for (let save = 0; save < 12; save++) {
    for (let n = 0; n < 10; n++) text(`${path}/d${(10 * save + n) % FOLDERS}/f0`, `${save}`);
    const { index } = await fixture.pack("w");
    isPatched ||= depthOf(index) > 0;
    assertLessOrEqual(sizeOf(), 2.3 * whole);
  }
  assert(isPatched);
});
