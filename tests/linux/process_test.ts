import { assertEquals, assertThrows } from "@std/assert";
import { effectiveUser, fileSystemType, SystemError } from "../../src/linux/mod.ts";
import { openFolder } from "./fixture.ts";

Deno.test("the effective user is who runs the tests", () => {
  using _at = openFolder();
  assertEquals(effectiveUser(), { uid: Deno.uid()!, gid: Deno.gid()! });
});

Deno.test("a file system's kind is what another program says", async () => {
  using at = openFolder();
  const { stdout } = await new Deno.Command("stat", { args: ["-f", "-c", "%t", at.path] }).output();
  assertEquals(fileSystemType(at.dir).toString(16), new TextDecoder().decode(stdout).trim());
});

Deno.test("an error says what was called, for what, and why", () => {
  using at = openFolder();
  const error = assertThrows(() => at.dir.openFile(new Uint8Array([0x66, 0xff])), SystemError);
  assertEquals(error.errno, "ENOENT");
  assertEquals(error.syscall, "openat2");
  assertEquals(error.message, 'openat2 "top/f\\\\xff": no such file or directory (ENOENT)');
});
