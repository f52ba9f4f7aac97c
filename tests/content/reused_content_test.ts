/** Content that the last image has is not stored again, wherever it is by now. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
import { FrameWriter } from "../../src/archive/mod.ts";
import { hexOf } from "../../src/digest.ts";
import { type Block, FLAG, readIndex, RECORD } from "../../src/image/mod.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import {
  assertSameTree,
  directory,
  file,
  hardlink,
  makeTree,
  readTree,
  sparse,
  symlink,
} from "../fixtures/tree.ts";
import { settle } from "../fixtures/settle.ts";
import { assertFails, IS_ROOT } from "./fixture.ts";
import { ImageFixture, withoutExtents } from "./image_fixture.ts";

/** More than is stored again so that the image stays plain. */
const MANY = 6;
const PIECE = 200 << 10;
/** As much as the layers of metadata and the entries without content may take. */
const NEARLY_NOTHING = 32 << 10;

function random(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65536)));
  }
  return bytes;
}

async function fill(path: string): Promise<void> {
  const half = random(PIECE).subarray(0, PIECE / 2);
  await makeTree(path, [
    ["a", directory()],
    ["a/b", directory()],
    ...Array.from({ length: MANY }, (_, n) => [`a/b/${n}`, file(random(PIECE))] as const),
    ["a/small", file("small")],
    ["a/empty", file("")],
    ["a/link", symlink("small")],
    ["a/large", file(random(3 << 20))],
    ["a/another-name", hardlink("a/b/0")],
    ["a/holes", sparse(4 << 20, [[0, half], [2 << 20, half]])],
    ["a/marked", file(random(PIECE), { xattrs: { "user.mark": "x" } })],
  ]);
}

async function assertRestores(
  fixture: ImageFixture,
  image: PackResult,
  path: string,
  index = true,
): Promise<void> {
  const wanted = withoutExtents(await readTree(path));
  assertSameTree(withoutExtents(await fixture.restored(image, { index })), wanted);
}

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

Deno.test("content that moved, was copied or only has other metadata is not stored again", async (t) => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w");
  await fill(path);
  await settle(fixture.areas.scratch);
  assertEquals((await fixture.pack("w")).isNative, false);
  const top = join(path, "a");
  const edits: (readonly [name: string, edit: () => void])[] = [
    ["nothing but a change of every mode", () => run("chmod", "-R", "g-rwx", top)],
    ["a tree with another name", () => Deno.renameSync(top, join(path, "moved"))],
    ["a copy of all", () => run("cp", "-a", join(path, "moved"), top)],
    ["other times", () => run("find", top, "-exec", "touch", "-d", "2020-01-01", "{}", "+")],
    ["one copy less", () => Deno.removeSync(join(path, "moved"), { recursive: true })],
    ["files that have each other's names", () => {
      Deno.renameSync(`${top}/b/1`, `${top}/b/t`);
      Deno.renameSync(`${top}/b/2`, `${top}/b/1`);
      Deno.renameSync(`${top}/b/t`, `${top}/b/2`);
    }],
  ];
  if (IS_ROOT) edits.push(["another owner", () => run("chown", "-R", "1234:1234", top)]);
  for (const [name, edit] of edits) {
    await t.step(name, async () => {
      edit();
      await settle(fixture.areas.scratch);
      const image = await fixture.pack("w");
      assert(image.isNative);
      assertLess(image.stats.newLayerBytes, NEARLY_NOTHING);
      await assertRestores(fixture, image, path);
    });
  }
});

Deno.test("what is known of content goes by the last image", async (t) => {
  await using fixture = new ImageFixture();
  await t.step(
    "little that has moved is stored again, and the image stays plain",
    () => little(fixture),
  );
  await t.step(
    "files that are read again without a change keep their places",
    () => again(fixture),
  );
  await t.step("a rewritten layer has moved files at their paths", () => rewritten(fixture));
  await t.step("of an image of version 1, which has no digests, nothing", () => version1(fixture));
});

async function little(fixture: ImageFixture): Promise<void> {
  const path = await fixture.publish("little", [
    ["a", directory()],
    ...Array.from({ length: 4 }, (_, n) => [`a/${n}`, file(random(100 << 10))] as const),
  ]);
  await settle(fixture.areas.scratch);
  await fixture.pack("little");
  Deno.renameSync(`${path}/a`, `${path}/b`);
  Deno.chmodSync(`${path}/b/0`, 0o600);
  await settle(fixture.areas.scratch);
  const image = await fixture.pack("little");
  assertEquals(image.isNative, false);
  await assertRestores(fixture, image, path, false);
}

async function again(fixture: ImageFixture): Promise<void> {
  const path = await fixture.publish("again");
  // What was written just before a pack may be read by the next one, whatever the clock has done.
  for (const n of ["0", "1", "2"]) Deno.writeFileSync(`${path}/${n}`, random(100 << 10));
  await fixture.pack("again");
  const image = await fixture.pack("again");
  assertEquals([image.isNative, image.stats.newLayers], [false, 0]);
  await assertRestores(fixture, image, path, false);
}

async function rewritten(fixture: ImageFixture): Promise<void> {
  const path = await fixture.publish("rewritten");
  await fill(path);
  await settle(fixture.areas.scratch);
  await fixture.pack("rewritten");
  Deno.renameSync(`${path}/a`, `${path}/b`);
  await settle(fixture.areas.scratch);
  const native = await fixture.pack("rewritten");
  assert(native.isNative);
  // Nothing in the layer says whose displaced content is: an index that is wrong about it is found out.
  const index = changedIndex(fixture, native, (block, record) => {
    if (block.isDisplaced(record)) block.digest(record)![0]! ^= 1;
  });
  const { layers } = native;
  await assertFails(fixture.restore({ layers, index }), "DATA_LOSS", "other content");
  // A restored tree knows its content, too.
  const { tree, newBaseline } = await fixture.restore(native);
  await fixture.content.publish(tree, "elsewhere");
  await fixture.content.commitBaseline(newBaseline!, "elsewhere");
  run("chmod", "-R", "g-rwx", join(fixture.areas.workspaces, "elsewhere"));
  await settle(fixture.areas.scratch);
  const image = await fixture.pack("elsewhere");
  assertLess(image.stats.newLayerBytes, NEARLY_NOTHING);
  await assertRestores(fixture, image, join(fixture.areas.workspaces, "elsewhere"));
  // So much that what is left of the layer is less than is worth keeping.
  Deno.removeSync(`${path}/b/large`);
  for (let n = 1; n < MANY / 2; n++) Deno.removeSync(`${path}/b/b/${n}`);
  const plain = await fixture.pack("rewritten");
  assertEquals(plain.isNative, false);
  for (const index of [true, false]) await assertRestores(fixture, plain, path, index);
}

/** Writes the index of an image with records that were changed, and names it. */
function changedIndex(
  fixture: ImageFixture,
  { index }: PackResult,
  change: (block: Block, record: number) => void,
  version = 2,
) {
  openLibc(libcPath());
  using folder = Directory.open(fixture.areas.blobs);
  using file = folder.openFile(hexOf(index.digest));
  const { memory, blocks } = readIndex([{ file, blob: index }]);
  memory.view.setUint32(8, version, true);
  for (const block of blocks) {
    for (let record = block.first; record < block.end; record += RECORD) change(block, record);
  }
  const written: Uint8Array<ArrayBuffer>[] = [];
  const frames = new FrameWriter((bytes) => written.push(bytes.slice()));
  frames.write(memory.bytes);
  const { digest, size } = frames.seal();
  for (const bytes of written) {
    Deno.writeFileSync(fixture.blobPath(digest), bytes, { append: true });
  }
  return { digest, size };
}

async function version1(fixture: ImageFixture): Promise<void> {
  const before = await fixture.publish("before");
  await fill(before);
  await settle(fixture.areas.scratch);
  const image = await fixture.pack("before");
  const { layers } = image;
  const withoutDigest = (block: Block, record: number) =>
    block.setFlags(record, block.flags(record) & ~FLAG.digest);
  const index = changedIndex(fixture, image, withoutDigest, 1);
  const { tree, newBaseline } = await fixture.restore({ layers, index });
  await fixture.content.publish(tree, "version-1");
  await fixture.content.commitBaseline(newBaseline!, "version-1");
  const path = join(fixture.areas.workspaces, "version-1");
  assertSameTree(withoutExtents(await readTree(path)), withoutExtents(await readTree(before)));
  const same = await fixture.pack("version-1");
  assertEquals([same.stats.filesRead, same.isNative], [0, false]);
  await Deno.rename(`${path}/a`, `${path}/b`);
  const moved = await fixture.pack("version-1");
  assertEquals([moved.isNative, moved.stats.newLayerBytes > PIECE * MANY], [false, true]);
  await assertRestores(fixture, moved, path, false);
}
