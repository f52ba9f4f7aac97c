/** Folders that somebody else made among the workspaces, filled and emptied in place. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import { DaemonError } from "../../src/errors.ts";
import { canMountBtrfs, mountBtrfs } from "../fixtures/btrfs.ts";
import { bindMount, canMount, smallFileSystem } from "../fixtures/mount.ts";
import { PYTHON } from "../fixtures/python.ts";
import { rounds } from "../fixtures/soak.ts";
import {
  assertSameTree,
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  readTree,
  sparse,
  symlink,
  type TreeTable,
} from "../fixtures/tree.ts";
import { assertFails, IS_ROOT, ME, namesIn } from "./fixture.ts";
import { ImageFixture } from "./image_fixture.ts";

const OWNERS = [ME.uid];

const DEEP = Array.from({ length: 70 }, (_, n) => "d/".repeat(n) + "d");

const TREE: TreeTable = [
  [".", directory({ mode: 0o1750, mtime: 1_500_000_000_123_456_789n })],
  ["a", directory({ mode: 0o555 })],
  ["a/file", file("content", { mode: 0o640, mtime: 1_600_000_000_123_456_789n })],
  ["b", directory()],
  ["b/same", hardlink("a/file")],
  ["b/dangling", symlink("/nowhere/at all")],
  ["b/pipe", fifo({ mode: 0o600 })],
  ["sparse", sparse(1 << 20, [[512 * 1024, "data"]])],
  ...DEEP.map((path) => [path, directory()] as const),
  [`${DEEP.at(-1)}/leaf`, file("deep")],
];

/** Folders of a workspace by what they are, and how each is made. */
const FOLDERS: readonly { name: string; isMount: boolean; make(path: string): Disposable }[] = [
  {
    name: "a plain folder",
    isMount: false,
    make(path) {
      Deno.mkdirSync(path);
      return { [Symbol.dispose]() {} };
    },
  },
  {
    name: "another file system",
    isMount: true,
    make(path) {
      Deno.mkdirSync(path);
      return smallFileSystem(path, 16 << 20);
    },
  },
  {
    name: "another folder that is shown there",
    isMount: true,
    make(path) {
      const from = `${path}-elsewhere`;
      for (const folder of [from, path]) Deno.mkdirSync(folder);
      return bindMount(from, path);
    },
  },
];

/** A staging tree with the content of a table. */
async function staged(fixture: ImageFixture, id: string, table: TreeTable = TREE): Promise<Tree> {
  const tree = await fixture.content.create(ME, id, { isPlain: true });
  await makeTree(join(fixture.areas.staging, tree.name), table);
  return tree;
}

async function published(fixture: ImageFixture, name: string): Promise<Tree> {
  const id = await fixture.content.folders.inspect(name, OWNERS);
  assert(id !== undefined, `${name} is there`);
  return { area: "workspaces", name, folder: { id, removal: "empty" } };
}

for (const { name, isMount, make } of FOLDERS) {
  Deno.test({
    name: `${name} is filled in place, and emptied again`,
    ignore: isMount && !canMount(),
    async fn() {
      await using fixture = new ImageFixture(1);
      const { content, areas } = fixture;
      const path = join(areas.workspaces, "w");
      using _made = make(path);
      const { ino, dev } = Deno.statSync(path);
      const from = await staged(fixture, "w");
      const before = await readTree(join(areas.staging, from.name));
      const to = await published(fixture, "w");
      const { copied } = await content.folders.fill(from, to);
      assertEquals(copied, isMount);
      assertSameTree(await readTree(path), before);
      assertEquals(Deno.statSync(path).ino, ino);
      assertEquals(Deno.statSync(path).dev, dev);
      await content.remove(from);

      await content.remove(to);
      assertEquals(namesIn(path), []);
      assertEquals(Deno.statSync(path).mode! & 0o7777, 0o755);
      assertEquals(await content.folders.inspect("w", OWNERS), to.folder!.id);

      const filled: Tree = { ...to, folder: { id: to.folder!.id, removal: "emptyAndRemove" } };
      Deno.writeTextFileSync(join(path, "again"), "content");
      await content.remove(filled);
      if (isMount) assertEquals(namesIn(path), []);
      else assertEquals(namesIn(areas.workspaces), []);
      for (const area of [areas.staging, areas.trash]) assertEquals(namesIn(area), []);
    },
  });
}

Deno.test("what is no empty folder of ours is not filled, and told apart", async () => {
  await using fixture = new ImageFixture(1);
  const { content: { folders }, areas: { workspaces } } = fixture;
  assertEquals(await folders.inspect("absent", OWNERS), undefined);
  assert(!await folders.isEmpty("absent"));
  const path = (name: string) => join(workspaces, name);
  Deno.mkdirSync(path("full"));
  for (const name of ["one", "two", "three", "four"]) {
    Deno.writeTextFileSync(join(path("full"), name), "somebody's");
  }
  Deno.writeTextFileSync(path("file"), "somebody's");
  Deno.symlinkSync("full", path("link"));
  Deno.mkdirSync(path("empty"));
  await assertFails(folders.inspect("full", OWNERS), "ALREADY_EXISTS", "it is not empty (");
  await assertFails(folders.inspect("full", OWNERS), "ALREADY_EXISTS", path("full"));
  await assertFails(folders.inspect("file", OWNERS), "ALREADY_EXISTS", "it is no folder");
  await assertFails(folders.inspect("link", OWNERS), "ALREADY_EXISTS", "it is a symbolic link");
  const words = `it belongs to user ${ME.uid}, and not to 4711 or 4712`;
  await assertFails(folders.inspect("empty", [4711, 4712]), "FAILED_PRECONDITION", words);
  assertEquals(
    await Promise.all(["full", "file", "link", "empty"].map((name) => folders.isEmpty(name))),
    [false, false, false, true],
  );

  const from = await staged(fixture, "empty", [["a", file("ours")]]);
  const to = await published(fixture, "empty");
  Deno.writeTextFileSync(join(path("empty"), "late"), "somebody's");
  await assertFails(folders.fill(from, to), "ALREADY_EXISTS", "it is not empty (late)");
  assertEquals(namesIn(path("empty")), ["late"]);
});

Deno.test({
  name: "a tree whose folder was replaced is not there, whatever is asked of it",
  ignore: !canMount(),
  async fn() {
    await using fixture = new ImageFixture(1);
    const { content, areas } = fixture;
    const path = join(areas.workspaces, "w");
    Deno.mkdirSync(path);
    let to: Tree;
    {
      using _mounted = smallFileSystem(path, 1 << 20);
      to = await published(fixture, "w");
      await content.folders.fill(await staged(fixture, "w", [["work", file("unsaved")]]), to);
      assertEquals((await content.list(to, "")).map(({ name }) => name), ["work"]);
    }
    // Without its volume, an empty folder must not be taken for the content, and be saved as such.
    await assertFails(content.list(to, ""), "FAILED_PRECONDITION", "another folder is at");
    const packed = content.pack(to, { reuse: [], onLayer: () => Promise.resolve() } as never);
    await assertFails(packed, "FAILED_PRECONDITION", "another folder is at");
    Deno.writeTextFileSync(join(path, "somebody's"), "else");
    for (const removal of ["trash", "empty", "emptyAndRemove"] as const) {
      await content.remove({ ...to, folder: { ...to.folder!, removal } });
      assertEquals(namesIn(path), ["somebody's"]);
    }
  },
});

Deno.test({
  name:
    "where the root is on btrfs, folders of it and of another btrfs are filled, saved and emptied",
  ignore: !canMountBtrfs(),
  async fn() {
    using disk = mountBtrfs();
    using other = mountBtrfs();
    const path = join(disk.path, "root");
    Deno.mkdirSync(path);
    await using fixture = new ImageFixture(1, { path, [Symbol.dispose]() {} });
    const { content, areas } = fixture;
    await content.chooseVolume("auto");
    for (const [id, isMount] of [["plain", false], ["mounted", true]] as const) {
      const folder = join(areas.workspaces, id);
      Deno.mkdirSync(folder);
      using _mounted = isMount ? bindMount(other.path, folder) : undefined;
      const to = await published(fixture, id);
      // Its folder was not there when the init began, so the staging tree is a subvolume.
      const from = await content.create(ME, id);
      await makeTree(join(areas.staging, from.name), TREE);
      const before = await readTree(join(areas.staging, from.name));
      assertEquals(await content.folders.fill(from, to), { copied: true });
      assertSameTree(await readTree(folder), before);
      const { layers } = await fixture.pack(id);
      assert(layers.length > 0);
      for (const tree of [from, to]) await content.remove(tree);
      assertEquals(namesIn(folder), []);
    }
  },
});

/** Makes links to a folder under these names in another one, and removes them, until stdin ends. */
const LINKS = `
import os, select, sys
victim, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]
os.chdir(folder)
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for name in names + [one for one in os.listdir(".") if "~" in one]:
        try:
            if "~" in name: os.rename(name, name + "-moved")
            os.symlink(victim, name)
        except OSError: pass
        try: os.unlink(name)
        except OSError: pass
`;

for (const { name, isMount, make } of FOLDERS.slice(0, 2)) {
  Deno.test({
    name: `whoever puts links into ${name} while it is filled leads nothing outside`,
    ignore: isMount && !canMount(),
    async fn() {
      await using fixture = new ImageFixture(1);
      const { areas } = fixture;
      const path = join(areas.workspaces, "w");
      using _made = make(path);
      const victim = join(areas.spool, "victim");
      await Deno.mkdir(join(victim, "inner"), { recursive: true });
      Deno.writeTextFileSync(join(victim, "secret"), "precious");
      const before = await readTree(victim);
      const table: TreeTable = ["a", "b", "c", "d"].flatMap((name) =>
        [[name, directory()], [`${name}/inner`, directory()], [
          `${name}/secret`,
          file(name),
        ]] as const
      );
      const attacker = new Deno.Command(PYTHON, {
        args: ["-u", "-c", LINKS, victim, path, "a", "b", "c", "d"],
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const lines = attacker.stdout.getReader();
      await lines.read();
      try {
        for (const _ of rounds(4)) await fillUnderAttack(fixture, table);
      } finally {
        await attacker.stdin.close();
        await lines.cancel();
        await attacker.status;
      }
      assertSameTree(await readTree(victim), before);
    },
  });
}

/** Fills a folder that somebody else puts links into: it ends well, or says what is in the way. */
async function fillUnderAttack(fixture: ImageFixture, table: TreeTable): Promise<void> {
  const { content } = fixture;
  const from = await staged(fixture, "w", table);
  try {
    await content.folders.fill(from, await published(fixture, "w"));
  } catch (error) {
    assertInstanceOf(error, DaemonError);
    assert(["ALREADY_EXISTS", "FAILED_PRECONDITION"].includes(error.code), error.message);
  }
  await content.remove(from);
  for (let isLeft = true; isLeft;) {
    const id = await content.folders.idOf({ area: "workspaces", name: "w" });
    await content.remove({ area: "workspaces", name: "w", folder: { id, removal: "empty" } });
    isLeft = (await content.list({ area: "workspaces", name: "w" }, ""))
      .some(({ type }) => type === "directory");
  }
}

Deno.test({
  name: "a folder that is emptied loses the owner and the attributes of its content",
  ignore: !IS_ROOT,
  async fn() {
    await using fixture = new ImageFixture(1);
    const { content, areas } = fixture;
    const path = join(areas.workspaces, "w");
    Deno.mkdirSync(path);
    const owner = { uid: 4711, gid: 4712 };
    const top = directory({ owner, xattrs: { "user.of": "a tenant" } });
    const to = await published(fixture, "w");
    await content.folders.fill(await staged(fixture, "w", [[".", top]]), to);
    assertEquals(Deno.statSync(path).uid, 4711);
    await content.remove(to);
    const [entry] = await readTree(path);
    assertEquals({ uid: entry!.uid, gid: entry!.gid }, ME);
    assertEquals(entry!.xattrs ?? {}, {});
  },
});
