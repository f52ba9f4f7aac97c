/** File systems that take less than the one that content came from: what they take comes back. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import type { RestoreResult } from "../../src/content/restore/restore_result.ts";
import { hexOf } from "../../src/digest.ts";
import { startContent } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { canMount, loopFileSystem, overlayFileSystem } from "../fixtures/mount.ts";
import {
  device,
  directory,
  file,
  hardlink,
  readTree,
  symlink,
  type TreeEntry,
  type TreeTable,
} from "../fixtures/tree.ts";
import { findProgram } from "../../src/process/find_program.ts";
import { ImageFixture } from "./image_fixture.ts";
import { ME } from "./fixture.ts";

/** Longer than 62 names of this length, the links of a file in one folder of btrfs are too many. */
const linkName = (n: number) => `d/${String(n).padStart(240, "n")}`;
const LINKS = 80;

const LINKED: TreeTable = [
  ["d", directory({ mtime: 1_500_000_000_000_000_000n })],
  [
    "d/file",
    file("content", { mode: 0o640, owner: { uid: 7, gid: 8 }, xattrs: { "user.a": "b" } }),
  ],
  ...Array.from({ length: LINKS }, (_, n) => [linkName(n), hardlink("d/file")] as const),
  ["other", file("x")],
];

const LARGE: TreeTable = [
  ["d", directory()],
  ["d/far", symlink("t".repeat(2000))],
  ["d/near", symlink("near")],
  ["late", file("x", { mtime: 15_000_000_000n * 1_000_000_000n })],
  ["rich", file("text", { xattrs: { "user.large": "v".repeat(3000), "user.small": "v" } })],
];

const WHITEOUT: TreeTable = [["d", directory()], ["d/gone", device(0, 0)], ["f", file("x")]];

interface SmallerFileSystem {
  readonly name: string;
  readonly tool: string;
  mount(at: string): Disposable;
  readonly table: TreeTable;
  readonly counts: RestoreResult["omitted"]["counts"];
  /** Whether what was left out comes back with a backup that was made there. */
  readonly carries: boolean;
}

const FILE_SYSTEMS: readonly SmallerFileSystem[] = [
  {
    name: "btrfs with few links an inode",
    tool: "mkfs.btrfs",
    mount: (at) => loopFileSystem(at, ["mkfs.btrfs", "-q", "-O", "^extref"], 120 << 20),
    table: LINKED,
    // The links after the first 60 or so are links of a copy.
    counts: { "copied-link": 1 },
    carries: false,
  },
  {
    name: "ext4 with blocks of 1 KiB and short times",
    tool: "mkfs.ext4",
    mount: (at) => loopFileSystem(at, ["mkfs.ext4", "-q", "-b", "1024", "-I", "128"], 16 << 20),
    table: LARGE,
    counts: { symlink: 1, time: 1, xattr: 1 },
    carries: true,
  },
  {
    name: "an overlay, which has whiteouts to itself",
    tool: "mount",
    mount: overlayFileSystem,
    table: WHITEOUT,
    counts: { device: 1 },
    carries: true,
  },
];

/** Content on a file system, with the blobs of an image and those that are packed there. */
class Elsewhere implements AsyncDisposable {
  readonly #started;

  constructor(root: string) {
    this.#started = startContent(root, { workers: 2 });
  }

  async restore(from: ImageFixture, image: PackResult, index: boolean) {
    const { content, areas } = this.#started;
    for (const { digest } of [...image.layers, image.index]) {
      await Deno.copyFile(from.blobPath(digest), join(areas.blobs, hexOf(digest)));
    }
    const tree = await content.create(ME);
    const result = await content.restore(tree, {
      layers: image.layers,
      ...(index ? { index: image.index } : {}),
      trusted: true,
      fetch: ({ digest }) =>
        Promise.resolve({
          area: "blobs" as const,
          path: hexOf(digest),
          release: () => Promise.resolve(),
        }),
    });
    return { ...result, tree, path: join(areas.staging, tree.name) };
  }

  /** Publishes a restored tree, packs it, and hands the blobs to `to`. */
  async packAgain(restored: Awaited<ReturnType<Elsewhere["restore"]>>, to: ImageFixture) {
    const { content, areas } = this.#started;
    await content.commitBaseline(restored.newBaseline!, "w");
    await content.publish(restored.tree, "w");
    const hand = (digest: PackResult["index"]["digest"], name: string) =>
      Deno.copyFile(join(areas.spool, name), to.blobPath(digest));
    const image = await content.pack({ area: "workspaces", name: "w" }, {
      baseline: "w",
      reuse: (await content.baselineLayers("w")).layers,
      onLayer: ({ digest, file }) => hand(digest, file.path),
    });
    await hand(image.index.digest, image.newIndex!.file.path);
    return image;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#started.close();
    return Promise.resolve();
  }
}

/** What all trees have alike, whatever a file system makes of links, times and attributes. */
function common(tree: readonly TreeEntry[], missing: readonly string[]): unknown[] {
  return tree.filter(({ path }) => path !== "." && !missing.includes(path))
    .map(({ path, type, mode, uid, gid, size, sha256 }) => ({
      path,
      type,
      mode,
      uid,
      gid,
      size,
      sha256,
    }));
}

for (const { name, tool, mount, table, counts, carries } of FILE_SYSTEMS) {
  const isAble = canMount() && findProgram(tool, Deno.env.get("PATH") ?? "") !== undefined;
  Deno.test({
    name: `restoring to ${name} leaves out what it has no place for, and says so${
      isAble ? "" : ` (ignored: needs root, mount and ${tool})`
    }`,
    ignore: !isAble,
    async fn() {
      await using origin = new ImageFixture();
      const whole = await readTree(await origin.publish("w", table));
      const image = await origin.pack("w");
      using folder = testFolder();
      const at = join(folder.path, "smaller");
      Deno.mkdirSync(at);
      using _mount = mount(at);
      await using elsewhere = new Elsewhere(at);
      for (const index of [false, true]) {
        const restored = await elsewhere.restore(origin, image, index);
        const { counts: found, examples } = restored.omitted;
        assertEquals(Object.keys(found).sort(), Object.keys(counts).sort(), examples.join());
        for (const [kind, count] of Object.entries(counts)) {
          assertEquals(found[kind as keyof typeof found], count, kind);
          assertStringIncludes(examples.join(), kind);
        }
        const missing = carries
          ? table.map(([path]) => path).filter((path) => isMissing(path))
          : [];
        const tree = await readTree(restored.path);
        assertEquals(common(tree, []), common(whole, missing as string[]));
        if (!index || !carries) continue;
        const again = await elsewhere.packAgain(restored, origin);
        assertEquals(again.stats.retainedOmissions, missing.length);
        assertEquals(common(await origin.restored(again), []), common(whole, []));
      }
    },
  });
}

function isMissing(path: string | Uint8Array): boolean {
  return path === "d/far" || path === "d/gone";
}
