import { assertEquals, assertThrows } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { foldersOf, PathConflicts } from "../../src/initializer/path_conflicts.ts";

Deno.test("the folders of a path are told from the top, without the path itself", () => {
  assertEquals([...foldersOf("a/b/c")], ["a", "a/b"]);
  assertEquals([...foldersOf("a")], []);
});

Deno.test("files beside each other and names that only begin alike do not conflict", () => {
  const conflicts = new PathConflicts();
  for (const path of ["a/b", "a/c/d", "ab", "a.b", "a/bc"]) conflicts.add(path, path);
});

Deno.test("a file that is there already, is a folder, or leads through a file is refused", () => {
  const cases = [
    [["a/b", "a/b"], "is the same as first"],
    [["a/b/c", "a"], "is a folder of first"],
    [["a/b/c", "a/b"], "is a folder of first"],
    [["a/b", "a/b/c"], "leads through first"],
    [["a", "a/b/c"], "leads through first"],
  ] as const;
  for (const [[one, other], problem] of cases) {
    const conflicts = new PathConflicts();
    conflicts.add(one, "first");
    const error = assertThrows(() => conflicts.add(other, "second"), DaemonError, problem);
    assertEquals(error.code, "INVALID_ARGUMENT");
  }
});
