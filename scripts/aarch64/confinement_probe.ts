/**
 * Binds the calling thread as a content Worker's is, and looks at what that does: by the numbers and
 * layouts of this processor. Imported last by `guest_main.ts`, as the thread stays bound.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CHANGE_RIGHTS,
  confinementSupport,
  confineThread,
  CONTENT_CAPABILITIES,
  DatagramSocket,
  Directory,
  openLibc,
  SystemError,
} from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../../tests/fixtures/folder.ts";

function errnoOf(action: () => unknown): string {
  return assertThrows(action, SystemError).errno;
}

Deno.test("a bound thread has the kernel refuse paths, capabilities and calls", () => {
  openLibc(libcPath());
  const support = confinementSupport();
  // The emulated kernel's; with less of it the test would say nothing.
  assert(support.landlock >= 2 && support.seccomp, JSON.stringify(support));
  const folder = testFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  using before = Directory.open(folder.path, "top");
  before.chownEntry("file", 1, 1);
  new DatagramSocket("/nowhere")[Symbol.dispose]();
  Directory.open("/etc", "etc").close();

  confineThread(support, {
    paths: [{ path: folder.path, rights: CHANGE_RIGHTS }],
    isolated: true,
    capabilities: CONTENT_CAPABILITIES.filter((name) => name !== "CAP_CHOWN"),
  });

  using after = Directory.open(folder.path, "top");
  after.makeDirectory("new");
  assertEquals(errnoOf(() => Directory.open("/etc", "etc")), "EACCES");
  assertEquals(errnoOf(() => after.chownEntry("file", 2, 2)), "EPERM");
  assertEquals(errnoOf(() => new DatagramSocket("/nowhere")), "EPERM");
});
