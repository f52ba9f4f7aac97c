/** Content of containers whose users have other numbers than on the node. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { device, directory, file, makeTree, readTree, symlink } from "../fixtures/tree.ts";
import { settle } from "../fixtures/settle.ts";
import { testFolder } from "../fixtures/folder.ts";
import { IS_ROOT } from "./fixture.ts";
import { ImageFixture } from "./image_fixture.ts";

/** As the original has it: root of a container is the node's 33333, all others begin at 100000. */
const MAP = [
  { containerId: 0, hostId: 33333, size: 1 },
  { containerId: 1, hostId: 100_000, size: 65_533 },
];

const owner = (id: number) => ({ owner: { uid: id, gid: id } });

/** Owners by path. */
async function owners(path: string): Promise<Record<string, number>> {
  const entries = await readTree(path);
  return Object.fromEntries(entries.map(({ path, uid, gid }) => {
    assertEquals(uid, gid, path);
    return [path, uid];
  }));
}

Deno.test({
  name: "images have the numbers of containers, trees those of the node, and saves stay deltas",
  ignore: !IS_ROOT,
  async fn() {
    await using mapped = new ImageFixture(1, testFolder(), MAP);
    await mapped.publish("w", [
      [".", directory(owner(33333))],
      ["of root", file("1", owner(33333))],
      ["of user", file("2", owner(100_999))],
      ["link", symlink("of user", owner(100_999))],
      ["pipe", device(1, 3, owner(100_000))],
      ["of nobody here", file("3", owner(7))],
    ]);
    await settle(mapped.areas.workspaces);
    const image = await mapped.pack("w");
    const inside = {
      ".": 0,
      "link": 1000,
      "of nobody here": 65534,
      "of root": 0,
      "of user": 1000,
      "pipe": 1,
    };
    // Every restore of this node gives the numbers of the node back.
    const here = await mapped.restore(image);
    assertEquals(await owners(here.path), {
      ".": 33333,
      "link": 100_999,
      // 65534 of a container is no number of the map.
      "of nobody here": 0,
      "of root": 33333,
      "of user": 100_999,
      "pipe": 100_000,
    });
    assertEquals(here.omitted.counts, { owner: 1 });
    const withoutIndex = await mapped.restore(image, { index: false });
    assertEquals(await owners(withoutIndex.path), await owners(here.path));

    const stored = mapped.entries(image).map((line) => line.split(" "));
    const told = Object.values(inside).map((id) => `${id}:${id}`).sort();
    assertEquals(stored.map((words) => words.find((word) => /^\d+:\d+$/.test(word))).sort(), told);

    const next = await mapped.pack("w");
    assertEquals([next.stats.filesRead, next.stats.newLayers], [0, 0]);
  },
});

Deno.test({
  name: "plain archives have the numbers of containers, too",
  ignore: !IS_ROOT,
  async fn() {
    await using mapped = new ImageFixture(1, testFolder(), MAP);
    const folder = join(mapped.areas.spool, "tree");
    Deno.mkdirSync(folder);
    await makeTree(folder, [["a", file("a", owner(0))], ["b", file("b", owner(5))]]);
    const archive = "0f6b9e51-3c63-4e0b-93c5-5a3bd8f6f0aa.tar";
    new Deno.Command("tar", { args: ["-cf", join("..", archive), "a", "b"], cwd: folder })
      .outputSync();
    const tree = await mapped.content.create({ uid: 33333, gid: 33333 });
    const from = { area: "spool", path: archive } as const;
    await mapped.content.extract(tree, from, { compression: "none" });
    assertEquals(await owners(join(mapped.areas.staging, tree.name)), {
      ".": 33333,
      "a": 33333,
      "b": 100_004,
    });
  },
});
