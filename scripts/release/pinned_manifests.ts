/** Makes manifests for Kubernetes that name the image by its digest. */

import { ensureDir, walk } from "@std/fs";
import { dirname, join, relative } from "@std/path";

/** How the kustomizations name the image in the checkout. */
const TAG = /^( *)newTag: .*$/m;

/**
 * Copies the manifests below `from` into `to`, with the digest in place of the image's tag.
 * @param digest `sha256:<hex>`
 * @throws {Error} where no kustomization names a tag: nothing would be pinned
 */
export async function copyPinned(from: string, to: string, digest: string): Promise<void> {
  let pinned = 0;
  for await (const { path, name } of walk(from, { includeDirs: false })) {
    const target = join(to, relative(from, path));
    await ensureDir(dirname(target));
    const text = await Deno.readTextFile(path);
    const isPinned = name === "kustomization.yaml" && TAG.test(text);
    if (isPinned) pinned++;
    await Deno.writeTextFile(target, isPinned ? text.replace(TAG, `$1digest: ${digest}`) : text);
  }
  if (pinned === 0) throw new Error(`No kustomization below ${from} has a newTag to be replaced`);
}
