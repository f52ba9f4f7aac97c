import { assertEquals, assertThrows } from "@std/assert";
import { changedDirectories } from "../../src/content/pack/scan/changed_directories.ts";
import { Arena, BlockBuilder } from "../../src/image/mod.ts";
import { buildBlock, textOf } from "../image/fixture.ts";
import { openFolder } from "../linux/fixture.ts";

Deno.test("directories that changed or are gone since they were walked are told apart", () => {
  using folder = openFolder();
  const { dir } = folder;
  const paths = ["same", "mode", "removed", "file", "link", "parent", "parent/moved"];
  for (const path of paths) dir.makeDirectory(path);
  const builder = new BlockBuilder(new Arena());
  const blocks = paths.map((path) => buildBlock(builder, path, dir.statEntry(path), []));
  using changing = dir.openDirectory("mode");
  changing.chmod(0o711);
  for (const name of ["removed", "file", "link"]) dir.removeDirectory(name);
  dir.createFile("file").close();
  dir.symlink("same", "link");
  dir.rename("parent/moved", dir, "elsewhere");
  const { changed, gone } = changedDirectories(dir, blocks, () => {});
  assertEquals(changed.map(textOf), ["mode", "parent"]);
  assertEquals(gone.map(textOf), ["removed", "file", "link", "parent/moved"]);
});

Deno.test("a cancelled pack compares no more directories", () => {
  using folder = openFolder();
  const blocks = [
    buildBlock(new BlockBuilder(new Arena()), "", folder.dir.stat(), []),
  ];
  const cancelled = () => {
    throw new DOMException("cancelled", "AbortError");
  };
  assertThrows(() => changedDirectories(folder.dir, blocks, cancelled), DOMException);
});
