import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type Directory,
  type ErrnoName,
  joinPath,
  splitLast,
  SystemError,
} from "../../src/linux/mod.ts";
import { openFolder } from "./fixture.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** A call that must fail, with which errno, and what the error says of call and place. */
type Case = readonly [
  errno: ErrnoName,
  syscall: string,
  path: string,
  call: (dir: Directory) => unknown,
];

const CASES: readonly Case[] = [
  ["ENOENT", "openat2", "top/none", (dir) => dir.openFile("none")],
  ["ENOTDIR", "openat2", "top/file", (dir) => dir.openDirectory("file")],
  ["ELOOP", "openat2", "top/link", (dir) => dir.openDirectory("link")],
  ["EEXIST", "openat2", "top/file", (dir) => dir.createFile("file")],
  ["EISDIR", "openat2", "top/full", (dir) => dir.openFile("full", 1)],
  ["ENOTDIR", "openat2", "top/file", (dir) => dir.statEntry("file/x")],
  ["ENOENT", "statx", "top/none", (dir) => dir.statEntry("none")],
  ["EEXIST", "mkdirat", "top/file", (dir) => dir.makeDirectory("file")],
  ["EISDIR", "unlinkat", "top/full", (dir) => dir.unlink("full")],
  ["ENOTEMPTY", "unlinkat", "top/full", (dir) => dir.removeDirectory("full")],
  ["ENOTDIR", "unlinkat", "top/file", (dir) => dir.removeDirectory("file")],
  ["EINVAL", "readlinkat", "top/file", (dir) => dir.readLink("file")],
  ["EEXIST", "symlinkat", "top/file", (dir) => dir.symlink("x", "file")],
  ["EEXIST", "mknodat", "top/file", (dir) => dir.makeFifo("file", 0o600)],
  ["EEXIST", "linkat", "top/file -> top/link", (dir) => dir.link("file", dir, "link")],
  [
    "EEXIST",
    "renameat2",
    "top/file -> top/link",
    (dir) => dir.rename("file", dir, "link", { exclusive: true }),
  ],
  ["ENOENT", "renameat2", "top/file -> top/none", (dir) => dir.exchange("file", dir, "none")],
  ["ENOENT", "fchownat", "top/none", (dir) => dir.chownEntry("none", 0, 0)],
  ["ENOENT", "utimensat", "top/none", (dir) => dir.setEntryTimes("none", { sec: 0, nsec: 0 })],
  ["EINVAL", "unlinkat", "top/full/..", (dir) => dir.unlink("full/..")],
  ["EINVAL", "unlinkat", "top//file", (dir) => dir.unlink("/file")],
];

Deno.test("every call that fails names its errno, itself and where", () => {
  using folder = openFolder();
  const { dir } = folder;
  dir.createFile("file").close();
  dir.symlink("file", "link");
  dir.makeDirectory("full");
  dir.createFile("full/x").close();
  for (const [errno, syscall, path, call] of CASES) {
    const error = assertThrows(() => call(dir), SystemError);
    assertEquals([error.errno, error.syscall, error.path], [errno, syscall, path]);
  }
  assertEquals([...dir.entries()].length, 3, "a call that failed has changed something");
});

Deno.test("calls on an open file that fail name the file", () => {
  using folder = openFolder();
  folder.dir.createFile("file").close();
  using file = folder.dir.openFile("file");
  const cases: [ErrnoName, string, () => unknown][] = [
    ["EBADF", "write", () => file.write(text("x"))],
    ["EBADF", "pwrite", () => file.writeAt(text("x"), 0)],
    ["EINVAL", "ftruncate", () => file.truncate(1)],
    ["EINVAL", "lseek", () => file.seek(-1)],
  ];
  for (const [errno, syscall, call] of cases) {
    const error = assertThrows(() => call(), SystemError);
    assertEquals([error.errno, error.syscall, error.path], [errno, syscall, "top/file"]);
  }
  file.close();
  const error = assertThrows(() => file.stat(), SystemError);
  assertEquals([error.errno, error.syscall], ["EBADF", "statx"]);
});

Deno.test("a path is its parent and its last name, joined again", () => {
  const component = fc.uint8Array({ minLength: 1, maxLength: 9, min: 0x30 });
  fc.assert(fc.property(fc.array(component, { minLength: 1, maxLength: 5 }), (names) => {
    const path = names.reduce<Uint8Array>((at, name) => joinPath(at, name), new Uint8Array());
    const { parent, name } = splitLast(path);
    assertEquals(name, names.at(-1));
    assertEquals(joinPath(parent, name), path);
  }));
});
