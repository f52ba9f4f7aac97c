import { assert, assertEquals, assertFalse } from "@std/assert";
import { join } from "@std/path";
import { startContent } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { directory, fifo, file, makeTree, readTree, symlink } from "../fixtures/tree.ts";
import { assertFails, deleteLeftovers, IS_ROOT, ME, namesIn, openDescriptors } from "./fixture.ts";

const workspace = (name: string) => ({ area: "workspaces", name } as const);

Deno.test("a new tree is empty, closed to others' writing, and invisible until it is published", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  const tree = await content.create(ME);
  assertEquals(tree.area, "staging");
  const [top, ...rest] = await readTree(join(areas.staging, tree.name));
  assertEquals(rest, []);
  assertEquals([top!.mode, top!.uid, top!.gid], ["0755", ME.uid, ME.gid]);
  assert(await content.exists(tree));
  assertEquals(await content.published(), []);

  Deno.writeTextFileSync(join(areas.staging, tree.name, "file"), "content");
  await content.publish(tree, "ws.1");
  assertFalse(await content.exists(tree));
  assert(await content.exists(workspace("ws.1")));
  assertEquals(await content.published(), ["ws.1"]);
  assertEquals(Deno.readTextFileSync(join(areas.workspaces, "ws.1", "file")), "content");
});

Deno.test({
  name: "a new tree belongs to the owner asked for when the daemon is root (needs root)",
  ignore: !IS_ROOT,
  async fn() {
    using folder = testFolder();
    await using node = startContent(folder.path);
    const tree = await node.content.create({ uid: 33333, gid: 44444 });
    const { uid, gid } = Deno.statSync(join(node.areas.staging, tree.name));
    assertEquals([uid, gid], [33333, 44444]);
  },
});

Deno.test("publish refuses an id that is taken and leaves both trees as they were", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  const first = await content.create(ME);
  Deno.writeTextFileSync(join(areas.staging, first.name, "who"), "first");
  await content.publish(first, "id");
  const second = await content.create(ME);
  Deno.writeTextFileSync(join(areas.staging, second.name, "who"), "second");
  await assertFails(content.publish(second, "id"), "ALREADY_EXISTS", "workspace id");
  assertEquals(Deno.readTextFileSync(join(areas.workspaces, "id", "who")), "first");
  assertEquals(Deno.readTextFileSync(join(areas.staging, second.name, "who")), "second");
});

Deno.test("publish refuses ids that are no plain names, trees that are not there, and published ones", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content } = node;
  const tree = await content.create(ME);
  for (const id of ["", ".", "..", "a/b", "../x", "nul\0"]) {
    await assertFails(content.publish(tree, id), "INVALID_ARGUMENT", "workspace id");
  }
  const none = { area: "staging", name: "none" } as const;
  await assertFails(content.publish(none, "x"), "FAILED_PRECONDITION", "none");
  await content.publish(tree, "x");
  await assertFails(content.publish(workspace("x"), "y"), "INVALID_ARGUMENT", "workspace x");
  assertEquals(await content.published(), ["x"]);
});

Deno.test("no tree name leads out of its area", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  Deno.mkdirSync(join(folder.path, "canary"));
  Deno.symlinkSync(join(folder.path, "canary"), join(areas.workspaces, "link"));
  for (const name of ["", ".", "..", "../canary", "../../canary", "a/b"]) {
    await assertFails(content.remove(workspace(name)), "INVALID_ARGUMENT", "tree's name");
    await assertFails(content.list(workspace(name), ""), "INVALID_ARGUMENT", "tree's name");
    await assertFails(content.exists(workspace(name)), "INVALID_ARGUMENT", "tree's name");
  }
  const words = `something else at ${join(areas.workspaces, "link")}`;
  await assertFails(content.list(workspace("link"), ""), "FAILED_PRECONDITION", words);
  assert(await content.exists(workspace("link")));
  await content.remove(workspace("link"));
  assertFalse(await content.exists(workspace("link")));
  assert(Deno.statSync(join(folder.path, "canary")).isDirectory);
});

Deno.test("remove deletes everything that a tree can hold, and nothing that it points to", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  const outside = join(folder.path, "outside");
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(join(outside, "canary"), "alive");
  const path = join(areas.workspaces, "ws");
  Deno.mkdirSync(path);
  await makeTree(path, [
    ["closed", directory({ mode: 0o000 })],
    ["dir", directory()],
    ["dir/read-only", directory({ mode: 0o555 })],
    ["dir/read-only/file", file("x", { mode: 0o400 })],
    [new Uint8Array([0x66, 0xff, 0xfe]), directory()],
    [new Uint8Array([0x66, 0xff, 0xfe, 0x2f, 0x0a]), file()],
    ["out", symlink(outside)],
    ["loop", symlink("loop")],
    ["pipe", fifo()],
    ['back\\slash "quoted"', file()],
  ]);
  await content.remove(workspace("ws"));
  assertEquals(await content.published(), []);
  assertEquals(namesIn(areas.trash), []);
  assertEquals(namesIn(outside), ["canary"]);
  await content.remove(workspace("ws"));
});

Deno.test("remove leaves no descriptor open", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  const once = async () => {
    const tree = await content.create(ME);
    Deno.mkdirSync(join(areas.staging, tree.name, "a/b/c"), { recursive: true });
    await content.clear(tree);
    await content.remove(tree);
  };
  // Beneath the areas: the Workers open the areas themselves while this runs.
  const open = () => openDescriptors(areas.staging) + openDescriptors(areas.trash);
  using _held = Deno.openSync(areas.staging + "/canary", { write: true, create: true });
  for (let i = 0; i < 20; i++) await once();
  assertEquals(open(), 1, "what the test holds is all that is open");
});

Deno.test("clear empties a staging tree and keeps it, and refuses a published one", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  const tree = await content.create(ME);
  const path = join(areas.staging, tree.name);
  await makeTree(path, [["a", directory()], ["a/b", file("x")], [".hidden", file()]]);
  await content.clear(tree);
  assertEquals(namesIn(path), []);
  assert(await content.exists(tree));
  await content.publish(tree, "ws");
  await assertFails(content.clear(workspace("ws")), "INVALID_ARGUMENT", "published");
});

Deno.test("what a killed daemon left is deleted, and nothing else", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  await content.publish(await content.create(ME), "kept");
  await content.create(ME);
  await content.create(ME, "w");
  for (const name of [crypto.randomUUID(), `w~${crypto.randomUUID()}`]) {
    Deno.mkdirSync(join(areas.trash, name, "half/deleted"), { recursive: true });
  }
  Deno.mkdirSync(join(areas.scratch, crypto.randomUUID(), "home"), { recursive: true });
  const foreign = [
    ...["staging", "trash", "spool", "scratch"].map((area) =>
      join(areas[area as AreaName], "theirs")
    ),
    join(areas.trash, "no~uuid"),
  ];
  for (const path of foreign) {
    Deno.mkdirSync(path);
    Deno.writeTextFileSync(join(path, "file"), "precious");
  }
  const files = [join(areas.workspaces, "a-file"), join(areas.spool, "a-file")];
  for (const file of files) Deno.writeTextFileSync(file, "x");
  Deno.writeTextFileSync(join(areas.spool, `pack-${crypto.randomUUID()}-1`), "x");
  Deno.writeTextFileSync(join(areas.baselines, "kept"), "baseline");
  Deno.writeTextFileSync(join(areas.baselines, ".token"), "uncommitted");
  Deno.writeTextFileSync(join(areas.blobs, "stored"), "x");
  assertEquals([...(await content.leftovers()).foreign].sort(), [...foreign, ...files].sort());
  await deleteLeftovers(content);
  for (const path of foreign) assertEquals(namesIn(path), ["file"]);
  assertEquals(namesIn(areas.staging), ["theirs"]);
  assertEquals(namesIn(areas.trash), ["no~uuid", "theirs"]);
  assertEquals(namesIn(areas.scratch), ["theirs"]);
  assertEquals(namesIn(areas.spool), ["a-file", "theirs"]);
  assertEquals(namesIn(areas.baselines), ["kept"]);
  assertEquals(namesIn(areas.blobs), ["stored"]);
  assertEquals(await content.published(), ["a-file", "kept"]);
});

type AreaName = "staging" | "trash" | "spool" | "scratch";

Deno.test("a baseline is replaced when its token is committed, and forgotten when dropped", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  Deno.writeTextFileSync(join(areas.baselines, "ws"), "old");
  Deno.writeTextFileSync(join(areas.baselines, ".new"), "new");
  await content.commitBaseline(".new", "ws");
  assertEquals(namesIn(areas.baselines), ["ws"]);
  assertEquals(Deno.readTextFileSync(join(areas.baselines, "ws")), "new");
  await assertFails(content.commitBaseline(".new", "ws"), "NOT_FOUND", ".new");
  await content.dropBaseline("ws");
  await content.dropBaseline("ws");
  await content.dropBaseline(".new");
  assertEquals(namesIn(areas.baselines), []);
});

Deno.test("commitBaseline refuses names and tokens that could meet each other or leave the area", async () => {
  using folder = testFolder();
  await using node = startContent(folder.path);
  const { content, areas } = node;
  Deno.writeTextFileSync(join(areas.baselines, ".new"), "new");
  Deno.writeTextFileSync(join(areas.baselines, "other"), "other workspace's");
  await assertFails(content.commitBaseline("other", "ws"), "INVALID_ARGUMENT", "not the token");
  await assertFails(content.commitBaseline(".new", ".x"), "INVALID_ARGUMENT", "must not start");
  await assertFails(content.commitBaseline(".new", "../x"), "INVALID_ARGUMENT", "baseline's name");
  await assertFails(content.dropBaseline("../spool"), "INVALID_ARGUMENT", "baseline's name");
  assertEquals(namesIn(areas.baselines), [".new", "other"]);
});
