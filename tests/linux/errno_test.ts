import { assertEquals, assertThrows } from "@std/assert";
import { Directory, openLibc, SystemError } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../fixtures/folder.ts";

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
