import {
  DIRECTORY_BYTES,
  EMPTY_BYTES,
  fileBytes,
  LINK_BYTES,
} from "../../src/content/disk_usage.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { Tree } from "../../src/content/tree.ts";
import { digestOf } from "../../src/digest.ts";
import { startContent, type TestContent } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { bindMount, canMount, smallFileSystem } from "../fixtures/mount.ts";
import {
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  socket,
  sparse,
  symlink,
} from "../fixtures/tree.ts";
import { assertFails, IS_ROOT, ME, namesIn, openDescriptors } from "./fixture.ts";

interface Fixture extends AsyncDisposable {
  node: TestContent;
  tree: Tree;
  /** Of the tree. */
  path: string;
  /** Beside the root; nothing may ever change in it. */
  outside: string;
}

async function fixture(): Promise<Fixture> {
  const folder = testFolder();
  const node = startContent(join(folder.path, "root"));
  const tree = await node.content.create(ME);
  const outside = join(folder.path, "outside");
  Deno.mkdirSync(outside);
  Deno.writeTextFileSync(join(outside, "canary"), "alive");
  return {
    node,
    tree,
    path: join(node.areas.staging, tree.name),
    outside,
    [Symbol.asyncDispose]() {
      node.close();
      folder[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

function spool(node: TestContent, content: string, name = "spooled") {
  Deno.writeTextFileSync(join(node.areas.spool, name), content);
  return { area: "spool", path: name } as const;
}

const BAD_PATHS: [path: string, problem: string][] = [
  ["/etc/passwd", "must be relative"],
  ["..", '".."'],
  ["a/../..", '".."'],
  ["a/../b", '".."'],
  ["nul\0", "NUL"],
  ["a".repeat(256), "255 bytes"],
  ["lone \ud800 surrogate", "Unicode"],
];

Deno.test("every operation refuses a path that leaves the tree or cannot be one, and names it", async () => {
  await using at = await fixture();
  const { content } = at.node;
  const source = spool(at.node, "x");
  for (const [path, problem] of BAD_PATHS) {
    const calls = [
      () => content.makeDirectory(at.tree, path, ME),
      () => content.place(at.tree, path, source, ME, 0o644),
      () => content.list(at.tree, path),
      () => content.copyOut(at.tree, path, 1),
      () => content.openDirectory(at.tree, path),
    ];
    for (const call of calls) await assertFails(call(), "INVALID_ARGUMENT", problem);
    await assertFails(content.list(at.tree, path), "INVALID_ARGUMENT", JSON.stringify(path));
  }
  assertEquals(namesIn(at.path), []);
  assertEquals(namesIn(at.node.areas.spool), ["spooled"]);
});

Deno.test("makeDirectory makes missing parents and leaves existing ones as they are", async () => {
  await using at = await fixture();
  Deno.mkdirSync(join(at.path, "was"), { mode: 0o700 });
  await at.node.content.makeDirectory(at.tree, "was/made/deep", ME);
  await at.node.content.makeDirectory(at.tree, "./was//made/deep/", ME);
  await at.node.content.makeDirectory(at.tree, "", ME);
  assertEquals(Deno.statSync(join(at.path, "was")).mode! & 0o7777, 0o700);
  assertEquals(Deno.statSync(join(at.path, "was/made/deep")).mode! & 0o7777, 0o755);
});

Deno.test({
  name: "what makeDirectory and place make belongs to the owner given (needs root)",
  ignore: !IS_ROOT,
  async fn() {
    await using at = await fixture();
    const owner = { uid: 1234, gid: 2345 };
    await at.node.content.makeDirectory(at.tree, "a/b", owner);
    await at.node.content.place(at.tree, "c/file", spool(at.node, "x"), owner, 0o4750);
    for (const path of ["a", "a/b", "c", "c/file"]) {
      const { uid, gid } = Deno.lstatSync(join(at.path, path));
      assertEquals([path, uid, gid], [path, 1234, 2345]);
    }
    assertEquals(Deno.statSync(join(at.path, "c/file")).mode! & 0o7777, 0o4750);
  },
});

Deno.test("place moves a spool file, makes its parents and replaces a file", async () => {
  await using at = await fixture();
  const { content, areas } = at.node;
  await content.place(at.tree, "a/b/file", spool(at.node, "one"), ME, 0o600);
  await content.place(at.tree, "a/b/file", spool(at.node, "two"), ME, 0o755);
  assertEquals(Deno.readTextFileSync(join(at.path, "a/b/file")), "two");
  assertEquals(Deno.statSync(join(at.path, "a/b/file")).mode! & 0o7777, 0o755);
  assertEquals(namesIn(areas.spool), []);
  assertEquals(namesIn(join(at.path, "a/b")), ["file"]);
});

Deno.test("place copies a file of the store and leaves it there", async () => {
  await using at = await fixture();
  const { content, areas } = at.node;
  Deno.mkdirSync(join(areas.blobs, "dir"));
  Deno.writeTextFileSync(join(areas.blobs, "dir/blob"), "stored");
  await content.place(at.tree, "file", { area: "blobs", path: "dir/blob" }, ME, 0o640);
  assertEquals(Deno.readTextFileSync(join(at.path, "file")), "stored");
  assertEquals(Deno.statSync(join(at.path, "file")).mode! & 0o7777, 0o640);
  assertEquals(Deno.readTextFileSync(join(areas.blobs, "dir/blob")), "stored");
  assertEquals(namesIn(at.path), ["file"]);
});

Deno.test("place refuses links anywhere in its path, directories, and files that are not there", async () => {
  await using at = await fixture();
  const { content } = at.node;
  await makeTree(at.path, [
    ["out", symlink(at.outside)],
    ["leaf", symlink(join(at.outside, "canary"))],
    ["inner", directory()],
    ["inner/back", symlink("..")],
    ["plain", file("x")],
  ]);
  const source = spool(at.node, "hostile");
  const refused: [string, string][] = [
    ["out/file", "symbolic link"],
    ["out/canary", "symbolic link"],
    ["leaf", "a symbolic link"],
    ["inner/back/file", "symbolic link"],
    ["inner", "a directory"],
    ["plain/file", "not a directory"],
    ["", "must name something"],
    [".", "must name something"],
  ];
  for (const [path, problem] of refused) {
    await assertFails(
      content.place(at.tree, path, source, ME, 0o644),
      "INVALID_ARGUMENT",
      problem,
    );
  }
  await assertFails(
    content.place(at.tree, "x", { area: "spool", path: "none" }, ME, 0o644),
    "NOT_FOUND",
    "none",
  );
  await assertFails(
    content.place(at.tree, "x", { area: "spool", path: "../../state" }, ME, 0o644),
    "INVALID_ARGUMENT",
    "outside the directory",
  );
  assertEquals(Deno.readTextFileSync(join(at.outside, "canary")), "alive");
  assertEquals(namesIn(at.outside), ["canary"]);
  assertEquals(namesIn(at.node.areas.spool), ["spooled"]);
});

Deno.test("list names every kind of entry, in order, and does not follow links", async () => {
  await using at = await fixture();
  await makeTree(at.path, [
    ["dir", directory()],
    ["dir/file", file("four")],
    ["dir/link", symlink("/etc")],
    ["dir/pipe", fifo()],
    [new TextEncoder().encode("dir/ünï"), file()],
    [new Uint8Array([0x64, 0x69, 0x72, 0x2f, 0x80]), file()],
    ["out", symlink(at.outside)],
  ]);
  const { content } = at.node;
  const entries = await content.list(at.tree, "dir");
  assertEquals(entries.map(({ name, type }) => `${name} ${type}`), [
    "\\x80 file",
    "file file",
    "link symlink",
    "pipe other",
    "ünï file",
  ]);
  assertEquals(entries.find(({ name }) => name === "file")!.size, 4);
  assertEquals((await content.list(at.tree, "")).map(({ name }) => name), ["dir", "out"]);
  await assertFails(content.list(at.tree, "out"), "INVALID_ARGUMENT", "symbolic link");
  await assertFails(content.list(at.tree, "none"), "NOT_FOUND", "none");
  await assertFails(content.list(at.tree, "dir/file"), "INVALID_ARGUMENT", "not a directory");
});

Deno.test("copyOut copies a file, or its first bytes, and says its digest", async () => {
  await using at = await fixture();
  const { content, areas } = at.node;
  const text = "0123456789".repeat(300_000);
  await makeTree(at.path, [["logs", directory()], ["logs/log", file(text)], ["empty", file()]]);
  for (
    const [path, max, expected] of [
      ["logs/log", 1e9, text],
      ["logs/log", 1_234_567, text.slice(0, 1_234_567)],
      ["logs/log", 0, ""],
      ["empty", 10, ""],
    ] as const
  ) {
    const blob = await content.copyOut(at.tree, path, max);
    assertEquals(blob.size, expected.length);
    assertEquals(blob.digest, digestOf(expected));
    assertEquals(blob.file.area, "spool");
    assert(Deno.readTextFileSync(join(areas.spool, blob.file.path)) === expected);
  }
  assertEquals(Deno.readTextFileSync(join(at.path, "logs/log")), text);
});

Deno.test("copyOut refuses links, FIFOs, sockets and directories and leaves nothing in the spool", async () => {
  await using at = await fixture();
  const { content, areas } = at.node;
  await makeTree(at.path, [
    ["link", symlink(join(at.outside, "canary"))],
    ["out", symlink(at.outside)],
    ["pipe", fifo()],
    ["socket", socket()],
    ["dir", directory()],
  ]);
  await assertFails(content.copyOut(at.tree, "link", 9), "INVALID_ARGUMENT", "symbolic link");
  await assertFails(content.copyOut(at.tree, "out/canary", 9), "INVALID_ARGUMENT", "symbolic link");
  await assertFails(content.copyOut(at.tree, "pipe", 9), "INVALID_ARGUMENT", "regular file");
  await assertFails(content.copyOut(at.tree, "socket", 9), "INVALID_ARGUMENT", "regular file");
  await assertFails(content.copyOut(at.tree, "dir", 9), "INVALID_ARGUMENT", "regular file");
  await assertFails(content.copyOut(at.tree, "none", 9), "NOT_FOUND", "none");
  assertEquals(namesIn(areas.spool), []);
});

Deno.test("an open directory stays what it is when its tree moves, and lets another user work in it", async () => {
  await using at = await fixture();
  const { content } = at.node;
  await makeTree(at.path, [["repo", directory()], ["repo/here", file()]]);
  if (IS_ROOT) Deno.chownSync(join(at.path, "repo"), 65534, 65534);
  const opened = await content.openDirectory(at.tree, "repo");
  await content.publish(at.tree, "moved");
  const { uid, gid } = opened.owner;
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", "ls; id -u"],
    cwd: opened.path,
    ...(IS_ROOT ? { uid, gid } : {}),
  }).output();
  assertEquals(new TextDecoder().decode(stdout), `here\n${IS_ROOT ? 65534 : ME.uid}\n`);
  const leadsThere = () => {
    try {
      return Deno.readLinkSync(opened.path).endsWith("/moved/repo");
    } catch (error) {
      assert(error instanceof Deno.errors.NotFound);
      return false;
    }
  };
  assert(leadsThere());
  await opened.close();
  await opened.close();
  // The number may be another's by now.
  assert(!leadsThere());
});

Deno.test("openDirectory refuses links and leaves no descriptor open", async () => {
  await using at = await fixture();
  const { content } = at.node;
  await makeTree(at.path, [["out", symlink(at.outside)], ["a", directory()], ["file", file()]]);
  // In the tree only: Workers open the areas while this runs.
  const opened = await content.openDirectory(at.tree, "a");
  assertEquals(openDescriptors(at.path), 1);
  await opened.close();
  for (const path of ["out", "a/none", "file"]) {
    await assertRejects(() => content.openDirectory(at.tree, path));
  }
  for (let i = 0; i < 10; i++) await (await content.openDirectory(at.tree, "a")).close();
  assertEquals(openDescriptors(at.path), 0);
});

Deno.test("usage counts what a tree takes on disk, holes not, hard links once, and every entry", async () => {
  await using at = await fixture();
  await makeTree(at.path, [
    ["a", directory()],
    ["a/one", file("12345")],
    ["a/two", hardlink("a/one")],
    ["holes", sparse(1 << 20, [[0, "x"]])],
    ["link", symlink("a")],
    ["pipe", fifo()],
  ]);
  const { bytes, entries } = await at.node.content.usage(at.tree);
  assertEquals(entries, 6);
  const least = DIRECTORY_BYTES + 2 * fileBytes(1) + LINK_BYTES + 2 * EMPTY_BYTES;
  // A file system may hold some blocks ready for what is written next.
  assert(bytes >= least && bytes < least + (1 << 17), `${bytes} bytes where ${least} are right`);
});

Deno.test({
  name: "usage counts what is mounted in a tree as the folder that it hides (needs root and mount)",
  ignore: !canMount(),
  async fn() {
    await using at = await fixture();
    await makeTree(at.path, [
      ["a", directory()],
      ["a/file", file("12345")],
      ["a/mnt", directory()],
      ["z", file("123")],
    ]);
    using _mount = bindMount(at.outside, join(at.path, "a/mnt"));
    const bytes = 2 * DIRECTORY_BYTES + 2 * fileBytes(5);
    assertEquals(await at.node.content.usage(at.tree), { bytes, entries: 4 });
  },
});

Deno.test({
  name: "a tree on a file system of its own takes files, until it is full (needs root and mount)",
  ignore: !canMount(),
  async fn() {
    await using at = await fixture();
    const { content, areas } = at.node;
    const tree = { area: "workspaces", name: "own" } as const;
    const path = join(areas.workspaces, "own");
    Deno.mkdirSync(path);
    using _mount = smallFileSystem(path, 256 * 1024);
    await content.place(tree, "a/small", spool(at.node, "fits"), ME, 0o640);
    assertEquals(Deno.readTextFileSync(join(path, "a/small")), "fits");
    assertEquals(Deno.statSync(join(path, "a/small")).mode! & 0o7777, 0o640);
    assertEquals(namesIn(areas.spool), []);
    await assertFails(
      content.place(tree, "a/large", spool(at.node, "x".repeat(1 << 20)), ME, 0o640),
      "RESOURCE_EXHAUSTED",
      "no space left",
    );
    assertEquals(namesIn(join(path, "a")), ["small"]);
    await assertFails(content.remove(tree), "FAILED_PRECONDITION", "mounted there");
    assertEquals(namesIn(path), ["a"]);
  },
});
