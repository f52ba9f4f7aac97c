/** Which images have bases on a node, who makes them and when they go; on a real btrfs. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import type { Content } from "../../src/content/content.ts";
import { DaemonError } from "../../src/errors.ts";
import { BaseCache, type BaseCacheOptions } from "../../src/snapshot/base_cache.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import type { ObjectStore } from "../../src/store/mod.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { Metrics } from "../../src/telemetry/mod.ts";
import { ME } from "../content/fixture.ts";
import { canMountBtrfs, mountBtrfs, subvolumePaths } from "../fixtures/btrfs.ts";
import { startContent } from "../fixtures/content.ts";
import { until } from "../fixtures/eventually.ts";
import { ALICE, BOB } from "./fixture.ts";

const ignore = !canMountBtrfs();

/** A node with bases, whose restores from the store can be counted and held up. */
class BaseNode implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #mount = this.#stack.use(mountBtrfs());
  readonly #started = this.#stack.use(startContent(this.#mount.path, { workers: 2 }));
  readonly metrics = new Metrics();
  /** Called before each restore from the store. */
  beforeRestore: () => Promise<void> = () => Promise.resolve();
  /** Called before each clone of a base. */
  beforeClone: () => Promise<void> = () => Promise.resolve();
  /** Called before each commit of a baseline. */
  beforeCommit: () => Promise<void> = () => Promise.resolve();
  /** How many references were read. */
  #references = 0;
  #options!: BaseCacheOptions;
  cache!: BaseCache;
  images!: StoredImages;

  static async open(options: Partial<BaseCacheOptions> = {}): Promise<BaseNode> {
    const node = new BaseNode();
    const { content } = node;
    const volume = { ...await content.chooseVolume("auto"), ...options.volume };
    const { metrics } = node;
    const limits = { maxBytes: 2 ** 30, minFreePercent: 0 };
    node.#options = { content, clock: systemClock, metrics, ...limits, ...options, volume };
    await node.start();
    return node;
  }

  /** Starts it, again where it was started before. */
  async start(): Promise<void> {
    await this.cache?.[Symbol.asyncDispose]();
    const { areas } = this.#started;
    const clock = systemClock;
    const file = await FileStore.open({ folder: areas.blobs, spoolDir: areas.spool, clock });
    const store: ObjectStore = new Proxy(file, {
      get: (target, name) => {
        if (name === "getRef") return (...args: [string]) => this.#getRef(target, ...args);
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    this.cache = new BaseCache({ ...this.#options, metrics: new Metrics() });
    await this.cache.start();
    const { content, cache: bases } = this;
    this.images = new StoredImages({
      content,
      store,
      clock,
      retention: { retain: 1, otherLineages: 8 },
      bases,
    });
  }

  async #getRef(store: FileStore, ...args: [string]): Promise<Uint8Array> {
    const reference = await store.getRef(...args);
    this.#references++;
    return reference;
  }

  /** Waits until so many restores have come as far as they come without a base. */
  async restoring(count: number): Promise<void> {
    await until(`${count} restores`, () => this.#references >= count);
    // Between the reference and the base they wait for nothing.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  get content(): Content {
    const { content } = this.#started;
    return {
      ...content,
      bases: {
        ...content.bases,
        clone: async (id, tree) => {
          await this.beforeClone();
          return await content.bases.clone(id, tree);
        },
      },
      commitBaseline: async (token, name) => {
        await this.beforeCommit();
        await content.commitBaseline(token, name);
      },
      restore: async (tree, options) => {
        await this.beforeRestore();
        return await content.restore(tree, options);
      },
    };
  }

  path(...names: string[]): string {
    return join(this.#mount.path, ...names);
  }

  /** Publishes a workspace with one file of so many KiB. */
  async publish(id: string, kibibytes = 1): Promise<void> {
    const tree = await this.content.create(ME, id);
    await this.content.publish(tree, id);
    await this.write(id, kibibytes);
  }

  async write(id: string, kibibytes: number): Promise<void> {
    const bytes = new Uint8Array(kibibytes << 10).fill(id.charCodeAt(0) + kibibytes);
    await Deno.writeFile(this.path("workspaces", id, "file"), bytes);
  }

  /** Takes a snapshot, unless told otherwise without leaving a base. @returns its url */
  async snapshot(id: string, withoutBase = true): Promise<string> {
    const url = this.images.newSnapshotUrl(ALICE);
    const saved = await this.images.saveSnapshot({ area: "workspaces", name: id }, url, {
      baseline: id,
    });
    if (withoutBase) await this.drop(saved.manifest);
    return url;
  }

  async drop(manifest: string): Promise<void> {
    await this.content.bases.remove(manifest.slice("sha256:".length));
    await this.start();
  }

  /** Restores an image into a staging tree. @returns its file's size in KiB */
  async restore(url: string, signal?: AbortSignal): Promise<number> {
    const tree = await this.content.create(ME);
    const options = signal ? { signal } : {};
    const { newBaseline } = await this.images.restoreSnapshot(tree, url, options);
    assert(newBaseline !== undefined);
    const { size } = await Deno.stat(this.path("tmp/staging", tree.name, "file"));
    await this.content.remove(tree);
    return size >> 10;
  }

  bases(): string[] {
    return subvolumePaths(this.#mount.path).filter((path) => path.startsWith("bases/"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cache[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }
}

Deno.test({
  name: "inits of one image restore it once, whoever of them gives up, and each has its own tree",
  ignore,
  async fn() {
    await using node = await BaseNode.open();
    await node.publish("w", 3);
    const url = await node.snapshot("w");
    assertEquals(node.bases(), []);
    let restores = 0;
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    node.beforeRestore = () => {
      restores++;
      begun.resolve();
      return go.promise;
    };
    const leader = new AbortController();
    const first = assertRejects(() => node.restore(url, leader.signal), DaemonError, "disposed of");
    await begun.promise;
    const others = Array.from({ length: 4 }, () => node.restore(url));
    await node.restoring(5);
    leader.abort(new DaemonError("ABORTED", "it was disposed of"));
    await first;
    go.resolve();
    assertEquals(await Promise.all(others), [3, 3, 3, 3]);
    assertEquals(restores, 1);
    assertEquals(await node.restore(url), 3);
    assertEquals([restores, node.bases().length], [1, 1]);
  },
});

Deno.test({
  name:
    "where nobody waits any more, or the restore fails, nothing is left and others try themselves",
  ignore,
  async fn() {
    await using node = await BaseNode.open();
    await node.publish("w");
    const url = await node.snapshot("w");
    const begun = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    node.beforeRestore = () => {
      begun.resolve();
      return held.promise;
    };
    const alone = new AbortController();
    const cancelled = assertRejects(() => node.restore(url, alone.signal), DaemonError, "enough");
    await begun.promise;
    alone.abort(new DaemonError("ABORTED", "enough"));
    await cancelled;
    held.resolve();
    await until("the cancelled base goes", () => node.bases().length === 0);

    let restores = 0;
    node.beforeRestore = async () => {
      if (restores++ > 0) return;
      await node.restoring(4);
      throw new DaemonError("UNAVAILABLE", "the store is out of reach");
    };
    const all = await Promise.allSettled(Array.from({ length: 3 }, () => node.restore(url)));
    assertEquals(all.map(({ status }) => status).sort(), ["fulfilled", "fulfilled", "rejected"]);
    assertEquals(restores, 3);
    await until("the failed base goes", () => node.bases().length === 0);
  },
});

Deno.test({
  name: "the base used longest ago goes first, none that is being cloned, also after a restart",
  ignore,
  async fn() {
    await using node = await BaseNode.open({ maxBytes: 250 << 10 });
    const urls: string[] = [];
    await node.publish("w");
    for (const size of [70, 71, 72]) {
      await node.write("w", size);
      urls.push(await node.snapshot("w"));
    }
    const ids: string[] = [];
    for (const url of urls) {
      const before = node.bases();
      await node.restore(url);
      ids.push(...node.bases().filter((path) => !before.includes(path)));
    }
    assertEquals(ids.length, 3);
    await node.start();
    await node.restore(urls[0]!);
    // A fourth is too much: of the others the second has been used longest ago.
    await node.write("w", 73);
    const fourth = await node.snapshot("w");
    await node.restore(fourth);
    await until("one of them goes", () => node.bases().length === 3);
    assert(!node.bases().includes(ids[1]!), "the one that was used longest ago is there");
    assert(node.bases().includes(ids[0]!), "one that was used since is gone");

    // While one is being cloned, it stays, whatever has to go.
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    node.beforeClone = () => {
      node.beforeClone = () => Promise.resolve();
      begun.resolve();
      return go.promise;
    };
    const cloning = node.restore(urls[2]!);
    await begun.promise;
    for (const size of [170, 171]) {
      await node.write("w", size);
      await node.restore(await node.snapshot("w", false));
    }
    await until("all others go", () => node.bases().length <= 2);
    assert(node.bases().includes(ids[2]!), "one that is being cloned is gone");
    go.resolve();
    assertEquals(await cloning, 72);
  },
});

Deno.test({
  name:
    "a base that cannot be cloned any more goes once nobody clones it, and is made anew after that",
  ignore,
  async fn() {
    await using node = await BaseNode.open();
    await node.publish("w", 3);
    const url = await node.snapshot("w");
    await node.restore(url);
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    node.beforeClone = () => {
      node.beforeClone = () => Promise.reject(new DaemonError("FAILED_PRECONDITION", "broken"));
      begun.resolve();
      return go.promise;
    };
    let restores = 0;
    node.beforeRestore = () => Promise.resolve(void restores++);
    const cloning = node.restore(url);
    await begun.promise;
    // One finds it broken, and another comes while it is still being cloned: both restore by themselves.
    assertEquals([await node.restore(url), await node.restore(url)], [3, 3]);
    assertEquals([restores, node.bases().length], [2, 1]);
    go.resolve();
    assertEquals([await cloning, restores], [3, 2]);
    await until("the broken base goes", () => node.bases().length === 0);
    node.beforeClone = () => Promise.resolve();
    assertEquals([await node.restore(url), await node.restore(url)], [3, 3]);
    assertEquals([restores, node.bases().length], [3, 1]);
  },
});

Deno.test({
  name: "what a limited workspace deletes is not held by a base, where quotas would count it",
  ignore,
  async fn() {
    await using node = await BaseNode.open({
      volume: { kind: "btrfs", quota: "simple", reason: "" },
    });
    await node.publish("w", 40);
    const tree = { area: "workspaces", name: "w" } as const;
    const save = (how: { isLast?: boolean; isLimited?: boolean }) =>
      node.images.saveBackup(tree, ALICE, { baseline: "w", ...how });
    await save({ isLimited: true });
    assertEquals(node.bases(), []);
    await save({ isLimited: true, isLast: true });
    const [base, ...others] = node.bases();
    assertEquals(others, []);

    // Content larger than the quota is counted in full, and so unpacked.
    let restores = 0;
    node.beforeRestore = () => Promise.resolve(void restores++);
    for (const quotaBytes of [30 << 10, 50 << 10]) {
      const into = await node.content.create(ME);
      await node.images.restoreBackup(into, ALICE, { quotaBytes });
      await node.content.remove(into);
    }
    assertEquals(restores, 1);

    // Another identity's image of the same content has the same base, by a reference of its own.
    await assertRejects(
      async () => {
        const into = await node.content.create(ME);
        await node.images.restoreBackup(into, BOB, {});
      },
      DaemonError,
      "no backup of bob/site",
    );
    assertEquals(node.bases(), [base]);
    const strict = await node.content.create(ME);
    await assertRejects(
      async () => {
        const url = node.images.newSnapshotUrl(BOB);
        await node.images.saveSnapshot(tree, url, { baseline: "w" });
        await node.images.restoreSnapshot(strict, url, { limitBytes: 30 << 10 });
      },
      DaemonError,
      "more than the 30720 bytes on disk",
    );
  },
});

Deno.test({
  name: "a save whose baseline cannot be kept leaves no base, which would have an older image's",
  ignore,
  async fn() {
    await using node = await BaseNode.open();
    await node.publish("w", 1);
    await node.snapshot("w");
    await node.write("w", 2);
    node.beforeCommit = () => Promise.reject(new DaemonError("RESOURCE_EXHAUSTED", "no room"));
    const url = await node.snapshot("w", false);
    node.beforeCommit = () => Promise.resolve();
    assertEquals(node.bases(), []);
    // What goes on from the image has its content, whatever the baseline of its tree is.
    const tree = await node.content.create(ME);
    const { newBaseline } = await node.images.restoreSnapshot(tree, url, {});
    await node.content.publish(tree, "fork");
    await node.content.commitBaseline(newBaseline!, "fork");
    await Deno.writeTextFile(node.path("workspaces/fork/new"), "new");
    const saved = await node.snapshot("fork");
    assertEquals(await node.restore(saved), 2);
  },
});
