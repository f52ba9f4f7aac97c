import { assertEquals, assertThrows } from "@std/assert";
import type { ErrnoName } from "../../src/errors.ts";
import { libc, type Symbols } from "../../src/linux/libc.ts";
import { Directory, type File, openLibc, SystemError } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../fixtures/folder.ts";
import { openFolder } from "./fixture.ts";

Deno.test("a SystemError tells where the call failed once it is asked, and not before", () => {
  let told = 0;
  const error = new SystemError("ENOENT", "openat2", {
    get path() {
      told++;
      return "a/b";
    },
    location: "/root/a/b",
  });
  assertEquals(told, 0);
  const message = 'openat2 "a/b": no such file or directory (ENOENT)';
  assertEquals([error.message, String(error), error.path], [
    message,
    `SystemError: ${message}`,
    "a/b",
  ]);
  assertEquals(told, 1);
});

Deno.test("a SystemError names the entry that there was, whatever became of its bytes", () => {
  using folder = testFolder();
  openLibc(libcPath());
  using dir = Directory.open(folder.path, "area");
  for (const call of ["openDirectory", "openFile", "statEntry", "unlink", "readLink"] as const) {
    const name = new TextEncoder().encode("missing");
    const error = assertThrows(() => dir[call](name), SystemError);
    name.fill(0x78);
    assertEquals(error.path, "area/missing");
  }
  const name = new TextEncoder().encode("missing");
  const error = assertThrows(() => dir.link(name, dir, name), SystemError);
  name.fill(0x78);
  assertEquals(error.path, "area/missing -> area/missing");
});

const EAGAIN = 11;

/** Has the function of libc's be `instead` until the result is disposed of. */
function replaceCall<K extends keyof Symbols>(name: K, instead: Symbols[K]): Disposable {
  const { sys } = libc();
  const original = sys[name];
  const replace = (value: Symbols[K]) => Object.defineProperty(sys, name, { value });
  replace(instead);
  return { [Symbol.dispose]: () => replace(original) };
}

/** Has the next reading of errno find another value, as where the runtime made a call in between. */
function overwriteErrno(): Disposable {
  const { memcpy } = libc().sys;
  let readings = 0;
  return replaceCall("memcpy", (into, from, length) => {
    const result = memcpy(into, from, length);
    if (readings++ === 0) (into as Int32Array)[0] = EAGAIN;
    return result;
  });
}

Deno.test("a failed call whose errno was overwritten says why it failed all the same", () => {
  using folder = openFolder();
  const { dir } = folder;
  dir.makeDirectory("full");
  dir.createFile("full/file").close();
  using file = dir.openFile("full/file");
  const calls: [ErrnoName, () => unknown][] = [
    ["ENOTEMPTY", () => dir.removeDirectory("full")],
    ["EISDIR", () => dir.unlink("full")],
    ["ENOENT", () => dir.statEntry("none")],
    ["ENOENT", () => dir.openFile("none")],
    ["ENOENT", () => dir.rename("none", dir, "other")],
    ["EBADF", () => file.write(new Uint8Array(1))],
    ["EINVAL", () => file.seek(-1)],
  ];
  for (const [errno, call] of calls) {
    using _ = overwriteErrno();
    assertEquals(assertThrows(call, SystemError).errno, errno);
  }
});

Deno.test("what has nothing to find finds nothing where errno was overwritten", () => {
  using folder = openFolder();
  using file = folder.dir.createFile("file");
  {
    using _ = overwriteErrno();
    assertEquals(file.nextData(0), undefined);
  }
  using _ = overwriteErrno();
  assertEquals(file.getXattr("user.none"), undefined);
});

Deno.test("a sync and a close that failed are not made again: the second would succeed", () => {
  using folder = openFolder();
  const calls = {
    fsync: (file: File) => file.sync(),
    fdatasync: (file: File) => file.syncData(),
    syncfs: (file: File) => file.syncFileSystem(),
    close: (file: File) => file.close(),
  };
  for (const [name, call] of Object.entries(calls)) {
    const file = folder.dir.createFile(name);
    let made = 0;
    {
      using _ = replaceCall(name as keyof typeof calls, () => made++ === 0 ? -1 : 0);
      assertThrows(() => call(file), SystemError);
    }
    assertEquals(made, 1, name);
    file.close();
  }
});
