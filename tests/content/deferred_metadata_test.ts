/** What waits for directories: in which order it comes, and what it costs. */

import { assert, assertEquals } from "@std/assert";
import { memberPath } from "../../src/image/member_path.ts";
import { DeferredMetadata } from "../../src/content/extract/deferred_metadata.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../fixtures/folder.ts";

const at = (path: string) => memberPath(new TextEncoder().encode(path), "path", Infinity);

/** Waiting metadata that says which directory it is of, and what it was charged so far. */
function waiting() {
  const charged = { bytes: 0 };
  const metadata = new DeferredMetadata<string>((bytes) => void (charged.bytes += bytes));
  return { metadata, charged, set: (path: string) => metadata.set(at(path), path) };
}

/** What is applied, in its order, in a folder that has these directories. */
function applied(metadata: DeferredMetadata<string>, directories: string[]): string[] {
  using folder = testFolder();
  for (const path of directories) Deno.mkdirSync(`${folder.path}/${path}`, { recursive: true });
  openLibc(libcPath());
  using top = Directory.open(folder.path, "tree");
  const order: string[] = [];
  metadata.apply(top, (dir, path) => {
    assert(path === "." || dir.path.endsWith(`/${path}`), `${path} was applied to ${dir.path}`);
    order.push(path);
  });
  return order;
}

Deno.test("metadata of directories comes for those within a directory first", () => {
  const { metadata, set } = waiting();
  const paths = ["a", "a/b/c", "a/b", ".", "d/e", "d/f", "d"];
  for (const path of paths) set(path);
  const order = applied(metadata, paths);
  assertEquals([...order].sort(), [...paths].sort());
  for (const [n, path] of order.entries()) {
    assert(order.slice(n).every((later) => !later.startsWith(`${path}/`)), order.join(" "));
  }
  assertEquals(order.at(-1), ".");
});

Deno.test("what is forgotten with a directory is all beneath it, and costs nothing more", () => {
  const { metadata, charged, set } = waiting();
  for (const path of ["a", "b/c"]) set(path);
  const { bytes } = charged;
  for (const path of ["b/c/d/e", "b/c/f", "gone", "gone/x/y"]) set(path);
  metadata.forget(at("gone"));
  metadata.forget(at("never/there"));
  metadata.forgetBelow(at("b/c"));
  assertEquals(charged.bytes, bytes);
  assertEquals(applied(metadata, ["a", "b/c"]).sort(), ["a", "b/c"]);
  set("gone/x");
  metadata.forgetBelow(at("."));
  assertEquals(charged.bytes, 0);
  assertEquals(applied(metadata, []), []);
});

Deno.test("a directory costs its own name, however deep it is", () => {
  const { charged, set } = waiting();
  const deep = "d/".repeat(900);
  set(`${deep}0`);
  const { bytes } = charged;
  for (let n = 1; n <= 1000; n++) set(`${deep}${n}`);
  assert(charged.bytes - bytes < 1000 * 500, `${charged.bytes - bytes} bytes`);
});

Deno.test("metadata is applied to directories deeper than descriptors are kept open", () => {
  const { metadata, set } = waiting();
  const chain = Array.from({ length: 300 }, (_, n) => "d/".repeat(n) + "d");
  for (const path of chain) set(path);
  for (const path of chain) set(`${path}/side`);
  const order = applied(metadata, chain.map((path) => `${path}/side`));
  assertEquals(order.length, 600);
  assertEquals(order.at(-1), "d");
});
