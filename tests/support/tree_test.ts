import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { testFolder } from "./folder.ts";
import {
  device,
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  readTree,
  socket,
  sparse,
  symlink,
  type TreeEntry,
} from "./tree.ts";

const isRoot = Deno.uid() === 0;
const ODD = new Uint8Array([0x61, 0xff, 0x0a]);

function pick(entries: TreeEntry[], path: string): TreeEntry {
  const entry = entries.find((entry) => entry.path === path);
  if (!entry) throw new Error(`nothing at ${path}`);
  return entry;
}

Deno.test("a tree is read as it was said in the table", async () => {
  using folder = testFolder();
  await makeTree(folder.path, [
    [".", directory({ mode: 0o750, mtime: 5_000_000_007n })],
    ["dir", directory({ mode: 0o500, mtime: -1n })],
    ["dir/file", file("hello", { mode: 0o4711, mtime: 1_600_000_000_123_456_789n })],
    ["dir/again", hardlink("dir/file")],
    ["link", symlink("/nowhere", { mtime: 42n })],
    ["pipe", fifo({ mode: 0o622 })],
    ["sock", socket({ mode: 0o600 })],
    ["holes", sparse(1 << 20, [[65536, "data"]])],
    ["tagged", file("", { xattrs: { "user.tag": new Uint8Array([0, 255]) } })],
    [ODD, file("odd")],
  ]);
  const entries = await readTree(folder.path);
  assertEquals(entries.map(({ path, type, mode }) => `${path} ${type} ${mode}`), [
    ". directory 0750",
    "a\\xff\n file 0644",
    "dir directory 0500",
    "dir/again file 4711",
    "dir/file file 4711",
    "holes file 0644",
    "link symlink 0777",
    "pipe fifo 0622",
    "sock socket 0600",
    "tagged file 0644",
  ]);
  assertEquals(pick(entries, ".").mtime, "5000000007");
  assertEquals(pick(entries, "dir").mtime, "-1");
  assertEquals(pick(entries, "dir/file").mtime, "1600000000123456789");
  assertEquals(pick(entries, "dir/file").sameAs, "dir/again");
  assertEquals(pick(entries, "link").target, "/nowhere");
  assertEquals(pick(entries, "link").mtime, "42");
  assertEquals(pick(entries, "holes").data, [[65536, 69632]]);
  assertEquals(pick(entries, "tagged").xattrs, { "user.tag": "00ff" });
});

Deno.test("a tree's entries differ when content, mode, time or link target differ", async () => {
  const variants = [
    file("a", { mtime: 1n }),
    file("b", { mtime: 1n }),
    file("a", { mtime: 2n }),
    file("a", { mtime: 1n, mode: 0o600 }),
    symlink("a", { mtime: 1n }),
    symlink("b", { mtime: 1n }),
  ];
  using folder = testFolder();
  await makeTree(folder.path, variants.map((variant, i) => [String(i), variant]));
  const [, ...entries] = await readTree(folder.path);
  assertEquals(entries.length, variants.length);
  const seen: Omit<TreeEntry, "path">[] = [];
  for (const { path: _, ...entry } of entries) {
    for (const other of seen) assertNotEquals(entry, other);
    seen.push(entry);
  }
});

Deno.test({
  name: "a tree has owners and devices when root makes it (needs root)",
  ignore: !isRoot,
  async fn() {
    using folder = testFolder();
    await makeTree(folder.path, [
      ["null", device(1, 3, { owner: { uid: 7, gid: 8 } })],
      ["link", symlink("x", { owner: { uid: 9, gid: 10 } })],
    ]);
    const entries = await readTree(folder.path);
    const { uid, gid, device: numbers } = pick(entries, "null");
    assertEquals([uid, gid, numbers], [7, 8, [1, 3]]);
    assertEquals(pick(entries, "link").uid, 9);
  },
});

Deno.test("a table that cannot be made is an error with its cause", async () => {
  using folder = testFolder();
  await assertRejects(
    () => makeTree(folder.path, [["missing/file", file()]]),
    Error,
    "FileNotFoundError",
  );
});
