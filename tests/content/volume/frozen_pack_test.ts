/** Images of trees that are frozen while they are packed. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { btrfs, canMountBtrfs, TENANT } from "../../fixtures/btrfs.ts";
import { PYTHON } from "../../fixtures/python.ts";
import { settle } from "../../fixtures/settle.ts";
import { runs } from "../../fixtures/soak.ts";
import { assertSameTree, readTree, type TreeTable } from "../../fixtures/tree.ts";
import { directory, file, hardlink, symlink } from "../../fixtures/tree.ts";
import { anyEdit, doEdit } from "../edits.ts";
import { withoutExtents } from "../image_fixture.ts";
import { BtrfsFixture } from "./btrfs_fixture.ts";

const ignore = !canMountBtrfs();

const TREE: TreeTable = [
  ["a", directory()],
  ["a/x", file("first")],
  ["a/y", file("other")],
  ["b", directory()],
  ["linked", file("linked")],
  ["b/linked", hardlink("linked")],
  ["link", symlink("a")],
];

Deno.test({
  name: "a frozen tree's image is a delta of the one before, also after a restore",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const path = await fixture.make("w", TREE);
    await settle(fixture.areas.workspaces);
    const first = await fixture.pack("w");
    assertEquals(first.freezeProblem, undefined);
    assertEquals(first.stats.filesRead, 3);
    assertEquals((await fixture.pack("w")).stats.filesRead, 0);
    Deno.writeTextFileSync(join(path, "a/y"), "edits");
    await settle(fixture.areas.workspaces);
    const edited = await fixture.pack("w");
    assertSameTree(
      withoutExtents(await fixture.restored(edited)),
      withoutExtents(await readTree(path)),
    );

    const restored = await fixture.restore(edited);
    await fixture.content.publish(restored.tree, "again");
    await fixture.content.commitBaseline(restored.newBaseline!, "again");
    assertEquals((await fixture.pack("again")).stats.filesRead, 0);
    assertEquals(fixture.subvolumes(), ["workspaces/again", "workspaces/w"]);
  },
});

Deno.test({
  name: "a tree that is recreated under its name, and a clone of it, are read again",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const path = await fixture.make("w", TREE);
    await settle(fixture.areas.workspaces);
    await fixture.pack("w");
    btrfs("subvolume", "snapshot", path, `${path}.other`);
    btrfs("subvolume", "delete", path);
    Deno.renameSync(`${path}.other`, path);
    assertEquals((await fixture.pack("w")).stats.filesRead, 3);
  },
});

Deno.test({
  name:
    "subvolumes within are content: packed, restored, taken over, and never mixed by inode numbers",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const path = await fixture.make("w", TREE);
    for (const name of ["one", "two"]) {
      btrfs("subvolume", "create", join(path, name));
      // The first file of each has the same inode number, and several names.
      Deno.writeTextFileSync(join(path, name, "file"), name);
      Deno.linkSync(join(path, name, "file"), join(path, name, "again"));
    }
    btrfs("subvolume", "create", join(path, "one/deeper"));
    Deno.writeTextFileSync(join(path, "one/deeper/file"), "three");
    btrfs("subvolume", "snapshot", "-r", join(path, "two"), join(path, "b/frozen"));
    Deno.utimeSync(join(path, "b"), 1e9, 1e9);
    await settle(fixture.areas.workspaces);
    const wanted = withoutExtents(await readTree(path));
    const image = await fixture.pack("w");
    assertEquals(image.freezeProblem, undefined);
    assertSameTree(withoutExtents(await fixture.restored(image)), wanted);
    const again = await fixture.pack("w");
    assertEquals(again.stats.filesRead, 0);
    assertSameTree(withoutExtents(await fixture.restored(again)), wanted);
    await fixture.content.remove({ area: "workspaces", name: "w" });
    assertEquals(fixture.subvolumes(), []);
  },
});

Deno.test({
  name: "that nothing has changed since a save is told, and any change is told from it",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const path = await fixture.make("w", TREE);
    btrfs("subvolume", "create", join(path, "inner"));
    const tree = { area: "workspaces", name: "w" } as const;
    const python = (code: string) => {
      const { success, stderr } = new Deno.Command(PYTHON, {
        args: ["-c", `import os, mmap\nos.chdir("${path}")\n${code}`],
      }).outputSync();
      assert(success, new TextDecoder().decode(stderr));
    };
    const changes: Record<string, () => void> = {
      "a file written": () => Deno.writeTextFileSync(join(path, "a/x"), "FIRST"),
      "a file written in a subvolume": () => Deno.writeTextFileSync(join(path, "inner/f"), "x"),
      "a mapped page": () =>
        python('f = open("a/y", "r+b"); m = mmap.mmap(f.fileno(), 5); m[0:1] = b"O"; m.close()'),
      "a mode": () => Deno.chmodSync(join(path, "linked"), 0o600),
      "an attribute": () => python('os.setxattr("linked", "user.a", b"b")'),
      "a time": () => Deno.utimeSync(join(path, "linked"), 1, 1),
      "a name": () => Deno.renameSync(join(path, "link"), join(path, "link2")),
      "a subvolume made": () => void btrfs("subvolume", "create", join(path, "b/more")),
      "a subvolume renamed": () => Deno.renameSync(join(path, "inner"), join(path, "renamed")),
      "a subvolume in another's place": () => {
        btrfs("subvolume", "delete", join(path, "b/more"));
        btrfs("subvolume", "create", join(path, "b/more"));
      },
    };
    for (const [what, change] of Object.entries(changes)) {
      const { state } = await fixture.pack("w");
      assert(state !== undefined);
      assert(await fixture.content.isUnchanged(tree, state), `before ${what}`);
      assert(await fixture.content.isUnchanged(tree, state), `again before ${what}`);
      change();
      assertEquals(await fixture.content.isUnchanged(tree, state), false, what);
    }
    const { state } = await fixture.pack("w");
    btrfs("subvolume", "snapshot", path, `${path}.other`);
    assertEquals(
      await fixture.content.isUnchanged({ area: "workspaces", name: "w.other" }, state!),
      false,
    );
  },
});

/** Writes one number into two files, one after the other, until it is killed. */
const COUNT = `
import os, sys
n = 0
print("begun", flush=True)
while True:
    n += 1
    for name in "ab":
        with open(os.path.join(sys.argv[1], name), "r+") as f:
            f.write(f"{n:09}")
    for k in range(50):
        open(os.path.join(sys.argv[1], f"new{k}"), "w").close()
        os.rename(os.path.join(sys.argv[1], f"new{k}"), os.path.join(sys.argv[1], f"old{k}"))
`;

Deno.test({
  name:
    "a save of a busy workspace has all that was written before it, and nothing of it is unstable",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    const path = await fixture.make("w", [
      ...Array.from({ length: 200 }, (_, n) => [`f${n}`, file(`${n}`)] as const),
      ["a", file("000000000")],
      ["b", file("000000000")],
    ]);
    Deno.chmodSync(path, 0o777);
    for (const name of "ab") Deno.chmodSync(join(path, name), 0o666);
    const child = new Deno.Command(PYTHON, {
      args: ["-c", COUNT, path],
      ...TENANT,
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    try {
      assert(!(await reader.read()).done);
      for (let n = 0; n < 5; n++) {
        const before = [..."ab"].map((name) => Number(Deno.readTextFileSync(join(path, name))));
        const image = await fixture.pack("w");
        assertEquals([image.stats.unstableCount, image.freezeProblem], [0, undefined]);
        const { tree, path: restored } = await fixture.restore(image);
        // What was written before the save is in it; meanwhile each file has its own last instant.
        [..."ab"].forEach((name, at) => {
          const saved = Number(Deno.readTextFileSync(join(restored, name)));
          assert(saved >= before[at]!, `${name}: ${saved}, which was ${before[at]} already`);
        });
        await fixture.content.remove(tree);
      }
    } finally {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    }
    assertEquals(fixture.subvolumes(), ["workspaces/w"]);
  },
});

Deno.test({
  name: "whatever is edited between two saves, the second one's image is the tree (property)",
  ignore,
  async fn() {
    await using fixture = new BtrfsFixture();
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyEdit, { maxLength: 4 }), { maxLength: 4 }),
        async (saves) => {
          const id = `w${count++}`;
          const path = await fixture.make(id, TREE);
          for (const edits of saves) {
            for (const edit of edits) doEdit(path, edit);
            const image = await fixture.pack(id);
            assertSameTree(
              withoutExtents(await fixture.restored(image)),
              withoutExtents(await readTree(path)),
            );
          }
          await fixture.content.remove({ area: "workspaces", name: id });
        },
      ),
      { numRuns: runs(4, 100) },
    );
  },
});
