import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { progressLine } from "../../src/cli/progress.ts";
import { entryJson, entryLine } from "../../src/cli/store/format.ts";
import { parseName, showName } from "../../src/cli/store/object_names.ts";
import type { ImageEntry } from "../../src/inspect/image_tree.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const SHOWN: [name: Uint8Array, shown: string][] = [
  [bytes(""), "."],
  [bytes("src/main.ts"), "src/main.ts"],
  [bytes("é-漢字-🎉 x"), "é-漢字-🎉 x"],
  [bytes("new\nline\ttab\x1b[31m"), "new\\x0aline\\x09tab\\x1b[31m"],
  [bytes("back\\slash"), "back\\\\slash"],
  [bytes("right\u202eleft"), "right\\xe2\\x80\\xaeleft"],
  [bytes("\ufeffmark"), "\\xef\\xbb\\xbfmark"],
  [bytes(" both "), "\\x20both\\x20"],
  [bytes("a -> b"), "a\\x20-> b"],
  [Uint8Array.of(0xff, 0x61, 0xc3), "\\xffa\\xc3"],
  [Uint8Array.of(0xff, 0x20, 0x61, 0x20), "\\xff a\\x20"],
];

for (const [name, shown] of SHOWN) {
  Deno.test(`a file's name is shown as ${shown}, and found again by that`, () => {
    assertEquals(showName(name), shown);
    assertEquals(parseName(shown), name);
  });
}

Deno.test("no two names look alike, and every shown name is read back", () => {
  const component = fc.uint8Array({ minLength: 1, maxLength: 12 })
    .map((name) => name.map((byte) => byte === 0 || byte === 0x2f ? 0x5c : byte))
    .filter((name) => !/^\.{1,2}$/.test(new TextDecoder().decode(name)));
  fc.assert(fc.property(component, (name) => {
    const shown = showName(name);
    assertEquals(parseName(shown), name);
    assertMatch(shown, /^[^\p{C}]*$/u);
  }));
});

Deno.test("paths are taken as shells complete them, and refused where they leave the image", () => {
  for (const text of ["src/a", "/src/a", "./src//a/", "src/./a"]) {
    assertEquals(parseName(text), bytes("src/a"));
  }
  for (const text of ["", ".", "/", "./"]) assertEquals(parseName(text), bytes(""));
  for (const text of ["..", "a/../b", "a\\", "\\q", "\\x1", "\\x2e\\x2e"]) {
    assertEquals(parseName(text), undefined, text);
  }
});

const FILE: ImageEntry = {
  path: bytes("dir/file"),
  type: "file",
  mode: 0o4751,
  uid: 1000,
  gid: 33333,
  mtime: { sec: 1_600_000_000, nsec: 5 },
  size: 1234,
  xattrs: [{ name: bytes("user.a"), value: Uint8Array.of(0, 255) }],
};

Deno.test("files are listed as ls does, and in JSON exactly", () => {
  assertEquals(
    entryLine(FILE),
    "-rwsr-x--x  1000 33333         1234 2020-09-13 12:26:40Z dir/file",
  );
  assertEquals(entryJson(FILE), {
    path: "dir/file",
    type: "file",
    mode: "4751",
    uid: 1000,
    gid: 33333,
    size: 1234,
    mtime: "2020-09-13T12:26:40.000000005Z",
    xattrs: [{ name: "user.a", hex: "00ff" }],
  });
  const link: ImageEntry = { ...FILE, type: "symlink", mode: 0o777, link: bytes("a\nb") };
  assert(entryLine(link).endsWith("dir/file -> a\\x0ab"));
  const device: ImageEntry = { ...FILE, type: "character-device", device: { major: 1, minor: 3 } };
  assertMatch(entryLine(device), /^crws.* 1, 3 2020/);
  const sticky = (mode: number) => entryLine({ ...FILE, type: "directory", mode }).slice(0, 10);
  assertEquals([sticky(0o1777), sticky(0o1770)], ["drwxrwxrwt", "drwxrwx--T"]);
  const far: ImageEntry = { ...FILE, mtime: { sec: 9e12, nsec: 1 } };
  assertEquals(entryJson(far).mtime, "@9000000000000.000000001");
  const early: ImageEntry = { ...FILE, mtime: { sec: -1, nsec: 500_000_000 } };
  assertEquals(entryJson(early).mtime, "1969-12-31T23:59:59.500000000Z");
});

Deno.test("a progress line has a bar where the end is known", () => {
  assertEquals(
    progressLine({ doing: "verifying", fraction: 0.5, detail: "1 of 2" }),
    "verifying [############------------]  50%  1 of 2",
  );
  assertEquals(
    progressLine({ doing: "copying", fraction: 2, detail: "" }),
    `copying [${"#".repeat(24)}] 100%  `,
  );
  assertEquals(progressLine({ doing: "listing", detail: "7 blobs" }), "listing  7 blobs");
});
