import { assert, assertEquals, assertThrows } from "@std/assert";
import { bytesOf, type Directory, openLongPath, SystemError } from "../../src/linux/mod.ts";
import { openFolder } from "./fixture.ts";

const NAME = "n".repeat(200);
/** More than one system call takes. */
const DEPTH = 30;

/** Makes nested directories by handles, since no path to the innermost fits a call. @returns its path */
function nest(top: Directory): string {
  let at = top.openDirectory(".");
  for (let depth = 0; depth < DEPTH; depth++) {
    using above = at;
    above.makeDirectory(NAME);
    at = above.openDirectory(NAME);
  }
  at.close();
  return Array(DEPTH).fill(NAME).join("/");
}

/** Descriptors that lead into a folder; other tests have theirs in this process meanwhile. */
function handlesIn(folder: string): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(`${folder}/`);
    } catch {
      // Another thread has closed it meanwhile.
      return false;
    }
  }).length;
}

Deno.test("a directory whose path is longer than a call takes is opened, and its parents closed", () => {
  using folder = openFolder();
  const path = nest(folder.dir);
  assert(path.length > 4096);
  using outer = folder.dir.openDirectory(NAME);
  assertEquals(handlesIn(folder.path), 1);
  using inner = openLongPath(folder.dir, bytesOf(path));
  assert(inner.stat().isDirectory);
  assert(outer.stat().ino !== inner.stat().ino);
});

Deno.test("a long path whose end is missing leaves no handle open", () => {
  using folder = openFolder();
  const path = nest(folder.dir);
  const missing = bytesOf(`${path}/missing`);
  for (let n = 0; n < 20; n++) {
    assertThrows(() => openLongPath(folder.dir, missing), SystemError, "ENOENT");
  }
  assertEquals(handlesIn(folder.path), 0);
});
