/** Checks images that daemons in processes of their own have made; see `fixtures/differential_check.ts`. */

import { join } from "@std/path";
import { hexOf, sha256Digest } from "../../src/digest.ts";
import {
  type ImageDescription,
  joinConfig,
  parseManifest,
  type SmallBlob,
} from "../../src/snapshot/manifest.ts";
import { type Outcome, wsdaemon } from "../cli/fixture.ts";
import { startContent } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { checkImage, CHECKS_IMAGES, keep } from "../fixtures/differential_check.ts";

/** Checks all images in the store that a daemon with these flags uses, as far as they can be read. */
export async function checkStoreImages(flags: readonly string[]): Promise<void> {
  if (!CHECKS_IMAGES) return;
  const listed = await store("ls", "--json", ...flags);
  const images: { url: string }[] = listed.stdout ? JSON.parse(listed.stdout) : [];
  if (images.length === 0) return;
  using folder = testFolder();
  await using own = startContent(join(folder.path, "own"));
  for (const [n, { url }] of images.entries()) {
    const oci = join(folder.path, `${n}`);
    const { code } = await store("export", url, "--oci", oci, ...flags);
    if (code === 0) await checkImage(own.content, own.areas, await keepImage(oci));
  }
}

/** A store that answers no sooner is one that is never to answer. */
const PATIENCE = 30_000;

/** Runs a command on the store. What cannot be checked after it is not passed over in silence. */
async function store(...args: string[]): Promise<Outcome> {
  const signal = AbortSignal.timeout(PATIENCE);
  const outcome = await wsdaemon(["store", ...args], { signal });
  if (outcome.code !== 0) {
    const why = signal.aborted ? "no answer" : outcome.stderr.trim();
    // deno-lint-ignore no-console -- a run to check images is for reading
    console.log(`not checked: store ${args.join(" ")}: ${why}`);
  }
  return outcome;
}

async function keepImage(oci: string): Promise<ImageDescription> {
  const path = (digest: string) => join(oci, "blobs/sha256", digest);
  const read = async (hex: string): Promise<SmallBlob> => ({
    digest: sha256Digest(hex),
    bytes: await Deno.readFile(path(hex)),
  });
  const top: { manifests: { digest: string }[] } = JSON.parse(
    await Deno.readTextFile(join(oci, "index.json")),
  );
  const manifest = parseManifest(await read(top.manifests[0]!.digest.replace("sha256:", "")));
  const image = joinConfig(manifest, await read(hexOf(manifest.config.digest)));
  for (const { digest } of image.index ? [...image.layers, image.index] : image.layers) {
    await keep(digest, path(hexOf(digest)));
  }
  return image;
}
