import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { join } from "@std/path";
import { binaryBytes, binaryString } from "../../src/archive/pax_reader.ts";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { expanded } from "../../src/inspect/file_content.ts";
import { ImageFiles } from "../../src/inspect/image_files.ts";
import { comparePaths, type ImageEntry, isWithin } from "../../src/inspect/image_tree.ts";
import { findImage } from "../../src/inspect/catalog.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { IS_ROOT } from "../content/fixture.ts";
import { WHOLE_TREE } from "../content/whole_tree.ts";
import { testFolder } from "../fixtures/folder.ts";
import {
  directory,
  file,
  hardlink,
  makeTree,
  readTree,
  sparse,
  symlink,
  type TreeEntry,
} from "../fixtures/tree.ts";
import { StoreFixture } from "../snapshot/fixture.ts";

/** Opens the image of a url. */
async function open(
  fixture: StoreFixture,
  url: string,
  onDamagedIndex?: (error: DaemonError) => void,
) {
  const { manifest } = await findImage(fixture.store, url);
  return await ImageFiles.open(fixture.source, manifest, onDamagedIndex ? { onDamagedIndex } : {});
}

async function sha256(image: ImageFiles, entry: ImageEntry): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of expanded(await image.content(entry))) hash.update(piece);
  return hash.digest("hex");
}

/** An image's tree as Python would read it from a folder. */
async function asRead(image: ImageFiles): Promise<Omit<TreeEntry, "data">[]> {
  const names = new Map<string, string[]>();
  const entries: (Omit<TreeEntry, "data"> & { key: string })[] = [];
  for (const entry of image.tree.entries()) {
    const { type, mode, uid, gid, mtime, size, link, device, xattrs } = entry;
    const path = text(entry.path) || ".";
    const found = image.tree.find(entry.path)!;
    const isFile = found.type === "file";
    if (type === "hardlink") {
      const group = names.get(binaryString(link!)) ?? [binaryString(link!)];
      names.set(binaryString(link!), [...group, binaryString(entry.path)]);
    }
    entries.push({
      key: type === "hardlink" ? binaryString(link!) : binaryString(entry.path),
      path,
      type: found.type.endsWith("device") ? "device" : found.type as TreeEntry["type"],
      mode: mode.toString(8).padStart(4, "0"),
      uid,
      gid,
      mtime: String(BigInt(mtime.sec) * 1_000_000_000n + BigInt(mtime.nsec)),
      ...(isFile ? { size, sha256: await sha256(image, found) } : {}),
      ...(found.type === "symlink" ? { target: text(found.link!) } : {}),
      ...(device ? { device: [device.major, device.minor] } : {}),
      ...(xattrs.length > 0
        ? {
          xattrs: Object.fromEntries(
            xattrs.map(({ name, value }) => [text(name), hex(value)]).toSorted(),
          ),
        }
        : {}),
    });
  }
  return entries.map(({ key, ...entry }) => {
    const group = names.get(key)?.toSorted();
    return group ? { ...entry, sameAs: text(binaryBytes(group[0]!)) } : entry;
  });
}

/** As Python's "backslashreplace" has it. */
function text(bytes: Uint8Array): string {
  let shown = "";
  for (let at = 0; at < bytes.length;) {
    let length = 4;
    for (; length > 0; length--) {
      try {
        if (at + length > bytes.length) continue;
        const part = bytes.subarray(at, at + length);
        shown += new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part);
        break;
      } catch {
        continue;
      }
    }
    if (length === 0) shown += `\\x${bytes[at]!.toString(16).padStart(2, "0")}`;
    at += Math.max(length, 1);
  }
  return shown;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function byPath<T extends { path: string }>(entries: readonly T[]): Map<string, T> {
  return new Map(entries.map((entry) => [entry.path, entry]));
}

/** What is in a folder, without what no image has. */
async function wanted(path: string) {
  const entries = await readTree(path);
  return entries.filter(({ type }) => type !== "socket").map(({ data: _, ...entry }) => entry);
}

Deno.test("an image's files are those of its tree, by the index and by the layers alike", async () => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", WHOLE_TREE);
  const expected = byPath(await wanted(path));
  const image = await fixture.snapshot("w");
  for (const url of [image.url, await fixture.withoutIndex(image)]) {
    await using files = await open(fixture, url);
    assertEquals(byPath(await asRead(files)), expected);
  }
});

Deno.test("a tree's entries come as tar would write them: no folder is come back to", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [
    ["a", directory()],
    ["a/z", directory()],
    ["a/z/file", file("1")],
    ["a-b", directory()],
    ["a-b/file", file("2")],
    ["a.c", file("3")],
    ["zz", file("shared")],
    ["a/z/link", hardlink("zz")],
  ]);
  const image = await fixture.snapshot("w");
  for (const url of [image.url, await fixture.withoutIndex(image)]) {
    await using files = await open(fixture, url);
    const entries = [...files.tree.entries()];
    assertEquals(entries.map(({ path }) => text(path)), [
      "",
      "a.c",
      "zz",
      "a",
      "a/z",
      "a/z/file",
      "a/z/link",
      "a-b",
      "a-b/file",
    ]);
    const link = entries.find(({ path }) => text(path) === "a/z/link")!;
    assertEquals([link.type, text(link.link!)], ["hardlink", "zz"]);
    const found = files.tree.find(link.path)!;
    assertEquals([found.type, await sha256(files, found)], [
      "file",
      createHash("sha256").update("shared").digest("hex"),
    ]);
    for (const missing of ["a/none", "a.c/x", "none/x", "a/z/file/x"]) {
      assertEquals(files.tree.find(new TextEncoder().encode(missing)), undefined, missing);
    }
  }
});

Deno.test("a chain of deltas shows what is there now, by the index and by the layers alike", async () => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [
    ["kept", file("k".repeat(5_000_000))],
    ["gone-too", directory()],
    ["gone-too/file", file("g")],
    [".wh.gone", file("no whiteout")],
  ]);
  await fixture.settle();
  const before = await readImage(fixture.store, (await fixture.snapshot("w")).manifest);
  await makeTree(path, [
    ["file-to-directory", file("f")],
    ["directory-to-file", directory()],
    ["directory-to-file/inside", file("i")],
    ["directory-to-link", directory()],
    ["directory-to-link/inside", file("i")],
    ["gone", directory()],
    ["gone/deep", file("g")],
    ["changed", file("1")],
    ["linked", file("both")],
    ["other", hardlink("linked")],
  ]);
  await fixture.settle();
  await fixture.snapshot("w");
  for (
    const name of [
      ...["file-to-directory", "directory-to-file", "directory-to-link"],
      ...["gone", "gone-too", ".wh.gone", "linked"],
    ]
  ) {
    await Deno.remove(join(path, name), { recursive: true });
  }
  await Deno.writeTextFile(join(path, "changed"), "2");
  await makeTree(path, [
    ["file-to-directory", directory()],
    ["file-to-directory/new", file("n")],
    ["directory-to-file", file("n")],
    ["directory-to-link", symlink("kept")],
    ["linked", file("one")],
  ]);
  const image = await fixture.snapshot("w");
  const { layers } = await readImage(fixture.store, image.manifest);
  assertEquals(layers[0], before.layers[0]);
  const expected = byPath(await wanted(path));
  for (const url of [image.url, await fixture.withoutIndex(image)]) {
    await using files = await open(fixture, url);
    assertEquals(byPath(await asRead(files)), expected);
  }
});

Deno.test("an image whose index is damaged or missing is read by its layers, and says so", async () => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [["a", directory()], ["a/b", file("content")]]);
  const image = await fixture.snapshot("w");
  const { index } = await readImage(fixture.store, image.manifest);
  const expected = byPath(await wanted(path));
  await fixture.damage(index!.digest);
  for (const what of ["damaged", "missing"]) {
    if (what === "missing") await Deno.remove(fixture.blobPath(index!.digest));
    const warnings: DaemonError[] = [];
    await using files = await open(fixture, image.url, (error) => warnings.push(error));
    assertEquals(byPath(await asRead(files)), expected);
    assertEquals(warnings.map(({ code }) => code), ["DATA_LOSS"]);
    assert(warnings[0]!.message.includes(index!.digest), warnings[0]!.message);
  }
});

Deno.test("no byte of a damaged layer is handed out", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["file", file("content".repeat(1000))]]);
  const image = await fixture.snapshot("w");
  const { layers } = await readImage(fixture.store, image.manifest);
  await fixture.damage(layers[0]!.digest);
  await using files = await open(fixture, image.url);
  const entry = files.tree.find(new TextEncoder().encode("file"))!;
  const error = await assertRejects(() => files.content(entry), DaemonError, layers[0]!.digest);
  assertEquals(error.code, "DATA_LOSS");
  const url = await fixture.withoutIndex(image);
  assertEquals((await assertRejects(() => open(fixture, url), DaemonError)).code, "DATA_LOSS");
});

for (const format of ["gnu", "posix"]) {
  Deno.test(`an image that GNU tar and zstd made is read too, holes in ${format} form`, {
    ignore: !IS_ROOT,
  }, async () => {
    await using fixture = await StoreFixture.open();
    using folder = testFolder();
    const path = join(folder.path, "tree");
    await Deno.mkdir(path);
    await makeTree(path, [
      ["plain", file("plain".repeat(100_000))],
      ["sparse", sparse(9_000_000, [[4096, "start"], [5_000_000, "middle"]])],
      ["all-hole", sparse(1_000_000, [])],
      ["linked", hardlink("plain")],
    ]);
    const flags = ["--sparse", `--format=${format}`, "--xattrs"];
    const tar = await new Deno.Command("tar", { args: [...flags, "-cC", path, "."] }).output();
    const layer = zstdCompressSync(tar.stdout);
    await fixture.store.putBlobBytes(digestOf(layer), layer);
    const url = await fixture.ofLayers([
      { digest: digestOf(layer), size: layer.length, diffId: digestOf(tar.stdout) },
    ]);
    await using files = await open(fixture, url);
    // Its old form has whole seconds.
    const coarse = (entries: Awaited<ReturnType<typeof wanted>>) =>
      byPath(entries.map(({ mtime, ...rest }) => ({ ...rest, mtime: mtime.slice(0, -9) })));
    assertEquals(coarse(await asRead(files)), coarse(await wanted(path)));
    assertEquals([...Deno.readDirSync(fixture.started.areas.spool)], []);
  });
}

Deno.test("paths compare and nest by components", () => {
  const bytes = (path: string) => new TextEncoder().encode(path);
  const ordered = ["", "a", "a/b", "a/b/c", "a\x01", "a-b", "a.c", "b"];
  for (const [n, path] of ordered.entries()) {
    for (const [m, other] of ordered.entries()) {
      assertEquals(Math.sign(comparePaths(bytes(path), bytes(other))), Math.sign(n - m));
    }
  }
  assert(isWithin(bytes("a/b"), bytes("a")) && isWithin(bytes("a"), bytes("a")));
  assert(isWithin(bytes("a"), bytes("")));
  assert(!isWithin(bytes("a-b"), bytes("a")) && !isWithin(bytes("a"), bytes("a/b")));
});
