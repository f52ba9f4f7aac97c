import { assert, assertEquals, assertThrows } from "@std/assert";
import { basename, join } from "@std/path";
import { deleteContents, deleteEntry } from "../../src/content/delete_entry.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { openAreas } from "../../src/content/areas.ts";
import type { OperationContext } from "../../src/content/operation.ts";
import { deleteTrash, trash } from "../../src/content/operations/deletion.ts";
import { DaemonError } from "../../src/errors.ts";
import { areasOf, startContent } from "../fixtures/content.ts";
import { CAN_MAKE_IMMUTABLE, makeMutable } from "../fixtures/oddities.ts";
import { testFolder } from "../fixtures/folder.ts";
import { bindMount, canMount } from "../fixtures/mount.ts";
import { directory, file, makeTree } from "../fixtures/tree.ts";
import { assertFails, IS_ROOT, ME, namesIn, openDescriptors } from "./fixture.ts";

const context = { report: () => {} } as unknown as OperationContext;

/** Makes a chain of directories that is deeper than any path can name, two in each. */
function makeDeep(path: string, depth: number): void {
  openLibc(libcPath());
  const name = "d".repeat(100);
  let at = Directory.open(path);
  for (let level = 0; level < depth; level++) {
    at.makeDirectory(name);
    at.makeDirectory("side");
    at.createFile("file").close();
    const next = at.openDirectory(name);
    at.close();
    at = next;
  }
  at.close();
}

Deno.test("trees of any depth are counted and removed with few descriptors", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  const tree = await content.create(ME);
  const depth = 2000;
  makeDeep(join(areas.staging, tree.name), depth);
  let most = 0;
  const count = () => openDescriptors(folder.path, { nameless: true });
  const watch = setInterval(() => most = Math.max(most, count()), 5);
  try {
    assertEquals((await content.usage(tree)).entries, 3 * depth);
    await content.remove(tree);
  } finally {
    clearInterval(watch);
  }
  assertEquals(namesIn(areas.trash), []);
  // Beneath the areas: the Workers open the areas themselves while this runs.
  assertEquals(openDescriptors(areas.staging) + openDescriptors(areas.trash), 0);
  assert(most > 0 && most < 200, `${most} descriptors were open`);
});

Deno.test("a directory of many entries is removed whole", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  const tree = await content.create(ME);
  for (let i = 0; i < 3_000; i++) {
    Deno.writeFileSync(join(areas.staging, tree.name, `file-${i}`), new Uint8Array());
  }
  await content.remove(tree);
  assertEquals(namesIn(areas.trash), []);
});

/** Runs `action` with the file access of a user without privileges, for this thread alone. */
function asNobody(action: () => void): void {
  const libc = Deno.dlopen(libcPath(), { setfsuid: { parameters: ["u32"], result: "i32" } });
  libc.symbols.setfsuid(65534);
  try {
    action();
  } finally {
    libc.symbols.setfsuid(0);
    libc.close();
  }
}

Deno.test({
  name: "read-only and closed directories are removed when the daemon is not root (needs root)",
  ignore: !IS_ROOT,
  async fn() {
    using folder = testFolder();
    const owner = { uid: 65534, gid: 65534 };
    await makeTree(folder.path, [
      [".", directory({ owner })],
      ["trash", directory({ owner })],
      ["trash/tree", directory({ owner, mode: 0o555 })],
      ["trash/tree/closed", directory({ owner, mode: 0 })],
      ["trash/tree/closed/deep", directory({ owner, mode: 0o555 })],
      ["trash/tree/closed/deep/file", file("x", { owner, mode: 0 })],
      ["trash/tree/empty", directory({ owner, mode: 0 })],
      ["trash/contents", directory({ owner, mode: 0o500 })],
      ["trash/contents/file", file("x", { owner })],
    ]);
    openLibc(libcPath());
    using trash = Directory.open(join(folder.path, "trash"));
    asNobody(() => {
      assertEquals(deleteEntry(trash, "tree", trash), "deleted");
      assertEquals(deleteEntry(trash, "tree", trash), "absent");
      using contents = trash.openDirectory("contents");
      deleteContents(contents, trash);
    });
    assertEquals(namesIn(join(folder.path, "trash")), ["contents"]);
    assertEquals(namesIn(join(folder.path, "trash/contents")), []);
  },
});

Deno.test({
  name:
    "what is mounted in a tree is left alone and named, and the rest removed (needs root and mount)",
  ignore: !canMount(),
  async fn() {
    using folder = testFolder();
    await using node = startContent(join(folder.path, "root"));
    const { content, areas } = node;
    const outside = join(folder.path, "outside");
    Deno.mkdirSync(outside);
    Deno.writeTextFileSync(join(outside, "canary"), "alive");
    const path = join(areas.workspaces, "ws");
    await Deno.mkdir(join(path, "dir/mnt"), { recursive: true });
    Deno.writeTextFileSync(join(path, "dir/file"), "x");
    using _mount = bindMount(outside, join(path, "dir/mnt"));
    await assertFails(
      content.remove({ area: "workspaces", name: "ws" }),
      "FAILED_PRECONDITION",
      "mounted",
    );
    assertEquals(await content.published(), []);
    assertEquals(namesIn(outside), ["canary"]);
    const [left] = namesIn(areas.trash);
    assertEquals(namesIn(join(areas.trash, left!, "dir")), ["mnt"]);
  },
});

Deno.test({
  name: "deletion in slices gets to its end past what cannot be deleted (needs root and chattr)",
  ignore: !CAN_MAKE_IMMUTABLE,
  fn() {
    using folder = testFolder();
    const paths = areasOf(folder.path);
    for (const path of Object.values(paths)) Deno.mkdirSync(path, { recursive: true });
    const tree = join(paths.trash, `w~${crypto.randomUUID()}`);
    const other = join(paths.trash, `x~${crypto.randomUUID()}`);
    const deep = Array.from({ length: 40 }, (_, n) => `d${n}`);
    for (const path of [join(tree, ...deep), other]) Deno.mkdirSync(path, { recursive: true });
    for (let n = 0; n < 40; n++) Deno.writeTextFileSync(join(tree, ...deep.slice(0, n), "f"), "");
    const stuck = Array.from({ length: 20 }, (_, n) => join(tree, `stuck-${n}`));
    for (const path of stuck) Deno.writeTextFileSync(path, "");
    new Deno.Command("chattr", { args: ["+i", ...stuck] }).outputSync();
    using stack = new DisposableStack();
    stack.defer(() => makeMutable(folder.path));

    openLibc(libcPath());
    const areas = openAreas(paths);
    const slice = () => deleteTrash(areas, { group: "w", budgetMs: 0 }, context);
    let slices = 0;
    const error = assertThrows(() => {
      while (!slice()) slices++;
    }, DaemonError);
    assertEquals(error.code, "FAILED_PRECONDITION");
    // A slice without time deletes one thing, or two.
    assert(slices > 20, `${slices} slices`);
    assertEquals(namesIn(tree), stuck.map((path) => basename(path)).sort());
    assertEquals(namesIn(paths.trash), [basename(tree), basename(other)].sort());
    makeMutable(tree);
    while (!slice());
    assertEquals(namesIn(paths.trash), [basename(other)]);
    for (const area of Object.values(areas)) area.close();
  },
});

Deno.test({
  name: "a tree that is read-only even to its owner is moved to the trash (needs root)",
  ignore: !IS_ROOT,
  fn() {
    using folder = testFolder();
    const paths = areasOf(folder.path);
    for (const path of Object.values(paths)) Deno.mkdirSync(path, { recursive: true });
    const tree = join(paths.workspaces, "w");
    Deno.mkdirSync(tree);
    Deno.writeTextFileSync(join(tree, "file"), "x");
    for (const path of [paths.workspaces, paths.staging, paths.trash, tree]) {
      Deno.chownSync(path, 65534, 65534);
    }
    Deno.chmodSync(paths.workspaces, 0o711);
    Deno.chmodSync(tree, 0o555);
    openLibc(libcPath());
    const areas = openAreas(paths);
    asNobody(() => {
      const group = trash(areas, { tree: { area: "workspaces", name: "w" } });
      while (!deleteTrash(areas, { group, budgetMs: 500 }, context));
    });
    for (const area of Object.values(areas)) area.close();
    assertEquals([namesIn(paths.workspaces), namesIn(paths.trash)], [[], []]);
    assertEquals(Deno.statSync(paths.workspaces).mode! & 0o777, 0o711);
  },
});
