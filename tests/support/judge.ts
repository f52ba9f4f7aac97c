/**
 * With `JUDGE_IMAGES=1`, as in `deno task judge`, every image that a test has packed by {@link judged}
 * content, and every one that a daemon leaves in its store, is restored by us and unpacked by GNU tar
 * and by umoci, and the trees must be the same.
 */

import { join } from "@std/path";
import type { Rooms } from "../../src/content/boot.ts";
import type { Content } from "../../src/content/api.ts";
import { type Digest, hexOf } from "../../src/digest.ts";
import { describeImage, type ImageDescription } from "../../src/snapshot/manifest.ts";
import { removeAll, testFolder } from "./folder.ts";
import { assertTarAgrees, assertUmociAgrees, type Blobs } from "./peers.ts";
import { readTree, type TreeEntry } from "./tree.ts";

/** Whether this run is for that. */
export const JUDGING = Deno.env.get("JUDGE_IMAGES") === "1";

/** Where the blobs of images that are to be judged are kept, whatever the tests do to theirs. */
let folder: string | undefined;

function keptPath(digest: Digest): string {
  if (!folder) {
    const { path } = testFolder();
    folder = path;
    addEventListener("unload", () => removeAll(path));
  }
  return join(folder, hexOf(digest));
}

const kept: Blobs = { blobPath: keptPath };

/** Keeps a blob's bytes as they are now. */
export async function keep(digest: Digest, path: string): Promise<void> {
  try {
    await Deno.copyFile(path, `${keptPath(digest)}.new`);
    await Deno.rename(`${keptPath(digest)}.new`, keptPath(digest));
  } catch (error) {
    throw new Error(`Cannot keep ${path} to judge it`, { cause: error });
  }
}

/** Content whose images are judged before its callers have them. */
export function judged<C extends Content>(content: C, rooms: Required<Rooms>): C {
  if (!JUDGING) return content;
  return {
    ...content,
    pack: async (tree, options) => {
      const image = await content.pack(tree, {
        ...options,
        onLayer: async (layer) => {
          await keep(layer.digest, join(rooms.spool, layer.file.path));
          await options.onLayer(layer);
        },
      });
      await keep(image.index.digest, join(rooms.spool, image.index.file.path));
      await judge(content, rooms, image);
      return image;
    },
  };
}

const judgedAlready = new Set<Digest>();

/** Asserts that others see an image, whose blobs are kept, as we do. */
export async function judge(
  content: Content,
  rooms: Required<Rooms>,
  image: ImageDescription,
): Promise<void> {
  const { digest } = describeImage(image).manifest;
  if (judgedAlready.has(digest)) return;
  judgedAlready.add(digest);
  const ours = await restored(content, rooms, image);
  await assertTarAgrees(kept, image, ours);
  await assertUmociAgrees(kept, image, ours);
}

async function restored(
  content: Content,
  rooms: Required<Rooms>,
  image: ImageDescription,
): Promise<TreeEntry[]> {
  const tree = await content.create({ uid: Deno.uid()!, gid: Deno.gid()! });
  try {
    const { newBaseline } = await content.restore(tree, {
      ...image,
      trusted: true,
      fetch: async ({ digest }) => {
        const path = `judge-${crypto.randomUUID()}`;
        await Deno.copyFile(keptPath(digest), join(rooms.spool, path));
        return { room: "spool", path, release: () => content.discard({ room: "spool", path }) };
      },
    });
    if (newBaseline) await content.dropBaseline(newBaseline);
    return await readTree(join(rooms.staging, tree.name));
  } finally {
    await content.remove(tree);
  }
}
