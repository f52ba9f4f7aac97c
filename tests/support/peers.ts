/** How tools that no one here wrote see our images: GNU tar, bsdtar, umoci and skopeo. */

import { join } from "@std/path";
import type { PackResult } from "../../src/content/api.ts";
import { digestOf, hexOf } from "../../src/digest.ts";
import { describeImage } from "../../src/snapshot/manifest.ts";
import { testFolder } from "../support/folder.ts";
import { soaking } from "../support/soak.ts";
import { readTree, type TreeEntry } from "../support/tree.ts";
import { run } from "./extract_support.ts";
import { assertSameTree, type ImageRig } from "./image_rig.ts";
import { IS_ROOT } from "./support.ts";

export function has(tool: string): boolean {
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
export function comparable(tree: TreeEntry[], tool: keyof typeof FAULTS): { path: string }[] {
  const known = tree.filter(({ path }) => !FAULTS[tool].some((fault) => fault === path));
  return known.filter(({ path }) => !/(^|\/)\.w(h|sdaemon\.wh)\./.test(path)).map((entry) => {
    const { data: _, sameAs: __, xattrs, ...rest } = entry;
    const plain = Object.entries(xattrs ?? {}).filter(([name]) => !name.includes("="));
    // Entries with stand-ins come and go in the top folder.
    return { ...rest, xattrs: Object.fromEntries(plain) };
  });
}

/** Applies layers as the OCI specification says: whiteouts of a layer first, then what it has. */
export async function applyLayers(
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
  }
}

/** Whiteouts are no files; taking them away again would give their folders another time. */
const WITHOUT = "--exclude=.wh.*";

export const EXTRACTORS = {
  // Without -P it makes links that lead out last, which changes the times of folders from layers below.
  tar: (to: string) => (layer: string) =>
    run(to, "tar", "-xPpf", layer, WITHOUT, "--numeric-owner", "--xattrs", "--xattrs-include=*"),
  bsdtar: (to: string) => (layer: string) =>
    run(to, "bsdtar", "-xpf", layer, WITHOUT, "--numeric-owner"),
};

export async function writeOci(rig: ImageRig, image: PackResult, to: string): Promise<void> {
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
export async function unpack(folder: string, oci: string): Promise<string> {
  const copied = join(folder, "copied");
  const gzip = ["--dest-compress", "--dest-compress-format", "gzip"];
  await run(folder, "skopeo", "copy", "-q", ...gzip, `oci:${oci}:test`, `oci:${copied}:test`);
  await run(folder, "umoci", "unpack", "--image", `${copied}:test`, "bundle");
  return join(folder, "bundle", "rootfs");
}

const HAS_TAR = IS_ROOT && has("tar") && has("zstd");
const HAS_UMOCI = IS_ROOT && has("umoci") && has("skopeo");

/**
 * Asserts that the image is to GNU tar, layer by layer, and in a soak to umoci and skopeo too, what we
 * restore of it. Where they are not installed nothing is asserted; `interop_test.ts` says so.
 */
export async function assertPeersAgree(rig: ImageRig, image: PackResult): Promise<void> {
  if (!HAS_TAR) return;
  const ours = await rig.restored(image);
  using folder = testFolder();
  const to = join(folder.path, "tree");
  await Deno.mkdir(to);
  await applyLayers(rig, image, to, EXTRACTORS.tar(to));
  assertSameTree(comparable(await readTree(to), "tar"), comparable(ours, "tar"));
  if (!soaking() || !HAS_UMOCI) return;
  const oci = join(folder.path, "oci");
  await writeOci(rig, image, oci);
  const unpacked = await readTree(await unpack(folder.path, oci));
  assertSameTree(comparable(unpacked, "umoci"), comparable(ours, "umoci"));
}
