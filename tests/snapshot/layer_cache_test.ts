/** Which blobs a node keeps of a store elsewhere, who downloads them and when they go. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { type Digest, hexOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { LayerCache, type LayerCacheOptions } from "../../src/snapshot/layer_cache.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import type { LeasedFile, SpooledBlob } from "../../src/spool.ts";
import type { BlobRange, ObjectStore } from "../../src/store/object_store.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { Metrics } from "../../src/telemetry/mod.ts";
import { ME } from "../content/fixture.ts";
import { startContent } from "../fixtures/content.ts";
import { until } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { ALICE } from "./fixture.ts";

/** A node whose store hands blobs out as one on the network does: as downloads into the spool. */
class LayerNode implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #folder = this.#stack.use(testFolder());
  readonly #started = this.#stack.use(startContent(this.#folder.path, { workers: 2 }));
  readonly downloads: Digest[] = [];
  /** Those of them that came as files, not in ranges. */
  readonly acquired: Digest[] = [];
  /** Called before each download. */
  beforeDownload: (signal?: AbortSignal) => Promise<void> = () => Promise.resolve();
  #options: Partial<LayerCacheOptions> = {};
  #file!: FileStore;
  metrics!: Metrics;
  /** Of the last backup. */
  index: Digest | undefined;
  cache!: LayerCache;
  images!: StoredImages;

  static async open(): Promise<LayerNode> {
    const node = new LayerNode();
    await node.start();
    return node;
  }

  /** Starts it, again where it was started before. */
  async start(options: Partial<LayerCacheOptions> = {}): Promise<void> {
    await this.cache?.[Symbol.asyncDispose]();
    this.#options = { ...this.#options, ...options };
    const { areas, content } = this.#started;
    const { spool } = areas;
    const clock = systemClock;
    this.#file = await FileStore.open({ folder: areas.blobs, spoolDir: spool, clock });
    const store: ObjectStore = new Proxy(this.#file, {
      get: (target, name) => {
        if (name === "isRemote") return true;
        if (name === "acquireBlob") return this.#download.bind(this);
        if (name === "getBlobRange") return this.#read.bind(this);
        if (name === "putBlob") return this.#upload.bind(this);
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    this.metrics = new Metrics();
    this.cache = new LayerCache({
      store,
      clock,
      spool,
      metrics: this.metrics,
      folder: areas.cache,
      isEnabled: true,
      maxBytes: 2 ** 30,
      minFreePercent: 0,
      ...this.#options,
    });
    await this.cache.start();
    this.images = new StoredImages({
      content,
      store,
      clock,
      retention: { retain: 2, otherLineages: 8 },
      layers: this.cache,
    });
  }

  /** Stores a copy: what is uploaded is another file than the one that is kept. */
  async #upload(blob: SpooledBlob): Promise<boolean> {
    const { spool } = this.#started.areas;
    const path = `${blob.file.path}.upload`;
    await Deno.rename(join(spool, blob.file.path), join(spool, `${path}ed`));
    await Deno.copyFile(join(spool, `${path}ed`), join(spool, path));
    await Deno.remove(join(spool, `${path}ed`));
    return await this.#file.putBlob({ ...blob, file: { ...blob.file, path } });
  }

  async #download(
    digest: Digest,
    size: number,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<LeasedFile> {
    await this.beforeDownload(signal);
    signal?.throwIfAborted();
    const { path } = await this.#file.acquireBlob(digest, size);
    this.downloads.push(digest);
    this.acquired.push(digest);
    const { blobs, spool } = this.#started.areas;
    const name = `download-${crypto.randomUUID()}`;
    const spooled = join(spool, name);
    await Deno.copyFile(join(blobs, path), spooled);
    const release = async () => await Deno.remove(spooled).catch(() => {});
    return { area: "spool", path: name, release };
  }

  async #read(
    digest: Digest,
    size: number,
    range: BlobRange,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    await this.beforeDownload(signal);
    signal?.throwIfAborted();
    // The last bytes are read once.
    if (range.end === size) this.downloads.push(digest);
    return await this.#file.getBlobRange(digest, size, range);
  }

  get folder(): string {
    return this.#started.areas.cache;
  }

  get spool(): string {
    return this.#started.areas.spool;
  }

  /** Names of what is kept, sorted. */
  get kept(): string[] {
    return [...Deno.readDirSync(this.folder)].map(({ name }) => name).sort();
  }

  /** Saves a backup of a workspace with this content. @returns digests of its layers and index, sorted */
  async backup(text: string, id = "w"): Promise<Digest[]> {
    const path = join(this.#started.areas.workspaces, id);
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(join(path, "file"), text);
    const tree = { area: "workspaces", name: id } as const;
    const identity = { ...ALICE, metaId: id };
    const { manifest } = await this.images.saveBackup(tree, identity, { baseline: id });
    const { layers, index } = await readImage(this.#file, manifest);
    this.index = index!.digest;
    return [...layers, index!].map(({ digest }) => digest).sort();
  }

  /** Restores a backup. @returns its content */
  async restore(id = "w", signal?: AbortSignal): Promise<string> {
    const { content, areas } = this.#started;
    const tree = await content.create(ME);
    try {
      const identity = { ...ALICE, metaId: id };
      const { newBaseline } = await this.images.restoreBackup(tree, identity, { signal });
      if (newBaseline) await content.dropBaseline(newBaseline);
      return await Deno.readTextFile(join(areas.staging, tree.name, "file"));
    } finally {
      await content.remove(tree);
    }
  }

  async metric(name: string): Promise<number> {
    const line = (await this.metrics.text()).split("\n").find((one) => one.startsWith(`${name} `));
    return Number(line?.split(" ")[1]);
  }

  /** Forgets what is kept, as on another node. */
  async forget(): Promise<void> {
    for (const name of this.kept) await Deno.remove(join(this.folder, name));
    await this.start();
  }

  assertTidy(): void {
    assertEquals([...Deno.readDirSync(this.#started.areas.spool)], []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cache[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }
}

const hit = 'wsdaemon_layer_reads_total{outcome="hit"}';
const miss = 'wsdaemon_layer_reads_total{outcome="miss"}';

Deno.test("what was saved or downloaded is downloaded no more, also after a restart", async () => {
  await using node = await LayerNode.open();
  const blobs = await node.backup("work");
  assertEquals(node.kept, blobs.map(hexOf));
  assertEquals(await node.restore(), "work");
  assertEquals(node.downloads, []);
  assert(await node.metric(hit) > 1);
  assertEquals(await node.metric(miss), 0);

  await node.forget();
  assertEquals(await node.restore(), "work");
  // A restore does without the layer of folders and links, whose entries the index has.
  const { downloads } = node;
  assert(downloads.length > 1 && downloads.every((one) => blobs.includes(one)));
  assertEquals(node.kept, downloads.map(hexOf).sort());
  assertEquals(await node.metric(miss), downloads.length);
  // Layers become files as they come.
  assertEquals(node.acquired, [node.index]);
  const before = downloads.length;
  await node.start();
  assertEquals(await node.metric("wsdaemon_layers"), before);
  assertEquals(await node.restore(), "work");
  assertEquals(downloads.length, before);
  // Only root reads what is kept, and nobody writes it.
  for (const name of node.kept) {
    assertEquals(Deno.statSync(join(node.folder, name)).mode! & 0o077, 0);
  }
  node.assertTidy();
});

Deno.test("what many want at once is downloaded once, and who gives up leaves the others to it", async () => {
  await using node = await LayerNode.open();
  await node.backup("work");
  await node.forget();
  const held = Promise.withResolvers<void>();
  let waiting = 0;
  node.beforeDownload = async () => {
    waiting++;
    await held.promise;
  };
  const gaveUp = new AbortController();
  const first = assertRejects(() => node.restore("w", gaveUp.signal), Error);
  await until("a download", () => waiting > 0);
  const others = [node.restore(), node.restore()];
  gaveUp.abort(new DaemonError("ABORTED", "gave up"));
  await first;
  held.resolve();
  assertEquals(await Promise.all(others), ["work", "work"]);
  assert(node.downloads.length > 1);
  assertEquals(new Set(node.downloads).size, node.downloads.length);
  node.assertTidy();
});

Deno.test("who gives up waiting for a layer leaves it to those who come later", async () => {
  await using node = await LayerNode.open();
  const [digest] = await node.backup("work");
  const { size } = Deno.statSync(join(node.folder, hexOf(digest!)));
  const bytes = await Deno.readFile(join(node.folder, hexOf(digest!)));
  await node.forget();
  const blob = { digest: digest!, size };
  const stream = await node.cache.open(blob, {});
  assert(stream && "close" in stream);
  const gaveUp = new AbortController();
  const waiting = node.cache.open(blob, { signal: gaveUp.signal });
  gaveUp.abort(new DaemonError("ABORTED", "gave up"));
  await assertRejects(() => waiting, DaemonError, "gave up");
  const later = node.cache.open(blob, {});
  await Deno.writeFile(join(node.spool, stream.copy!.path), bytes);
  await stream.close(true);
  const file = await later;
  if (file && "close" in file) await file.close(false);
  assert(file && "release" in file, "it is downloaded twice");
  await file.release();
  assertEquals(node.kept, [hexOf(digest!)]);
  // Nobody uses it any more.
  await node.start({ maxBytes: 0 });
  await until("it is gone", () => node.kept.length === 0);
  node.assertTidy();
});

Deno.test("what is damaged, cut short or gone is deleted, and the image restored from the store", async () => {
  await using node = await LayerNode.open();
  const blobs = await node.backup("work");
  for (const [n, spoil] of [damage, cut, Deno.removeSync].entries()) {
    for (const name of node.kept) spoil(join(node.folder, name));
    assertEquals(await node.restore(), "work", `${n}`);
    // The next one has whole ones.
    const before = node.downloads.length;
    assertEquals(await node.restore(), "work");
    assertEquals(node.downloads.length, before, `${n}`);
    assert(before > 0 && node.kept.every((name) => blobs.map(hexOf).includes(name)));
  }
  node.assertTidy();
});

function damage(path: string): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const { size } = file.statSync();
  file.seekSync(size >> 1, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array([0xaa, 0x55, 0xaa]));
}

function cut(path: string): void {
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
}

Deno.test("what is deleted or cannot be read while it is restored comes from the store", async () => {
  await using node = await LayerNode.open();
  await node.backup("work");
  const { cache } = node;
  const acquire = cache.acquire.bind(cache);
  const faults = [
    ({ path }: LeasedFile) => Deno.removeSync(join(node.folder, path)),
    () => {
      // As a Worker's read of a damaged block ends on a file system with checksums.
      const reason = "NODE_DISK_FAULT";
      throw new DaemonError("FAILED_PRECONDITION", "the disk fails", { reason });
    },
  ];
  for (const fault of faults) {
    let isDue = true;
    cache.acquire = async (...blob) => {
      const file = await acquire(...blob);
      // The index has been read from what is kept by then.
      if (file.area !== "cache" || blob[0] === node.index || !isDue) return file;
      isDue = false;
      try {
        fault(file);
      } catch (error) {
        await file.release();
        throw error;
      }
      return file;
    };
    const before = node.downloads.length;
    assertEquals(await node.restore(), "work");
    assertEquals(isDue, false);
    assert(node.downloads.length > before);
  }
  node.assertTidy();
});

Deno.test("the blobs used longest ago go where all are too large or the disk is short, none while used", async () => {
  await using node = await LayerNode.open();
  const noise = (length: number) =>
    Array.from({ length }, () => Math.random().toString(36).slice(2)).join("");
  for (const id of ["a", "b"]) await node.backup(noise(500), id);
  const neededFor = async (id: string) => {
    await node.forget();
    await node.restore(id);
    return node.downloads.splice(0);
  };
  const second = await neededFor("b");
  const first = await neededFor("a");
  await node.restore("b");
  await node.restore("a");
  const sizeOf = (blobs: Digest[]) =>
    blobs.reduce((sum, one) => sum + Deno.statSync(join(node.folder, hexOf(one))).size, 0);
  // Room for one of the two: that which was used last.
  await node.start({ maxBytes: sizeOf(first) + 100 });
  await until("b is gone", () => second.every((one) => !node.kept.includes(hexOf(one))));
  assertEquals(node.kept, first.map(hexOf).sort());
  const evicted = 'wsdaemon_layer_evictions_total{reason="size"}';
  await until("evictions are counted", async () => await node.metric(evicted) === second.length);

  // One that is being read stays until that has ended.
  const largest = first.toSorted((a, b) => sizeOf([b]) - sizeOf([a]))[0]!;
  const lease = await node.cache.acquire(largest, sizeOf([largest]), {});
  assertEquals(lease.area, "cache");
  await node.restore("b");
  assert(node.kept.includes(hexOf(largest)));
  await lease.release();
  await lease.release();

  // Nothing is kept where there is too little room, and what is there goes.
  const before = node.downloads.length;
  await node.start({ minFreePercent: 100 });
  await until("all are gone", () => node.kept.length === 0);
  await node.restore("b");
  assertEquals([node.kept.length, node.downloads.length > before], [0, true]);
  await node.start({ minFreePercent: 0 });
  await node.restore("b");
  assert(node.kept.length > 0);
  Deno.writeTextFileSync(join(node.folder, "mine"), "somebody's");
  await node.start({ isEnabled: false });
  await until("what is not wanted any more is gone", () => node.kept.join() === "mine");
  node.assertTidy();
});
