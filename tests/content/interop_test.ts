/** Tools that no one here wrote agree on what our layers contain. */

import { assert } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import type { PackResult } from "../../src/content/api.ts";
import { digestOf, hexOf } from "../../src/digest.ts";
import { describeImage } from "../../src/snapshot/manifest.ts";
import { testFolder } from "../support/folder.ts";
import { directory, file, makeTree, readTree, symlink, type TreeEntry } from "../support/tree.ts";
import { runs } from "../support/soak.ts";
import { anyEdit, doEdit } from "./edits.ts";
import { run } from "./extract_support.ts";
import { assertSameTree, ImageRig, packable } from "./image_rig.ts";
import { IS_ROOT } from "./support.ts";
import { WHOLE_TREE } from "./whole_tree.ts";

function has(tool: string): boolean {
  try {
    return new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** What the installed versions get wrong from any archive. */
const FAULTS = {
  tar: [],
  // Takes -1.5 seconds for -0.5.
  bsdtar: ["before-epoch"],
  // Drops empty attributes, and wraps times beyond 2262.
  umoci: ["attributes", "far-future"],
};

/** What other tools can know: not names under our stand-ins, nor attributes whose keyword is ours. */
function comparable(tree: TreeEntry[], tool: keyof typeof FAULTS): { path: string }[] {
  const known = tree.filter(({ path }) => !FAULTS[tool].some((fault) => fault === path));
  return known.filter(({ path }) => !/(^|\/)\.w(h|sdaemon\.wh)\./.test(path)).map((entry) => {
    const { data: _, sameAs: __, xattrs, ...rest } = entry;
    const plain = Object.entries(xattrs ?? {}).filter(([name]) => !name.includes("="));
    // Entries with stand-ins come and go in the top folder.
    return { ...rest, xattrs: Object.fromEntries(plain) };
  });
}

/** Applies layers as the OCI specification says: whiteouts of a layer first, then what it has. */
async function applyLayers(
  rig: ImageRig,
  image: PackResult,
  to: string,
  extract: (layer: string) => Promise<unknown>,
): Promise<void> {
  for (const { digest } of image.layers) {
    const tar = join(to, "../layer.tar");
    await run(to, "zstd", "-dqf", rig.blobPath(digest), "-o", tar);
    const listed = new TextDecoder().decode(
      await run(to, "tar", "-tf", tar, "--quoting-style=literal", "--null"),
    );
    for (const path of listed.split("\n")) {
      const whiteout = /^(.*\/)?\.wh\.([^/]+)$/.exec(path);
      if (whiteout) await run(to, "rm", "-rf", "--", `${whiteout[1] ?? ""}${whiteout[2]}`);
    }
    await extract(tar);
    await run(to, "find", ".", "-name", ".wh.*", "-delete");
  }
}

const EXTRACTORS = {
  tar: (to: string) => (layer: string) =>
    run(to, "tar", "-xpf", layer, "--numeric-owner", "--xattrs", "--xattrs-include=*"),
  bsdtar: (to: string) => (layer: string) => run(to, "bsdtar", "-xpf", layer, "--numeric-owner"),
};

for (const tool of ["tar", "bsdtar"] as const) {
  Deno.test(`${tool} gives the same tree as the original, layer by layer`, {
    ignore: !IS_ROOT || !has(tool) || !has("zstd"),
  }, async () => {
    await using rig = new ImageRig();
    using folder = testFolder();
    const path = await rig.publish("w", WHOLE_TREE);
    const image = await rig.pack("w");
    const to = join(folder.path, "tree");
    await Deno.mkdir(to);
    await applyLayers(rig, image, to, EXTRACTORS[tool](to));
    assertSameTree(
      comparable(await readTree(to), tool),
      comparable(packable(await readTree(path)), tool),
    );
  });
}

async function writeOci(rig: ImageRig, image: PackResult, to: string): Promise<void> {
  const blobs = join(to, "blobs", "sha256");
  await Deno.mkdir(blobs, { recursive: true });
  for (const { digest } of [...image.layers, image.index]) {
    await Deno.copyFile(rig.blobPath(digest), join(blobs, hexOf(digest)));
  }
  const { manifest, config } = describeImage({ layers: image.layers, index: image.index });
  for (const { digest, bytes } of [manifest, config]) {
    await Deno.writeFile(join(blobs, hexOf(digest)), bytes);
  }
  const descriptor = {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: digestOf(manifest.bytes),
    size: manifest.bytes.length,
    annotations: { "org.opencontainers.image.ref.name": "test" },
  };
  await Deno.writeTextFile(join(to, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`);
  await Deno.writeTextFile(
    join(to, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
  );
}

/** Has skopeo read the image, and umoci unpack it, which may know gzip only. @returns the tree */
async function unpack(folder: string, oci: string): Promise<string> {
  const copied = join(folder, "copied");
  const gzip = ["--dest-compress", "--dest-compress-format", "gzip"];
  await run(folder, "skopeo", "copy", "-q", ...gzip, `oci:${oci}:test`, `oci:${copied}:test`);
  await run(folder, "umoci", "unpack", "--image", `${copied}:test`, "bundle");
  return join(folder, "bundle", "rootfs");
}

/** Packs a tree, has every kind of entry replaced or removed, and packs what changed. */
async function packChain(rig: ImageRig): Promise<{ image: PackResult; path: string }> {
  const path = await rig.publish("w", [
    ["file-to-directory", file("f")],
    ["directory-to-file", directory()],
    ["directory-to-file/inside", file("i")],
    ["directory-to-link", directory()],
    ["directory-to-link/inside", file("i")],
    ["gone", directory()],
    ["gone/deep", directory()],
    ["gone/deep/file", file("g")],
    ["changed", file("1")],
    ["kept", file("k".repeat(100_000))],
    ["single", file("s")],
  ]);
  await rig.pack("w");
  for (
    const name of ["file-to-directory", "directory-to-file", "directory-to-link", "gone", "single"]
  ) {
    await Deno.remove(join(path, name), { recursive: true });
  }
  await Deno.writeTextFile(join(path, "changed"), "2");
  await makeTree(path, [
    ["file-to-directory", directory()],
    ["file-to-directory/new", file("n")],
    ["directory-to-file", file("n")],
    ["directory-to-link", symlink("kept")],
  ]);
  const image = await rig.pack("w");
  assert(image.layers.length > 1);
  return { image, path };
}

for (const tool of ["tar", "bsdtar"] as const) {
  Deno.test(`${tool} gives a chain of deltas as the tree is now, layer by layer`, {
    ignore: !IS_ROOT || !has(tool) || !has("zstd"),
  }, async () => {
    await using rig = new ImageRig();
    using folder = testFolder();
    const { image, path } = await packChain(rig);
    const to = join(folder.path, "tree");
    await Deno.mkdir(to);
    await applyLayers(rig, image, to, EXTRACTORS[tool](to));
    assertSameTree(await readTree(to), await readTree(path));
  });
}

Deno.test("umoci and skopeo unpack a chain of deltas as the tree is now", {
  ignore: !IS_ROOT || !has("umoci") || !has("skopeo"),
}, async () => {
  await using rig = new ImageRig();
  using folder = testFolder();
  const { image, path } = await packChain(rig);
  const oci = join(folder.path, "oci");
  await writeOci(rig, image, oci);
  const unpacked = await readTree(await unpack(folder.path, oci));
  const wanted = await readTree(path);
  assertSameTree(unpacked, wanted);
});

Deno.test("umoci unpacks what any script of edits has left, after its last delta", {
  ignore: !IS_ROOT || !has("umoci") || !has("skopeo"),
}, async () => {
  await using rig = new ImageRig();
  let run = 0;
  const edits = fc.array(anyEdit, { minLength: 3, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(edits, { minLength: 1, maxLength: 3 }), async (script) => {
      using folder = testFolder();
      const id = `w${run++}`;
      const path = await rig.publish(id, [["p", directory()], ["q", file("q")]]);
      let image = await rig.pack(id);
      for (const edits of script) {
        for (const edit of edits) doEdit(path, edit);
        image = await rig.pack(id);
      }
      const oci = join(folder.path, "oci");
      await writeOci(rig, image, oci);
      assertSameTree(await readTree(await unpack(folder.path, oci)), await readTree(path));
    }),
    { numRuns: runs(4, 60), verbose: 1 },
  );
});

Deno.test("umoci unpacks an image as the original was", {
  ignore: !IS_ROOT || !has("umoci") || !has("skopeo"),
}, async () => {
  await using rig = new ImageRig();
  using folder = testFolder();
  const path = await rig.publish("w", WHOLE_TREE);
  const image = await rig.pack("w");
  const oci = join(folder.path, "oci");
  await writeOci(rig, image, oci);
  const unpacked = await readTree(await unpack(folder.path, oci));
  assertSameTree(
    comparable(unpacked, "umoci"),
    comparable(packable(await readTree(path)), "umoci"),
  );
});
