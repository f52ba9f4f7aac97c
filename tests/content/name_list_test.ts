import { assert, assertEquals } from "@std/assert";
import { DirectoryCache } from "../../src/content/directory_cache.ts";
import { NameList } from "../../src/content/pack/scan/name_list.ts";
import { DT } from "../../src/linux/mod.ts";
import { bytes, textOf } from "../image/fixture.ts";
import { openFolder } from "../linux/fixture.ts";

Deno.test("names come in the order of their bytes, few or many, and one list serves many", () => {
  using folder = openFolder();
  const list = new NameList();
  for (const count of [0, 1, 24, 25, 700]) {
    folder.dir.makeDirectory(`d${count}`);
    using dir = folder.dir.openDirectory(`d${count}`);
    const names = Array.from(
      { length: count },
      (_, n) => `n${(n * 7919) % 1009}${"é".repeat(n % 3)}`,
    );
    for (const name of names) dir.makeDirectory(name);
    list.read(dir);
    const found = Array.from({ length: list.length }, (_, n) => textOf(list.name(n)));
    // Names of ASCII and é sort alike by code units and by bytes.
    assertEquals(found, [...names].sort());
    for (let n = 0; n < count; n++) assertEquals(list.type(n), DT.DIR);
    assert(names.every((name) => list.has(bytes(name))));
    for (const name of ["", "m", "n", "n0x", "o"]) assert(!list.has(bytes(name)));
  }
});

Deno.test("a directory cache opens directories in any order, deeper than it keeps handles", () => {
  using folder = openFolder();
  using cache = new DirectoryCache(folder.dir);
  const deep = Array.from({ length: 100 }, () => "d").join("/");
  cache.make(bytes(deep));
  for (let n = deep.length; n > 0; n -= 2) {
    cache.open(bytes(deep.slice(0, n))).createFile("mark").close();
  }
  cache.make(bytes("other/way"));
  using way = cache.openUncached(bytes("other/way"));
  assertEquals(cache.open(bytes("other/way")).stat().sameInode(way.stat()), true);
  assertEquals(cache.open(bytes("")).stat().sameInode(folder.dir.stat()), true);
  using last = cache.openUncached(bytes(deep));
  assertEquals(last.statEntry("mark").isFile, true);
});
