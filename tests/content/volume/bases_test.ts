/** Bases: read-only trees of images, of which workspaces are clones. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { btrfs, canMountBtrfs } from "../../fixtures/btrfs.ts";
import { settle } from "../../fixtures/settle.ts";
import {
  assertSameTree,
  directory,
  fifo,
  file,
  hardlink,
  readTree,
  symlink,
  type TreeTable,
} from "../../fixtures/tree.ts";
import { assertFails, deleteLeftovers, ME, namesIn } from "../fixture.ts";
import { withoutExtents } from "../image_fixture.ts";
import { BtrfsFixture } from "./btrfs_fixture.ts";

const ignore = !canMountBtrfs();

const ID = "ab".repeat(32);
const OTHER_ID = "cd".repeat(32);

const TREE: TreeTable = [
  ["a", directory({ mode: 0o500, mtime: 1_500_000_000_123_456_789n })],
  ["a/x", file("first", { mode: 0o4755, xattrs: { "user.a": "b" } })],
  ["b", directory()],
  ["linked", file("linked")],
  ["b/linked", hardlink("linked")],
  ["link", symlink("a")],
  ["fifo", fifo()],
];

/** A published workspace that is a clone of a base. @returns its folder */
async function start(fixture: BtrfsFixture, base: string, id: string): Promise<string> {
  const { content, areas } = fixture;
  const tree = await content.create(ME, id);
  const { newBaseline } = await content.bases.clone(base, tree);
  await content.commitBaseline(newBaseline!, id);
  await content.publish(tree, id);
  return join(areas.workspaces, id);
}

/** Packs a workspace and makes what was packed a base. */
async function keep(fixture: BtrfsFixture, id: string, base: string) {
  const packed = await fixture.pack(id, { keepFrozen: true });
  const { files, contentBytes } = packed.stats;
  const facts = { files, contentBytes, omitted: { counts: {}, examples: [] } };
  assert(await fixture.content.bases.adopt(packed.frozen!, { id: base, facts, baseline: id }));
  return packed;
}

Deno.test({
  name: "a clone of what a save packed is what a restore makes, and its next save is a delta",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const { content } = fixture;
    const path = await fixture.make("w", TREE);
    btrfs("subvolume", "create", join(path, "inner"));
    Deno.writeTextFileSync(join(path, "inner/file"), "inner");
    btrfs("subvolume", "create", join(path, "inner/deeper"));
    Deno.writeTextFileSync(join(path, "inner/deeper/file"), "deeper");
    await settle(fixture.areas.workspaces);
    const wanted = withoutExtents(await readTree(path));
    const packed = await keep(fixture, "w", ID);
    const { diskBytes, tree } = await fixture.restore(packed);
    assertEquals(await content.bases.measure(ID), diskBytes);
    await content.remove(tree);

    // A clone of a clone of it, too, whose baselines have gone through more hands.
    let last = path;
    for (const [n, base] of [ID, OTHER_ID].entries()) {
      last = await start(fixture, base, `clone${n}`);
      assertSameTree(withoutExtents(await readTree(last)), wanted);
      if (n === 0) await keep(fixture, "clone0", OTHER_ID);
      const { stats, walkReason } = await fixture.pack(`clone${n}`);
      assertEquals([stats.filesRead, walkReason], [0, undefined]);
    }
    Deno.writeTextFileSync(join(last, "inner/deeper/file"), "edited");
    await settle(fixture.areas.workspaces);
    assertSameTree(
      withoutExtents(await fixture.restored(await fixture.pack("clone1"))),
      withoutExtents(await readTree(last)),
    );
    assertSameTree(withoutExtents(await readTree(path)), wanted);

    for (const id of ["w", "clone0", "clone1"]) {
      await content.remove({ area: "workspaces", name: id });
    }
    for (const base of await content.bases.list()) await content.bases.remove(base.id);
    assertEquals(fixture.subvolumes(), []);
    assertEquals(namesIn(fixture.areas.bases), []);
  },
});

Deno.test({
  name:
    "a clone of what was restored has its facts, and is told from a snapshot somebody else made",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const { content, areas } = fixture;
    const path = await fixture.make("w", TREE);
    await settle(fixture.areas.workspaces);
    const image = await fixture.pack("w");
    const base = await content.bases.make();
    const { newBaseline, files, contentBytes, diskBytes } = await fixture.restore(image, {
      into: base,
    });
    const omitted = { counts: { device: 1 }, examples: ["device null"] };
    const facts = { files, contentBytes, diskBytes, omitted };
    await content.bases.seal(base, { id: ID, facts, baseline: newBaseline! });
    await assertFails(
      content.bases.seal(await content.bases.make(), { id: ID, facts }),
      "ALREADY_EXISTS",
      "there is a base",
    );
    const [record, ...others] = await content.bases.list();
    assertEquals([record, others], [{ id: ID, ...facts, usedAt: record!.usedAt }, []]);
    assert(record!.usedAt > Date.now() - 60_000);

    const clone = await start(fixture, ID, "clone");
    assertSameTree(withoutExtents(await readTree(clone)), withoutExtents(await readTree(path)));
    btrfs("subvolume", "snapshot", clone, `${clone}.other`);
    assertEquals((await fixture.pack("clone")).stats.filesRead, 0);
    // The same inodes under another subvolume's name are not known by its baseline.
    btrfs("subvolume", "delete", clone);
    Deno.renameSync(`${clone}.other`, clone);
    assertEquals((await fixture.pack("clone")).stats.filesRead, 2);

    // Whoever fills it can do so no more, and neither publish it nor clone into what is not empty.
    for (const tree of [base, { area: "bases", name: ID } as const]) {
      await assertFails(
        content.publish(tree, "no"),
        tree === base ? "FAILED_PRECONDITION" : "INVALID_ARGUMENT",
        "",
      );
    }
    const full = await content.create(ME);
    Deno.writeTextFileSync(join(areas.staging, full.name, "file"), "");
    await assertFails(content.bases.clone(ID, full), "FAILED_PRECONDITION", "not empty");
  },
});

Deno.test({
  name: "a start finds what never became a base, and what is one no longer, and deletes it",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const { content, areas } = fixture;
    await fixture.make("w", TREE);
    await keep(fixture, "w", ID);
    const path = (name: string) => join(areas.bases, name);
    const snapshot = (name: string, ...flags: string[]) =>
      btrfs("subvolume", "snapshot", ...flags, path(ID), path(name));
    // As a kill leaves them: being filled, frozen, sealed without facts, facts without a tree.
    await content.bases.make();
    snapshot(`w~${crypto.randomUUID()}`, "-r");
    snapshot("01".repeat(32), "-r");
    Deno.copyFileSync(path(`${ID}.json`), path(`${"02".repeat(32)}.json`));
    Deno.copyFileSync(path(`${ID}.baseline`), path(`${"02".repeat(32)}.baseline`));
    // As a loss of power and a meddler do: damaged facts, another tree, one that was written to.
    for (const [name, facts] of [["03", "{"], ["04", undefined], ["05", undefined]] as const) {
      const id = name.repeat(32);
      snapshot(id, ...name === "05" ? [] : ["-r"]);
      Deno.writeTextFileSync(
        path(`${id}.json`),
        facts ?? Deno.readTextFileSync(path(`${ID}.json`)),
      );
    }
    Deno.writeTextFileSync(path("somebody's"), "");
    const leftovers = await content.leftovers();
    assertEquals(leftovers.foreign, [path("somebody's")]);
    assertEquals((await content.bases.list()).map(({ id }) => id), [ID]);
    // One that was made under such a name since stays, with what is beside it.
    const made = [ID, `${ID}.baseline`, `${ID}.json`];
    for (const name of [...leftovers.bases, ...made]) await content.bases.removeHalfMade(name);
    await deleteLeftovers(content);
    assertEquals(namesIn(areas.bases), [...made, "somebody's"]);
    assertEquals(fixture.subvolumes(), [`bases/${ID}`, "workspaces/w"]);

    btrfs("property", "set", path(ID), "ro", "false");
    const tree = await content.create(ME);
    await assertFails(content.bases.clone(ID, tree), "FAILED_PRECONDITION", "made writable");
    assertEquals(namesIn(join(areas.staging, tree.name)), []);
  },
});
