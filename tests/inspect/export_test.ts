import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { digestOf, hexOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { findImage } from "../../src/inspect/catalog.ts";
import { ImageFiles } from "../../src/inspect/image_files.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { exportOci, OCI_TAG } from "../../src/inspect/oci_export.ts";
import { tarOf } from "../../src/inspect/tar_export.ts";
import { IS_ROOT } from "../content/fixture.ts";
import { WHOLE_TREE } from "../content/whole_tree.ts";
import { testFolder } from "../fixtures/folder.ts";
import { directory, file, hardlink, readTree, type TreeEntry } from "../fixtures/tree.ts";
import { has, run } from "../fixtures/tools.ts";
import { StoreFixture } from "../snapshot/fixture.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function writeTar(fixture: StoreFixture, url: string, path: string): Promise<void> {
  const { manifest } = await findImage(fixture.store, url);
  await using image = await ImageFiles.open(fixture.source, manifest);
  using to = await Deno.open(path, { write: true, create: true });
  for await (const chunk of tarOf(image)) {
    for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await to.write(rest));
  }
}

/** How each tool extracts everything, and what its installed version gets wrong of any archive. */
const EXTRACTORS = {
  tar: { args: ["-xpf", "-", "--numeric-owner", "--xattrs", "--xattrs-include=*"], faults: [] },
  // Takes -1.5 seconds for -0.5.
  bsdtar: { args: ["-xpf", "-", "--numeric-owner"], faults: ["before-epoch"] },
};

/** What a plain archive can say: no sockets, no attributes whose names have an equals sign. */
function comparable(tree: TreeEntry[], faults: readonly string[]) {
  return tree.filter(({ path, type }) => type !== "socket" && !faults.includes(path))
    .map(({ data: _, xattrs, ...entry }) => {
      const plain = Object.entries(xattrs ?? {}).filter(([name]) => !name.includes("="));
      return [entry.path, { ...entry, xattrs: Object.fromEntries(plain) }] as const;
    });
}

Deno.test("tar and bsdtar extract an exported archive to the tree that was saved", {
  ignore: !IS_ROOT,
}, async (t) => {
  await using fixture = await StoreFixture.open();
  using folder = testFolder();
  const path = await fixture.publish("w", WHOLE_TREE);
  await fixture.settle();
  await fixture.snapshot("w");
  await Deno.writeTextFile(join(path, "text"), "a delta now");
  await Deno.remove(join(path, "several-frames"));
  const image = await fixture.snapshot("w");
  const archive = join(folder.path, "by-index.tar");
  await writeTar(fixture, image.url, archive);
  const saved = await readTree(path);
  for (const [tool, { args, faults }] of Object.entries(EXTRACTORS)) {
    await t.step({
      name: tool,
      ignore: !has(tool),
      fn: async () => {
        const to = join(folder.path, tool);
        await Deno.mkdir(to);
        await run(to, tool, ...args.map((arg) => arg === "-" ? archive : arg));
        const extracted = new Map(comparable(await readTree(to), faults));
        assertEquals(extracted, new Map(comparable(saved, faults)));
      },
    });
  }
  await t.step("an image without an index gives the same archive, byte by byte", async () => {
    const other = join(folder.path, "by-layers.tar");
    await writeTar(fixture, await fixture.withoutIndex(image), other);
    assertEquals(digestOf(await Deno.readFile(other)), digestOf(await Deno.readFile(archive)));
  });
});

Deno.test("an exported archive names each live path once, parents first and links after files", async () => {
  await using fixture = await StoreFixture.open();
  using folder = testFolder();
  await fixture.publish("w", [
    ["z", file("both")],
    [".wh.a", file("no whiteout")],
    ["b", directory()],
    ["b/first", hardlink("z")],
  ]);
  const { url } = await fixture.snapshot("w");
  await writeTar(fixture, url, join(folder.path, "a.tar"));
  const listed = text(await run(folder.path, "tar", "-tvf", "a.tar")).trim().split("\n");
  assertEquals(listed.map((line) => line.replace(/^(.).*? (?=\.\/)/, "$1 ")), [
    "- ./.wh.a",
    "- ./z",
    "d ./b/",
    "h ./b/first link to ./z",
    "d ./",
  ]);
});

Deno.test("skopeo and umoci read an exported OCI layout", {
  ignore: !IS_ROOT || !has("skopeo") || !has("umoci"),
}, async () => {
  await using fixture = await StoreFixture.open();
  using folder = testFolder();
  const path = await fixture.publish("w", [
    ["a", directory({ mode: 0o750 })],
    ["a/file", file("content", { mtime: 1_500_000_000_000_000_000n })],
    ["gone", file("g")],
  ]);
  await fixture.settle();
  await fixture.snapshot("w");
  await Deno.remove(join(path, "gone"));
  const { url, manifest } = await fixture.snapshot("w");
  const oci = join(folder.path, "oci");
  const progress: number[] = [];
  const result = await exportOci(fixture.source, manifest, oci, {
    onProgress: ({ bytes, ofBytes }) => progress.push(bytes / ofBytes),
  });
  const { layers } = await readImage(fixture.store, manifest);
  assertEquals([result.blobs, progress.at(-1)], [layers.length + 3, 1], url);
  const inspected = JSON.parse(
    text(await run(folder.path, "skopeo", "inspect", `oci:oci:${OCI_TAG}`)),
  );
  assertEquals([inspected.Digest, inspected.Layers], [manifest, layers.map((l) => l.digest)]);
  // This umoci may know gzip only.
  const gzip = ["--dest-compress", "--dest-compress-format", "gzip"];
  await run(folder.path, "skopeo", "copy", "-q", ...gzip, `oci:oci:${OCI_TAG}`, "oci:copied:x");
  await run(folder.path, "umoci", "unpack", "--image", "copied:x", "bundle");
  assertEquals(await readTree(join(folder.path, "bundle/rootfs")), await readTree(path));
});

Deno.test("an OCI export that fails leaves the folder as it was", async (t) => {
  await using fixture = await StoreFixture.open();
  using folder = testFolder();
  await fixture.publish("w", [["file", file("content")]]);
  const { manifest } = await fixture.snapshot("w");
  const { layers } = await readImage(fixture.store, manifest);
  const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name);
  const refuse = async (path: string, code: string, says: string) => {
    const doing = () => exportOci(fixture.source, manifest, path);
    assertEquals((await assertRejects(doing, DaemonError, says)).code, code);
  };
  await t.step("for a folder with something in it", async () => {
    const full = join(folder.path, "full");
    await Deno.mkdir(full);
    await Deno.writeTextFile(join(full, "mine"), "");
    await refuse(full, "ALREADY_EXISTS", "must be an empty folder");
    assertEquals(names(full), ["mine"]);
    await refuse(join(full, "mine"), "ALREADY_EXISTS", "must be an empty folder");
  });
  await t.step("for a damaged layer", async () => {
    await fixture.damage(layers[0]!.digest);
    const empty = join(folder.path, "empty");
    await Deno.mkdir(empty);
    await refuse(empty, "DATA_LOSS", layers[0]!.digest);
    assertEquals(names(empty), []);
    await refuse(join(folder.path, "new"), "DATA_LOSS", hexOf(layers[0]!.digest));
    assertEquals(names(folder.path).toSorted(), ["empty", "full"]);
  });
});
