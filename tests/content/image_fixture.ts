/** Images in tests: real Workers, a folder as the store, and how others see the layers. */

import { assert, assertEquals } from "@std/assert";
import { basename, dirname, join } from "@std/path";
import {
  type BlobId,
  decodeStale,
  FLAG,
  indexBlobs,
  KIND,
  type LayerDescriptor,
  type LoadedIndex,
  readIndex,
  RECORD,
} from "../../src/image/mod.ts";
import { Directory, displayName, joinPath, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import type { IdRange } from "../../src/content/id_map.ts";
import type { PackExcludes, PackResult } from "../../src/content/pack/pack_result.ts";
import type { RestoreOptions, RestoreResult } from "../../src/content/restore/restore_result.ts";
import type { Tree } from "../../src/content/tree.ts";
import { type Digest, digestOf, hexOf } from "../../src/digest.ts";
import { startContent } from "../fixtures/content.ts";
import { type TestFolder, testFolder } from "../fixtures/folder.ts";
import { makeTree, readTree, type TreeEntry, type TreeTable } from "../fixtures/tree.ts";
import { ME } from "./fixture.ts";

export interface RestoreHow {
  index?: boolean;
  trusted?: boolean;
  limitBytes?: number;
  /** Gives layers in place of the store's folder. */
  open?: NonNullable<RestoreOptions["open"]>;
  signal?: AbortSignal;
  /** The staging tree to restore into; a fresh one unless given. */
  into?: Tree;
}

/** How a tree is packed. */
interface PackHow {
  signal?: AbortSignal;
  onLayer?: () => void;
  keepFrozen?: boolean;
  excludes?: PackExcludes;
  chunkMinBytes?: number;
}

/** Content Workers and a store of blobs in a folder that is gone with the fixture. */
export class ImageFixture implements AsyncDisposable {
  readonly #folder: TestFolder;
  readonly #started;
  /** Digests in the order they were stored; a layer that was there already comes again. */
  readonly stored: Digest[] = [];

  /**
   * @param folder where everything is; gone with the fixture
   * @param wrap returns what stands in for the port of a Worker
   */
  constructor(
    workers = 2,
    folder: TestFolder = testFolder(),
    idMap: readonly IdRange[] = [],
    wrap: (port: MessagePort) => MessagePort = (port) => port,
  ) {
    this.#folder = folder;
    this.#started = startContent(this.#folder.path, { workers, idMap, wrap });
  }

  get content() {
    return this.#started.content;
  }
  get areas() {
    return this.#started.areas;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#started.close();
    this.#folder[Symbol.dispose]();
    return Promise.resolve();
  }

  /** Makes a published tree. @returns its folder */
  async publish(id: string, table: TreeTable = []): Promise<string> {
    const path = join(this.areas.workspaces, id);
    await Deno.mkdir(path);
    await makeTree(path, table);
    return path;
  }

  /**
   * Packs a published tree as the snapshot area does, its own baseline and all.
   * @param options.onLayer called with each layer before it is stored, while the pack goes on
   */
  async pack(
    id: string,
    { onLayer, signal, keepFrozen = false, excludes, chunkMinBytes }: PackHow = {},
  ): Promise<PackResult> {
    const { content, areas } = this;
    const { layers: known, index } = await content.baselineLayers(id);
    const mayReuse = index && indexBlobs(index).every(({ digest }) => this.has(digest));
    const result = await content.pack({ area: "workspaces", name: id }, {
      signal,
      keepFrozen,
      baseline: id,
      ...(excludes ? { excludes } : {}),
      ...(chunkMinBytes === undefined ? {} : { chunkMinBytes }),
      reuse: known.filter(({ digest }) => this.has(digest)),
      ...(mayReuse ? { reuseIndex: index } : {}),
      onLayer: async ({ digest, size, file }) => {
        onLayer?.();
        await this.#put(digest, size, file.path);
      },
    });
    const { newIndex } = result;
    if (newIndex) await this.#put(newIndex.digest, newIndex.size, newIndex.file.path);
    await content.commitBaseline(result.newBaseline, id);
    assertEquals([...Deno.readDirSync(areas.spool)].map(({ name }) => name), []);
    return result;
  }

  /** Packs a published tree without a baseline, and forgets all of it but the result. */
  async packWhole(id: string): Promise<PackResult & { entries: string[] }> {
    const { content, areas } = this;
    const result = await content.pack({ area: "workspaces", name: id }, {
      reuse: [],
      onLayer: async ({ file }) => await Deno.remove(join(areas.spool, file.path)),
    });
    const { file } = result.newIndex!;
    const entries = indexEntries([[join(areas.spool, file.path), result.index]]);
    await content.discard(file);
    await content.dropBaseline(result.newBaseline);
    return { ...result, entries };
  }

  /** What the index of an image that is stored says of every path, wherever the content is. */
  entries({ index }: PackResult): string[] {
    return indexEntries(indexBlobs(index).map((blob) => [this.blobPath(blob.digest), blob]));
  }

  /** Whether an image that is stored has content whose place belongs to another path. */
  hasDisplaced({ index }: PackResult): boolean {
    const { blocks } = loadIndex(
      indexBlobs(index).map((blob) => [this.blobPath(blob.digest), blob]),
    );
    return blocks.some((block) => {
      for (let record = block.first; record < block.end; record += RECORD) {
        if (block.isDisplaced(record)) return true;
      }
      return false;
    });
  }

  async #put(digest: Digest, size: number, name: string): Promise<void> {
    const spooled = join(this.areas.spool, name);
    const bytes = await Deno.readFile(spooled);
    assertEquals(bytes.length, size);
    assertEquals(digestOf(bytes), digest);
    await Deno.rename(spooled, this.blobPath(digest));
    this.stored.push(digest);
  }

  blobPath(digest: Digest): string {
    return join(this.areas.blobs, hexOf(digest));
  }

  has(digest: Digest): boolean {
    try {
      Deno.statSync(this.blobPath(digest));
      return true;
    } catch {
      return false;
    }
  }

  /** Bytes of an image in the store. */
  storedBytes({ layers, index }: PackResult): number {
    return layers.reduce((sum, { size }) => sum + size, index.size);
  }

  /** Restores into a staging tree. */
  async restore(
    image: { layers: readonly LayerDescriptor[]; index: { digest: Digest; size: number } },
    how: RestoreHow = {},
  ): Promise<RestoreResult & { tree: Tree; path: string }> {
    const tree = how.into ?? await this.content.create(ME);
    let held = 0;
    try {
      const result = await this.content.restore(tree, {
        layers: image.layers,
        ...(how.index === false ? {} : { index: image.index }),
        ...(how.limitBytes === undefined ? {} : { limitBytes: how.limitBytes }),
        trusted: how.trusted ?? true,
        ...(how.open ? { open: how.open } : {}),
        signal: how.signal,
        fetch: ({ digest }) => {
          held++;
          return Promise.resolve({
            area: "blobs" as const,
            path: hexOf(digest),
            release: () => Promise.resolve(void held--),
          });
        },
      });
      return { ...result, tree, path: join(this.areas.staging, tree.name) };
    } finally {
      assertEquals(held, 0, "blobs that were fetched but not released");
    }
  }

  /** The tree that a restore gives; the tree itself is gone then. */
  async restored(image: PackResult, how: RestoreHow = {}): Promise<TreeEntry[]> {
    const { tree, path } = await this.restore(image, how);
    const entries = await readTree(path);
    await this.content.remove(tree);
    return entries;
  }
}

function loadIndex(blobs: readonly (readonly [path: string, BlobId])[]): LoadedIndex {
  openLibc(libcPath());
  using opened = new DisposableStack();
  return readIndex(blobs.map(([path, blob]) => {
    using folder = Directory.open(dirname(path), "index");
    return { file: opened.use(folder.openFile(basename(path))), blob };
  }));
}

/** What an index says of every path but where its content is, and which name of an inode has it. */
function indexEntries(blobs: readonly (readonly [path: string, BlobId])[]): string[] {
  const entries: string[] = [];
  const { blocks, header, memory } = loadIndex(blobs);
  const live = new Set<string>();
  for (const block of blocks) {
    const describe = (record: number) => {
      const kind = block.kind(record);
      const { sec, nsec } = block.mtime(record);
      const isLinked = kind === KIND.link || (block.flags(record) & FLAG.linked) !== 0;
      const isFile = kind === KIND.file || kind === KIND.link;
      return [
        displayName(joinPath(block.path, block.name(record))),
        isFile ? "file" : `${kind} ${displayName(block.link(record))}`,
        block.mode(record).toString(8),
        `${block.uid(record)}:${block.gid(record)}`,
        isFile && isLinked ? "" : `${block.size(record)} ${block.xattrBytes(record).toHex()}`,
        `${sec}.${nsec}`,
      ].join(" ");
    };
    entries.push(describe(block.self));
    for (let record = block.first; record < block.end; record += RECORD) {
      entries.push(describe(record));
      if (block.kind(record) !== KIND.file || block.isDisplaced(record)) continue;
      live.add(`${block.layer(record)} ${joinPath(block.path, block.name(record)).toHex()}`);
    }
  }
  const staleBytes = memory.bytes.subarray(memory.bytes.length - header.staleBytes);
  for (const { layer, path } of decodeStale(staleBytes, header.stale)) {
    assert(!live.has(`${layer} ${path.toHex()}`), `${displayName(path)} is live, and stale`);
  }
  return entries;
}

/** A tree without its sockets, which no image has. */
export function packable(entries: TreeEntry[]): TreeEntry[] {
  return entries.filter(({ type }) => type !== "socket");
}

/** Where holes are is the file system's affair; how much of a file is data is ours. */
export function withoutExtents(entries: TreeEntry[]): Omit<TreeEntry, "data">[] {
  return entries.map(({ data: _, ...entry }) => entry);
}
