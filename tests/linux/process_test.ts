import { assert, assertEquals, assertThrows } from "@std/assert";
import { effectiveUser, fileSystem, SystemError } from "../../src/linux/mod.ts";
import { openFolder } from "./support.ts";

Deno.test("the effective user is who runs the tests", () => {
  using _at = openFolder();
  assertEquals(effectiveUser(), { uid: Deno.uid()!, gid: Deno.gid()! });
});

Deno.test("a file system is as large as another program says", async () => {
  using at = openFolder();
  const { stdout } = await new Deno.Command("stat", {
    args: ["-f", "-c", "%t %S %b", at.path],
  }).output();
  const [type, blockSize, blocks] = new TextDecoder().decode(stdout).trim().split(" ");
  const found = fileSystem(at.dir);
  assertEquals(found.type.toString(16), type);
  assertEquals(found.size, Number(blockSize) * Number(blocks));
  assert(found.available <= found.size);
});

Deno.test("an error says what was called, for what, and why", () => {
  using at = openFolder();
  const error = assertThrows(() => at.dir.openFile(new Uint8Array([0x66, 0xff])), SystemError);
  assertEquals(error.errno, "ENOENT");
  assertEquals(error.syscall, "openat2");
  assertEquals(error.message, 'openat2 "top/f\\\\xff": no such file or directory (ENOENT)');
});
