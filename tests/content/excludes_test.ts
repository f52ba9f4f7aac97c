/** What is asked to be left out of an image is, and nothing else. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { PackExcludes, PackResult } from "../../src/content/pack/pack_result.ts";
import { canMountBtrfs } from "../fixtures/btrfs.ts";
import { directory, fifo, file, hardlink, symlink, type TreeTable } from "../fixtures/tree.ts";
import { ImageFixture } from "./image_fixture.ts";
import { BtrfsFixture } from "./volume/btrfs_fixture.ts";

const TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# by a test\n";
const ALL: PackExcludes = { cacheDirs: true, ignoreFile: true, patterns: [] };
const NONE: PackExcludes = { cacheDirs: false, ignoreFile: false, patterns: [] };

const TREE: TreeTable = [
  ["src", directory()],
  ["src/main.c", file("int main;")],
  ["src/main.o", file("object")],
  ["src/keep.o", file("kept")],
  ["build", directory()],
  ["build/deep", directory()],
  ["build/deep/x", file("made")],
  ["build/linked", hardlink("src/main.c")],
  ["target", directory()],
  ["target/CACHEDIR.TAG", file(TAG)],
  ["target/big", file("cached")],
  ["target/in", directory()],
  ["target/in/x", file("cached")],
  ["false", directory()],
  ["false/CACHEDIR.TAG", file(TAG.replace("8a", "8b"))],
  ["false/x", file("kept")],
  ["linked", directory()],
  ["linked/CACHEDIR.TAG", symlink("../target/CACHEDIR.TAG")],
  ["linked/x", file("kept")],
  ["odd", directory()],
  ["odd/CACHEDIR.TAG", fifo()],
  ["odd/x", file("kept")],
  ["CACHEDIR.TAG", file(TAG)],
  [".wsdaemonignore", file("# mine\n*.o\n!keep.o\n/build/\n")],
];
const LEFT_OUT = ["build", "build/deep", "build/deep/x", "build/linked", "src/main.o"];
const CACHED = ["target/big", "target/in", "target/in/x"];

const IN_TO_BE = ["to be/old", "to be/old/x"];

const pathsOf = (entries: readonly { path: string }[]) =>
  entries.map(({ path }) => path).filter((path) => path !== ".").toSorted();
const everything = TREE.map(([path]) => String(path)).toSorted();
const without = (...left: string[]) => everything.filter((path) => !left.includes(path));

/** The paths that an image restores, which are the same without its index. */
async function restored(fixture: ImageFixture, image: PackResult): Promise<string[]> {
  const paths = pathsOf(await fixture.restored(image));
  assertEquals(pathsOf(await fixture.restored(image, { index: false })), paths);
  return paths;
}

Deno.test("images leave out what is excluded, and have it again once it is not", async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", TREE);
  const pack = async (excludes: PackExcludes) => {
    const image = await fixture.pack("w", { excludes });
    return { image, paths: await restored(fixture, image) };
  };
  assertEquals((await pack(NONE)).paths, everything);
  const { image, paths } = await pack(ALL);
  assertEquals(paths, without(...LEFT_OUT, ...CACHED));
  // A folder that is left out counts once, and nothing looks into it.
  assertEquals(image.stats.excluded.entries, 4);
  assertEquals(image.stats.excluded.examples, ["build", "src/main.o", "target/big", "target/in"]);
  assertEquals((await pack({ ...NONE, cacheDirs: true })).paths, without(...CACHED));
  const patterns = ["linked", "x", "!/odd/x"];
  assertEquals(
    (await pack({ ...NONE, patterns })).paths,
    without("linked", "linked/CACHEDIR.TAG", "linked/x", "false/x", "build/linked")
      .filter((path) => path !== "build/deep/x" && path !== "target/in/x"),
  );
  // What comes later counts: the workspace's own file can take out what the config leaves out.
  const both = await pack({ ...ALL, cacheDirs: false, patterns: ["keep.*", "odd"] });
  assertEquals(both.paths, without(...LEFT_OUT, "odd", "odd/CACHEDIR.TAG", "odd/x"));
  assertEquals((await pack(NONE)).paths, everything);
});

Deno.test("a file of patterns that cannot be gone by leaves nothing out, and says why", async () => {
  await using fixture = new ImageFixture(1);
  const path = await fixture.publish("w", [["a", file("a")], ["b.o", file("b")]]);
  const name = join(path, ".wsdaemonignore");
  const problemOf = async (isThere: string[] = [".wsdaemonignore"]) => {
    const image = await fixture.pack("w", { excludes: ALL });
    assertEquals(await restored(fixture, image), [...isThere, "a", "b.o"]);
    return image.ignoreFileProblem;
  };
  for (
    const [content, problem] of [
      ["*\n", "nothing of the workspace"],
      ["/**", "nothing of the workspace"],
      ["x\n".repeat(300), "patterns"],
      ["y".repeat(1100), "bytes"],
      [`#${"y".repeat(70_000)}\n*.o\n`, "bytes"],
    ] as const
  ) {
    await Deno.writeTextFile(name, content);
    assertStringIncludes(await problemOf() ?? "no problem", problem);
  }
  await Deno.remove(name);
  await Deno.symlink("/etc/passwd", name);
  assertStringIncludes(await problemOf() ?? "no problem", "no regular file");
  await Deno.remove(name);
  await Deno.mkdir(name);
  assertStringIncludes(await problemOf() ?? "no problem", "no regular file");
  await Deno.remove(name);
  assertEquals(await problemOf([]), undefined);
});

Deno.test({
  name: "a save on btrfs that need not walk leaves out what one that walks does",
  ignore: !canMountBtrfs(),
  fn: async () => {
    await using fixture = new BtrfsFixture();
    const path = await fixture.make("w", [["a", directory()], ["a/x", file("x")], [
      "b",
      file("b"),
    ]]);
    const text = (name: string, content: string) =>
      Deno.writeTextFileSync(join(path, name), content);
    const pack = async () => {
      const image = await fixture.pack("w", { excludes: ALL });
      return { paths: await restored(fixture, image), reason: image.walkReason };
    };
    await pack();
    // Nothing is left out as yet: the next one does not walk.
    text("b", "B");
    assertEquals(await pack(), { paths: ["a", "a/x", "b"], reason: undefined });
    // A folder that appears is left out without a walk as well, and from then on all is walked.
    Deno.mkdirSync(join(path, "a/cache/in"), { recursive: true });
    text("a/cache/CACHEDIR.TAG", TAG);
    text("a/cache/in/x", "cached");
    const tagged = ["a", "a/cache", "a/cache/CACHEDIR.TAG", "a/x", "b"];
    assertEquals((await pack()).paths.filter((one) => !one.startsWith("a/cache/in")), tagged);
    const walked = await pack();
    assertEquals(walked.paths, tagged);
    assert(walked.reason !== undefined);
    Deno.removeSync(join(path, "a/cache/CACHEDIR.TAG"));
    const untagged = ["a", "a/cache", "a/cache/in", "a/cache/in/x", "a/x", "b"];
    assertEquals((await pack()).paths, untagged);
    text("b", "again");
    assertEquals(await pack(), { paths: untagged, reason: undefined });
    // A file of patterns that comes or changes has the tree walked.
    text(".wsdaemonignore", "x\n");
    const ignoring = await pack();
    assertEquals(ignoring.paths, [".wsdaemonignore", "a", "a/cache", "a/cache/in", "b"]);
    assertStringIncludes(ignoring.reason ?? "", "file of patterns");
    text(".wsdaemonignore", "nothing\n");
    assertEquals((await pack()).paths, [".wsdaemonignore", ...untagged]);
  },
});

Deno.test({
  name: "a folder on btrfs that becomes a cache is left out at once, with the folders in it",
  ignore: !canMountBtrfs(),
  fn: async () => {
    await using fixture = new BtrfsFixture();
    const path = await fixture.make("w", [
      ["made", directory()],
      ["made/old", directory()],
      ["made/old/x", file("x")],
      ["made/y", file("y")],
      ["tagged", directory()],
      ["tagged/CACHEDIR.TAG", file(TAG)],
      ["to be", directory()],
      ["to be/CACHEDIR.TAG", file("#")],
      ["to be/old", directory()],
      ["to be/old/x", file("x")],
    ]);
    const pack = async () => {
      const image = await fixture.pack("w", { excludes: ALL });
      return { paths: await restored(fixture, image), reason: image.walkReason };
    };
    await pack();
    const tagged = ["tagged", "tagged/CACHEDIR.TAG"];
    const old = ["made/old", "made/old/x"];
    const toBe = ["to be", "to be/CACHEDIR.TAG"];
    // Of a cache directory there was nothing to leave out, until a build made folders in it.
    await Deno.mkdir(join(path, "tagged/new/in"), { recursive: true });
    await Deno.writeTextFile(join(path, "tagged/new/in/x"), "cached");
    const built = await pack();
    assertEquals(built.paths, ["made", ...old, "made/y", ...tagged, ...toBe, ...IN_TO_BE]);
    assertStringIncludes(built.reason ?? "", "tagged");
    // Nothing is left out any more, so that the save after the next need not walk.
    await Deno.remove(join(path, "tagged/new"), { recursive: true });
    await pack();
    await Deno.writeTextFile(join(path, "made/CACHEDIR.TAG"), TAG);
    const made = ["made", "made/CACHEDIR.TAG"];
    assertEquals((await pack()).paths, [...made, ...tagged, ...toBe, ...IN_TO_BE]);
    await Deno.remove(join(path, "made"), { recursive: true });
    await pack();
    // The same entries as before, of which one has become a tag.
    await Deno.writeTextFile(join(path, "to be/CACHEDIR.TAG"), TAG);
    assertEquals((await pack()).paths, [...tagged, ...toBe]);
  },
});
