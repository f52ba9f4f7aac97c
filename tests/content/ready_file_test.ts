/** The file by which a workspace's processes learn that its content is there. */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/mod.ts";
import { DaemonError } from "../../src/errors.ts";
import { directory, file, makeTree, readTree, symlink } from "../fixtures/tree.ts";
import { ME, namesIn } from "./fixture.ts";
import { ImageFixture } from "./image_fixture.ts";

Deno.test("a ready file appears whole, replaces an older one, and can be removed", async () => {
  await using fixture = new ImageFixture(1);
  const { content } = fixture;
  const path = await fixture.publish("w", [[".gitpod", directory()], [
    ".gitpod/ready",
    file("old"),
  ]]);
  const tree: Tree = { area: "workspaces", name: "w" };
  await content.placeReadyFile(tree, "new", ME);
  const ready = (await readTree(path)).find((entry) => entry.path === ".gitpod/ready")!;
  assertEquals([ready.mode, ready.uid, ready.size], ["0644", ME.uid, 3]);
  await content.removeReadyFile(tree);
  await content.removeReadyFile(tree);
  assertEquals(namesIn(join(path, ".gitpod")), []);
});

Deno.test("whatever a tenant puts in the place of a ready file, nothing outside is touched", async () => {
  await using fixture = new ImageFixture(1);
  const { content, areas } = fixture;
  const victim = join(areas.spool, "victim");
  Deno.mkdirSync(victim);
  await makeTree(victim, [["ready", file("precious")]]);
  const path = await fixture.publish("w");
  const tree: Tree = { area: "workspaces", name: "w" };
  for (const blocker of [symlink(victim), file("mine")]) {
    await makeTree(path, [[".gitpod", blocker]]);
    await assertRejects(() => content.placeReadyFile(tree, "text", ME), DaemonError);
    await content.removeReadyFile(tree);
    Deno.removeSync(join(path, ".gitpod"));
  }
  await makeTree(path, [[".gitpod", directory()], [".gitpod/ready", symlink(`${victim}/ready`)]]);
  await content.placeReadyFile(tree, "text", ME);
  assertEquals(Deno.lstatSync(join(path, ".gitpod", "ready")).isFile, true);
  assertEquals(Deno.readTextFileSync(join(victim, "ready")), "precious");
});
