/** Content that the last image has is not stored again, wherever it is by now. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { join } from "@std/path";
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
import { IS_ROOT } from "./fixture.ts";
import { ImageFixture, withoutExtents } from "./image_fixture.ts";

/** More than is stored again so that the image stays plain. */
const MANY = 8;
const PIECE = 300 << 10;
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
