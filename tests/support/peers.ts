/** How tools that no one here wrote see our images: GNU tar, bsdtar, umoci and skopeo. */

import { fromFileUrl, join } from "@std/path";
import { type Digest, digestOf, hexOf } from "../../src/digest.ts";
import { describeImage, type ImageDescription } from "../../src/snapshot/manifest.ts";
import { testFolder } from "./folder.ts";
import { PYTHON } from "./python.ts";
import { soaking } from "./soak.ts";
import { has, run } from "./tools.ts";
import { assertSameTree, readTree, type TreeEntry } from "./tree.ts";

/** Where the blobs of an image are. */
export interface Blobs {
  blobPath(digest: Digest): string;
}

const SECOND = 1_000_000_000n;

/** What the installed versions get wrong from any archive. */
const GETS_WRONG = {
  tar: () => false,
  // Takes -1.5 seconds for -0.5.
  bsdtar: ({ mtime }) => BigInt(mtime) < 0n && BigInt(mtime) % SECOND !== 0n,
  // Drops empty attributes, and wraps times beyond 2262.
  umoci: ({ mtime, xattrs = {} }) =>
    BigInt(mtime) >= 2n ** 63n || Object.values(xattrs).includes(""),
} satisfies Record<string, (entry: TreeEntry) => boolean>;

export type Peer = keyof typeof GETS_WRONG;

/** What other tools can know: not names under our stand-ins, nor attributes whose keyword is ours. */
function comparable(tree: TreeEntry[], without: ReadonlySet<string>): { path: string }[] {
  const known = tree.filter(({ path }) =>
    !without.has(path) && !/(^|\/)\.w(h|sdaemon\.wh)\./.test(path)
  );
  return known.map((entry) => {
    const { data: _, sameAs: __, xattrs, ...rest } = entry;
    const plain = Object.entries(xattrs ?? {}).filter(([name]) => !name.includes("="));
    return { ...rest, xattrs: Object.fromEntries(plain) };
  });
}

/** Asserts that what a tool has made is the wanted tree, as far as that tool can know it. */
export async function assertMade(peer: Peer, at: string, wanted: TreeEntry[]): Promise<void> {
  const wrong = wanted.filter(GETS_WRONG[peer]).map(({ path }) => path);
  const without = new Set(wrong);
  assertSameTree(comparable(await readTree(at), without), comparable(wanted, without));
}

const APPLY_WHITEOUTS = fromFileUrl(new URL("./apply_whiteouts.py", import.meta.url));

/** Applies layers as the OCI specification says: whiteouts of a layer first, then what it has. */
export async function applyLayers(
  blobs: Blobs,
  image: ImageDescription,
  to: string,
  extract: (layer: string) => Promise<unknown>,
): Promise<void> {
  using folder = testFolder();
  const tar = join(folder.path, "layer.tar");
  for (const [n, { digest }] of image.layers.entries()) {
    await run(to, "zstd", "-dqf", blobs.blobPath(digest), "-o", tar);
    if (n > 0) await run(to, PYTHON, "-IS", APPLY_WHITEOUTS, to, tar);
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

/** Writes an image as a folder in OCI's layout. */
export async function writeOci(
  blobs: Blobs,
  image: ImageDescription,
  to: string,
): Promise<void> {
  const { layers, index } = image;
  const folder = join(to, "blobs", "sha256");
  await Deno.mkdir(folder, { recursive: true });
  for (const { digest } of index ? [...layers, index] : layers) {
    await Deno.copyFile(blobs.blobPath(digest), join(folder, hexOf(digest)));
  }
  const { manifest, config } = describeImage(index ? { layers, index } : { layers });
  for (const { digest, bytes } of [manifest, config]) {
    await Deno.writeFile(join(folder, hexOf(digest)), bytes);
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

const IS_ROOT = Deno.uid() === 0;
const HAS_TAR = IS_ROOT && has("tar") && has("zstd");
const HAS_UMOCI = IS_ROOT && has("umoci") && has("skopeo");

/**
 * Asserts that the image is to GNU tar, layer by layer, and in a soak to umoci and skopeo too, what we
 * restore of it. Where they are not installed nothing is asserted; `interop_test.ts` says so.
 */
export async function assertPeersAgree<I extends ImageDescription>(
  from: Blobs & { restored(image: I): Promise<TreeEntry[]> },
  image: I,
): Promise<void> {
  if (!HAS_TAR) return;
  const ours = await from.restored(image);
  await assertTarAgrees(from, image, ours);
  if (soaking() && HAS_UMOCI) await assertUmociAgrees(from, image, ours);
}

/** Asserts that the image is to GNU tar, layer by layer, what it is to us. */
export async function assertTarAgrees(
  blobs: Blobs,
  image: ImageDescription,
  ours: TreeEntry[],
): Promise<void> {
  using folder = testFolder();
  await applyLayers(blobs, image, folder.path, EXTRACTORS.tar(folder.path));
  await assertMade("tar", folder.path, ours);
}

/** Asserts that the image is to umoci, which has it from skopeo, what it is to us. */
export async function assertUmociAgrees(
  blobs: Blobs,
  image: ImageDescription,
  ours: TreeEntry[],
): Promise<void> {
  using folder = testFolder();
  const oci = join(folder.path, "oci");
  await writeOci(blobs, image, oci);
  await assertMade("umoci", await unpack(folder.path, oci), ours);
}
