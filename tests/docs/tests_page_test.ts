import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { page, PROJECT } from "./pages.ts";

Deno.test("the page of the tests tells of every folder of tests, once", () => {
  const table = page("tests/README.md").text.split("\n## ")[0]!;
  const told = [...table.matchAll(/^\| (`[^|]+`) +\|/gm)]
    .flatMap(([, cell]) => [...cell!.matchAll(/`([a-z0-9_]+)`/g)].map(([, name]) => name!));
  const folders = [...Deno.readDirSync(join(PROJECT, "tests"))]
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  assertEquals(told.toSorted(), folders.toSorted());
});
