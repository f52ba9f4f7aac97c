import { assert, assertEquals, assertRejects } from "@std/assert";
import { basename, join } from "@std/path";
import { type Digest, digestOf, hexOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { findImage } from "../../src/inspect/catalog.ts";
import { ImageFiles } from "../../src/inspect/image_files.ts";
import { exportOci, OCI_TAG } from "../../src/inspect/oci_export.ts";
import { tarOf } from "../../src/inspect/tar_export.ts";
import { joinConfig, MANIFEST_TYPE, parseManifest } from "../../src/snapshot/manifest.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { IS_ROOT, ME } from "../content/fixture.ts";
import { withoutExtents } from "../content/image_fixture.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has, run } from "../fixtures/tools.ts";
import {
  assertSameTree,
  directory,
  file,
  hardlink,
  readTree,
  sparse,
  symlink,
  type TreeEntry,
} from "../fixtures/tree.ts";
import { StoreFixture } from "../snapshot/fixture.ts";

const HAS_TOOLS = IS_ROOT && has("skopeo") && has("umoci");

/** Makes a tree whose content has moved, and its image. */
async function nativeImage(fixture: StoreFixture) {
  const piece = () => crypto.getRandomValues(new Uint8Array(65536));
  const path = await fixture.publish("w", [
    ["a", directory({ mode: 0o750 })],
    ...Array.from({ length: 24 }, (_, n) => [`a/${n}`, file(piece())] as const),
    ["a/.wh.name", file(piece())],
    ["a/another", hardlink("a/0")],
    ["a/holes", sparse(1 << 20, [[300_000, piece()]])],
    ["a/link", symlink("nowhere")],
    ["z", file("z")],
  ]);
  await fixture.settle();
  await fixture.snapshot("w");
  await Deno.rename(join(path, "a"), join(path, "b"));
  await fixture.settle();
  const image = await fixture.snapshot("w");
  assert((await readImage(fixture.store, image.manifest)).isNative);
  return { path, ...image };
}

/** Writes an OCI layout of a stored image, all its blobs as they are. */
async function writeAsStored(fixture: StoreFixture, manifest: Digest, to: string): Promise<void> {
  const blobs = join(to, "blobs/sha256");
  await Deno.mkdir(blobs, { recursive: true });
  const bytes = await Deno.readFile(fixture.blobPath(manifest));
  const { config, layers } = JSON.parse(new TextDecoder().decode(bytes));
  for (const { digest } of [{ digest: manifest }, config, ...layers]) {
    await Deno.copyFile(fixture.blobPath(digest), join(blobs, hexOf(digest)));
  }
  const annotations = { "org.opencontainers.image.ref.name": OCI_TAG };
  const descriptor = {
    mediaType: MANIFEST_TYPE,
    digest: manifest,
    size: bytes.length,
    annotations,
  };
  await Deno.writeTextFile(
    join(to, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
  );
  await Deno.writeTextFile(join(to, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);
}

async function tarDigest(fixture: StoreFixture, url: string): Promise<Digest> {
  const { manifest } = await findImage(fixture.store, url);
  await using image = await ImageFiles.open(fixture.source, manifest);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of tarOf(image)) parts.push(chunk.slice());
  return digestOf(new Uint8Array(await new Blob(parts).arrayBuffer()));
}

Deno.test("a native image is exported as a plain one with the same tree", async (t) => {
  await using fixture = await StoreFixture.open();
  using folder = testFolder();
  const { manifest, url, path } = await nativeImage(fixture);
  const oci = join(folder.path, "oci");
  const { blobs } = await exportOci(fixture.source, manifest, oci);
  const read = async (digest: Digest) => ({
    digest,
    bytes: await Deno.readFile(join(oci, "blobs/sha256", hexOf(digest))),
  });
  const { manifests: [{ digest }] } = JSON.parse(await Deno.readTextFile(join(oci, "index.json")));
  const parsed = parseManifest(await read(digest));
  const image = joinConfig(parsed, await read(parsed.config.digest));
  assertEquals([image.isNative, image.index, blobs], [
    undefined,
    undefined,
    image.layers.length + 2,
  ]);
  for (const { digest } of image.layers) {
    await Deno.copyFile(join(oci, "blobs/sha256", hexOf(digest)), fixture.blobPath(digest));
  }
  const plain = await fixture.ofLayers(image.layers);
  assertEquals(await tarDigest(fixture, plain), await tarDigest(fixture, url));
  await t.step({
    name: "umoci, which has it from skopeo, unpacks that",
    ignore: !HAS_TOOLS,
    fn: async () => {
      const gzip = ["--dest-compress", "--dest-compress-format", "gzip"];
      await run(folder.path, "skopeo", "copy", "-q", ...gzip, `oci:oci:${OCI_TAG}`, "oci:copied:x");
      await run(folder.path, "umoci", "unpack", "--image", "copied:x", "bundle");
      // Others know the file whose name begins like a whiteout's by another name.
      const seen = (tree: TreeEntry[]) =>
        tree.filter(({ path }) => !basename(path).startsWith("."));
      assertSameTree(
        withoutExtents(seen(await readTree(join(folder.path, "bundle/rootfs")))),
        withoutExtents(seen(await readTree(path))),
      );
    },
  });
});

Deno.test("umoci refuses a native image, and skopeo copies all of it", {
  ignore: !HAS_TOOLS,
}, async () => {
  await using fixture = await StoreFixture.open();
  using folder = testFolder();
  const { manifest } = await nativeImage(fixture);
  await writeAsStored(fixture, manifest, join(folder.path, "oci"));
  const unpack = () => run(folder.path, "umoci", "unpack", "--image", `oci:${OCI_TAG}`, "bundle");
  await assertRejects(unpack, Error, "umoci");
  await run(folder.path, "skopeo", "copy", "-q", `oci:oci:${OCI_TAG}`, "oci:copied:x");
  const blobs = (layout: string) =>
    [...Deno.readDirSync(join(folder.path, layout, "blobs/sha256"))].map(({ name }) => name).sort();
  assertEquals(blobs("copied"), blobs("oci"));
});

Deno.test("a native image is neither restored nor read without its index", async () => {
  await using fixture = await StoreFixture.open();
  const { manifest, url } = await nativeImage(fixture);
  const { index } = await readImage(fixture.store, manifest);
  const refuses = async (doing: () => Promise<unknown>) => {
    const error = await assertRejects(doing, DaemonError, index!.digest);
    assertEquals(error.code, "DATA_LOSS");
  };
  const open = async () => {
    await using _ = await ImageFiles.open(fixture.source, manifest);
  };
  const restore = async () => {
    const tree = await fixture.started.content.create(ME);
    await fixture.images.restoreSnapshot(tree, url, {});
  };
  await open();
  await fixture.damage(index!.digest);
  await refuses(open);
  await refuses(restore);
  await Deno.remove(fixture.blobPath(index!.digest));
  await refuses(open);
  await refuses(restore);
});
