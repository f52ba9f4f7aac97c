import { assertEquals, assertThrows } from "@std/assert";
import { effectiveUser, fileSystemType, processUsage, SystemError } from "../../src/linux/mod.ts";
import { eventually } from "../fixtures/eventually.ts";
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

Deno.test("descriptors, their limit and threads are those that /proc lists", async () => {
  using _at = openFolder();
  const count = (folder: string) => Array.from(Deno.readDirSync(`/proc/self/${folder}`)).length;
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const [, limit] = /^Max open files +(\d+|unlimited)/m.exec(limits)!;
  assertEquals(processUsage().maxOpenFiles, limit === "unlimited" ? undefined : Number(limit));
  // Other threads open, close, begin and end meanwhile.
  await eventually(() => assertEquals(processUsage().threads, count("task")));
  const { openFiles } = processUsage();
  // Reading the list takes a descriptor, which is in it. Before Linux 6.2 there is no count.
  if (openFiles !== undefined) {
    await eventually(() => assertEquals(processUsage().openFiles, count("fd") - 1));
  }
});

Deno.test("an error says what was called, for what, and why", () => {
  using at = openFolder();
  const error = assertThrows(() => at.dir.openFile(new Uint8Array([0x66, 0xff])), SystemError);
  assertEquals(error.errno, "ENOENT");
  assertEquals(error.syscall, "openat2");
  assertEquals(error.message, 'openat2 "top/f\\\\xff": no such file or directory (ENOENT)');
});
