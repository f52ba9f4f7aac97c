import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { displayName, DT, S } from "../../src/linux/mod.ts";
import { directory, file, makeTree, readTree, symlink } from "../fixtures/tree.ts";
import { assertErrno, IS_ROOT, openFolder } from "./fixture.ts";

Deno.test("what is made through a handle is what another program sees", async () => {
  using at = openFolder();
  const { dir } = at;
  dir.makeDirectory("d");
  {
    using d = dir.openDirectory("d");
    d.chmod(0o3750);
    using made = dir.createFile("d/file");
    made.write(new TextEncoder().encode("content"));
    made.chmod(0o4711);
    made.setXattr("user.name", new Uint8Array([1, 0, 255]));
    made.setTimes({ sec: 1_600_000_000, nsec: 123_456_789 });
  }
  dir.symlink("/absolute/target", "link");
  dir.setEntryTimes("link", { sec: -2, nsec: 999_999_999 });
  dir.makeFifo("pipe", 0o600);
  dir.link("d/file", dir, "again");
  dir.rename("link", dir, "d/renamed");
  {
    using d = dir.openDirectory("d");
    d.setTimes({ sec: 7, nsec: 8 });
  }
  const entries = await readTree(at.path);
  const brief = entries.slice(1).map(({ path, type, mode, mtime }) =>
    [path, type, mode, path === "pipe" ? "" : mtime].join(" ")
  );
  assertEquals(brief, [
    "again file 4711 1600000000123456789",
    "d directory 3750 7000000008",
    "d/file file 4711 1600000000123456789",
    "d/renamed symlink 0777 -1000000001",
    "pipe fifo 0600 ",
  ]);
  const [, again] = entries;
  assertEquals(again!.xattrs, { "user.name": "0100ff" });
  assertEquals(entries[3]!.sameAs, "again");
  assertEquals(entries[4]!.target, "/absolute/target");
});

Deno.test("a stat is what another program sees", async () => {
  using at = openFolder();
  await makeTree(at.path, [
    ["file", file("12345", { mode: 0o6640, mtime: 1_700_000_000_000_000_001n })],
    ["early", file("", { mtime: -1n })],
    ["link", symlink("file", { mtime: 3n })],
    ["dir", directory({ mode: 0o1777 })],
  ]);
  for (const entry of await readTree(at.path)) {
    const stat = entry.path === "." ? at.dir.stat() : at.dir.statEntry(entry.path);
    assertEquals(stat.permissions.toString(8).padStart(4, "0"), entry.mode);
    assertEquals([stat.uid, stat.gid], [entry.uid, entry.gid]);
    const time = BigInt(stat.mtime.sec) * 1_000_000_000n + BigInt(stat.mtime.nsec);
    assertEquals(String(time), entry.mtime);
    if (entry.type === "file") assertEquals(stat.size, entry.size);
    const { ino, nlink, blocks, size } = Deno.lstatSync(join(at.path, entry.path));
    assertEquals([stat.ino, stat.nlink, stat.blocks, stat.size], [
      BigInt(ino!),
      nlink!,
      blocks!,
      size,
    ]);
    assertEquals([stat.isFile, stat.isDirectory, stat.isSymlink], [
      entry.type === "file",
      entry.type === "directory",
      entry.type === "symlink",
    ]);
  }
});

Deno.test("no path leads out of its directory, through a link, or to its parent", async () => {
  using at = openFolder();
  await makeTree(at.path, [
    ["top", directory()],
    ["top/dir", directory()],
    ["top/dir/up", symlink("..")],
    ["top/abs", symlink("/etc")],
    ["top/file", symlink("../secret")],
    ["secret", file("secret")],
    ["top/magic", symlink("/proc/self/root")],
  ]);
  using top = at.dir.openDirectory("top");
  const full = (path: string) => `top/top/${path}`;
  for (
    const [path, errno] of [
      ["..", "EXDEV"],
      ["../secret", "EXDEV"],
      ["dir/../../secret", "EXDEV"],
      ["/etc/passwd", "EXDEV"],
      ["abs/passwd", "ELOOP"],
      ["dir/up/abs", "ELOOP"],
      ["file", "ELOOP"],
      ["magic/etc/passwd", "ELOOP"],
      ["none", "ENOENT"],
    ] as const
  ) {
    assertErrno(() => top.openFile(path), errno, full(path));
    assertErrno(() => top.openDirectory(path), errno, full(path));
  }
  assertErrno(() => top.createFile("../made"), "EXDEV", full("../made"));
  assertErrno(() => top.createFile("file"), "EEXIST", full("file"));
  for (const path of ["", ".", "..", "dir/..", "dir/", "/x"]) {
    assertErrno(() => top.unlink(path), "EINVAL", full(path));
    assertErrno(() => top.makeDirectory(path), "EINVAL", full(path));
  }
  for (
    const call of [
      () => top.statEntry("../secret"),
      () => top.unlink("../secret"),
      () => top.symlink("x", "../made"),
      () => top.rename("dir", top, "../made"),
      () => top.link("../secret", top, "made"),
      () => top.readLink("../x"),
    ]
  ) assertErrno(call, "EXDEV", full(".."));
  for (
    const call of [
      () => top.makeDirectory("abs/made"),
      () => top.unlink("abs/passwd"),
      () => top.chownEntry("abs/passwd", 0, 0),
      () => top.setEntryTimes("abs/passwd", { sec: 0, nsec: 0 }),
    ]
  ) assertErrno(call, "ELOOP", full("abs"));
  assertEquals(Deno.readTextFileSync(join(at.path, "secret")), "secret");
});

Deno.test("a name is refused where it is too long, or a NUL would cut it short", () => {
  using at = openFolder();
  const { dir } = at;
  Deno.writeTextFileSync(join(at.path, "a"), "must not be touched");
  assertErrno(() => dir.unlink("a\0b"), "EINVAL", "a\0b");
  assertErrno(() => dir.openFile(new Uint8Array([0x61, 0, 0x62])), "EINVAL", "a\0b");
  const long = "x".repeat(256);
  assertErrno(() => dir.createFile(long), "ENAMETOOLONG", `top/${long}`);
  const path = "x/".repeat(2048);
  assertErrno(() => dir.openDirectory(path), "ENAMETOOLONG", path);
  assertErrno(() => dir.openFile(new TextEncoder().encode(path)), "ENAMETOOLONG", path);
  assertEquals(Deno.readTextFileSync(join(at.path, "a")), "must not be touched");
});

Deno.test("names in any bytes are made, listed and removed as they are", () => {
  using at = openFolder();
  const { dir } = at;
  const byte = fc.integer({ min: 1, max: 255 }).filter((value) => value !== 0x2f);
  const name = fc.array(byte, { minLength: 1, maxLength: 255 }).map((bytes) =>
    new Uint8Array(bytes)
  )
    .filter((bytes) => !/^\.{1,2}$/.test(displayName(bytes)));
  const key = (bytes: Uint8Array) => bytes.toString();
  const unique = { selector: key, maxLength: 50 };
  fc.assert(
    fc.property(fc.uniqueArray(name, unique), (names) => {
      for (const each of names) dir.createFile(each).close();
      const listed = [...dir.entries()];
      for (const each of listed) dir.unlink(each.name);
      assertEquals(listed.map(({ name }) => key(name)).sort(), names.map(key).sort());
      assertEquals([...dir.entries()], []);
      assertEquals(listed.every(({ type }) => type === DT.REG || type === DT.UNKNOWN), true);
    }),
    { numRuns: 30 },
  );
});

Deno.test("a directory that has been removed lists nothing", () => {
  using at = openFolder();
  at.dir.makeDirectory("gone");
  using gone = at.dir.openDirectory("gone");
  at.dir.removeDirectory("gone");
  assertEquals([...gone.entries()], []);
  assertEquals(gone.stat().nlink, 0);
});

Deno.test("every entry of a directory larger than a batch is listed once", () => {
  using at = openFolder();
  const names = Array.from({ length: 1500 }, (_, i) => `entry-with-a-longer-name-${i}`);
  for (const name of names) at.dir.createFile(name).close();
  let batches = 0;
  const listed: string[] = [];
  // Opened anew: btrfs lists what there was when a handle was opened.
  using dir = at.dir.openDirectory(".");
  for (let batch = dir.readBatch(); batch; batch = dir.readBatch()) {
    batches++;
    listed.push(...batch.map(({ name }) => displayName(name)));
  }
  assertEquals(listed.sort(), names.sort());
  assertNotEquals(batches, 1);
});

Deno.test("an exclusive rename replaces nothing, and an exchange swaps", () => {
  using at = openFolder();
  const { dir } = at;
  Deno.writeTextFileSync(join(at.path, "a"), "a");
  Deno.writeTextFileSync(join(at.path, "b"), "b");
  assertErrno(
    () => dir.rename("a", dir, "b", { exclusive: true }),
    "EEXIST",
    "top/a -> top/b",
  );
  dir.exchange("a", dir, "b");
  assertEquals(Deno.readTextFileSync(join(at.path, "a")), "b");
  dir.rename("a", dir, "b");
  assertEquals(Deno.readTextFileSync(join(at.path, "b")), "b");
});

Deno.test("a descriptor of a path changes a FIFO and a link, without opening either", async () => {
  using at = openFolder();
  const { dir } = at;
  dir.makeFifo("pipe", 0o600);
  dir.symlink("nowhere", "link");
  {
    using pipe = dir.openPath("pipe");
    pipe.chmod(0o622);
    pipe.setTimes({ sec: 5, nsec: 6 });
    assertEquals(pipe.stat().type, S.IFIFO);
    using link = dir.openPath("link");
    link.setTimes({ sec: 8, nsec: 9 });
    assertErrno(() => link.chmod(0o600), "EOPNOTSUPP", "top/link");
  }
  const [, link, pipe] = await readTree(at.path);
  assertEquals([link!.mtime, pipe!.mtime, pipe!.mode], ["8000000009", "5000000006", "0622"]);
});

Deno.test({
  name: "owners, devices and privileged attributes are set by descriptor (needs root)",
  ignore: !IS_ROOT,
  async fn() {
    using at = openFolder();
    const { dir } = at;
    dir.makeDevice("device", S.IFCHR | 0o640, 250, 70_000);
    dir.symlink("x", "link");
    dir.chownEntry("link", 3, 4);
    {
      using link = dir.openPath("link");
      link.setXattr("trusted.tag", new Uint8Array([9]));
      assertEquals(link.listXattrs().map(displayName), ["trusted.tag"]);
      assertEquals(link.getXattr("trusted.tag"), new Uint8Array([9]));
      using device = dir.openPath("device");
      device.chown(1, 2);
    }
    const [, device, link] = await readTree(at.path);
    assertEquals(device!.device, [250, 70_000]);
    assertEquals([device!.uid, device!.gid, link!.uid, link!.gid], [1, 2, 3, 4]);
    const { rdevMajor, rdevMinor } = dir.statEntry("device");
    assertEquals([rdevMajor, rdevMinor], [250, 70_000]);
    assertEquals(link!.xattrs, { "trusted.tag": "09" });
  },
});

Deno.test("a closed handle is not used again, and closing it twice is no error", () => {
  using at = openFolder();
  const again = at.dir.openDirectory(".");
  again.close();
  again.close();
  assertErrno(() => again.stat(), "EBADF", "top");
  assertEquals(at.dir.stat().isDirectory, true);
});
