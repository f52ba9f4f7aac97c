import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { walkKeys } from "../../src/store/file/walk_keys.ts";
import { testFolder } from "../fixtures/folder.ts";

Deno.test("keys are listed by a prefix that may end within a name; links are not followed", async () => {
  using folder = testFolder();
  for (const path of ["refs/a/one", "refs/a/two", "refs/ab/three", "refs/b", "blobs/x"]) {
    const file = join(folder.path, path);
    Deno.mkdirSync(join(file, ".."), { recursive: true });
    Deno.writeTextFileSync(file, path);
  }
  Deno.symlinkSync("../blobs", join(folder.path, "refs/link"));
  Deno.symlinkSync("b", join(folder.path, "refs/alias"));
  const keys = async (prefix: string) => {
    const found: string[] = [];
    for await (const { key, size } of walkKeys(folder.path, prefix)) {
      assertEquals(size, key.length);
      found.push(key);
    }
    return found.sort();
  };
  assertEquals(await keys("refs/"), ["refs/a/one", "refs/a/two", "refs/ab/three", "refs/b"]);
  assertEquals(await keys("refs/a"), ["refs/a/one", "refs/a/two", "refs/ab/three"]);
  assertEquals(await keys("refs/a/"), ["refs/a/one", "refs/a/two"]);
  assertEquals(await keys("refs/a/t"), ["refs/a/two"]);
  assertEquals(await keys("nothing/"), []);
});
