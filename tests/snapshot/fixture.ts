/** A node's root with real Workers and the embedded store, and images in it. */

import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import type { LayerDescriptor } from "../../src/image/mod.ts";
import type { Tree } from "../../src/content/tree.ts";
import { type Digest, hexOf, sha256Digest } from "../../src/digest.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import type { SavedImage, WorkspaceIdentity } from "../../src/snapshot/images.ts";
import type { BlobSource } from "../../src/inspect/blob_file.ts";
import { describeImage } from "../../src/snapshot/manifest.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import {
  newSnapshotName,
  parseSnapshotName,
  snapshotKey,
} from "../../src/snapshot/snapshot_names.ts";
import { encodeReference } from "../../src/snapshot/references.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { borrowContent, type SharedContent } from "../fixtures/shared_content.ts";
import { settle } from "../fixtures/settle.ts";
import { makeTree, type TreeTable } from "../fixtures/tree.ts";

export const ALICE: WorkspaceIdentity = { owner: "alice", metaId: "notes" };
export const BOB: WorkspaceIdentity = { owner: "bob", metaId: "site" };

/** A root as a daemon leaves it, open as long as the fixture is. */
export class StoreFixture implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;

  private constructor(
    readonly root: string,
    readonly started: SharedContent,
    readonly store: FileStore,
    readonly images: StoredImages,
    readonly source: BlobSource,
    stack: AsyncDisposableStack,
  ) {
    this.#stack = stack;
  }

  static async open({ retain = 3, chunkMinBytes = 0 } = {}): Promise<StoreFixture> {
    await using stack = new AsyncDisposableStack();
    const started = stack.use(borrowContent());
    const { areas, content } = started;
    const clock = systemClock;
    const store = await FileStore.open({ folder: areas.blobs, spoolDir: areas.spool, clock });
    const images = new StoredImages({
      content,
      store,
      clock,
      retention: { retain, otherLineages: 8 },
      chunkMinBytes,
    });
    openLibc(libcPath());
    const spool = stack.use(Directory.open(areas.spool));
    const blobs = stack.use(Directory.open(areas.blobs));
    return new StoreFixture(
      started.root,
      started,
      store,
      images,
      { store, spool, blobs },
      stack.move(),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  /** Where a published tree is. */
  pathOf(id: string): string {
    return join(this.started.areas.workspaces, id);
  }

  /** Makes a published tree. @returns its folder */
  async publish(id: string, table: TreeTable): Promise<string> {
    await Deno.mkdir(this.pathOf(id));
    await makeTree(this.pathOf(id), table);
    return this.pathOf(id);
  }

  /** Waits until the next image reuses what was written before. */
  async settle(): Promise<void> {
    await settle(this.root);
  }

  async snapshot(id: string, identity = ALICE): Promise<SavedImage> {
    const url = this.images.newSnapshotUrl(identity);
    return await this.images.saveSnapshot(tree(id), url, { baseline: id });
  }

  async backup(id: string, identity = ALICE): Promise<SavedImage> {
    return await this.images.saveBackup(tree(id), identity, { baseline: id });
  }

  /** Makes a snapshot of the same layers without an index, as other tools would copy it. @returns its url */
  async withoutIndex({ manifest }: SavedImage, identity = ALICE): Promise<string> {
    return await this.ofLayers((await readImage(this.store, manifest)).layers, identity);
  }

  /** Makes a snapshot of layers that are in the store. @returns its url */
  async ofLayers(layers: readonly LayerDescriptor[], identity = ALICE): Promise<string> {
    const made = describeImage({ layers: [...layers] });
    for (const { digest, bytes } of [made.config, made.manifest]) {
      await this.store.putBlobBytes(digest, bytes);
    }
    const url = newSnapshotName(identity, Date.now());
    const name = parseSnapshotName(url, "url");
    if (name.kind !== "image") throw new TypeError("Cannot name an archive");
    const image = {
      manifest: made.manifest.digest,
      createdAt: Date.now(),
      contentBytes: 0,
      files: 0,
    };
    await this.store.putRef(snapshotKey(identity, name.id), encodeReference(identity, [image]));
    return url;
  }

  blobPath(digest: Digest): string {
    return join(this.started.areas.blobs, "blobs/sha256", hexOf(digest));
  }

  /** Changes one byte in the midst of a blob. */
  async damage(digest: Digest): Promise<void> {
    const bytes = await Deno.readFile(this.blobPath(digest));
    bytes[bytes.length >> 1]! ^= 0xff;
    await Deno.writeFile(this.blobPath(digest), bytes);
  }

  /** Makes every blob look as if it had been stored that long ago. */
  async age(milliseconds: number): Promise<void> {
    const time = (Date.now() - milliseconds) / 1000;
    for (const hex of this.blobs()) {
      await Deno.utime(this.blobPath(sha256Digest(hex)), time, time);
    }
  }

  /** Names of all blobs in the store. */
  blobs(): string[] {
    return [...Deno.readDirSync(join(this.started.areas.blobs, "blobs/sha256"))]
      .map(({ name }) => name).toSorted();
  }
}

function tree(name: string): Tree {
  return { area: "workspaces", name };
}
