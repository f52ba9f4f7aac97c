import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { type Digest, digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { changeHistory } from "../../src/snapshot/history.ts";
import { describeImage } from "../../src/snapshot/manifest.ts";
import {
  decodeReference,
  encodeReference,
  type ImageReference,
  readReference,
} from "../../src/snapshot/references.ts";
import { backupKey } from "../../src/snapshot/snapshot_names.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { blobKey } from "../../src/store/keys.ts";
import { testFolder } from "../fixtures/folder.ts";

const identity = { owner: "alice", metaId: "notes" };
const key = backupKey(identity);

/** An embedded store with the history of one identity in it. */
class HistoryFixture implements Disposable {
  readonly #folder = testFolder();
  #store: FileStore | undefined;

  static async open(): Promise<HistoryFixture> {
    const fixture = new HistoryFixture();
    const spoolDir = join(fixture.#folder.path, "spool");
    await Deno.mkdir(spoolDir);
    const folder = join(fixture.#folder.path, "store");
    fixture.#store = await FileStore.open({ folder, spoolDir, clock: systemClock });
    return fixture;
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }

  get store(): FileStore {
    return this.#store!;
  }

  /** Where a blob is. */
  pathOf(digest: Digest): string {
    return join(this.#folder.path, "store", blobKey(digest));
  }

  /** Where a reference is. */
  pathOfKey(key: string): string {
    return join(this.#folder.path, "store", key);
  }

  async #put(text: string): Promise<{ digest: Digest; size: number }> {
    const bytes = new TextEncoder().encode(text);
    const digest = digestOf(bytes);
    await this.store.putBlobBytes(digest, bytes);
    return { digest, size: bytes.length };
  }

  /** Stores an image of one layer. */
  async image(content: string): Promise<ImageReference & { layer: Digest }> {
    const layer = await this.#put(`layer of ${content}`);
    const index = await this.#put(`index of ${content}`);
    const { manifest, config } = describeImage({
      layers: [{ ...layer, diffId: digestOf(content) }],
      index,
    });
    for (const { digest, bytes } of [config, manifest]) {
      await this.store.putBlobBytes(digest, bytes);
    }
    return {
      manifest: manifest.digest,
      layer: layer.digest,
      createdAt: 1,
      contentBytes: 2,
      files: 3,
    };
  }

  /** Makes the history these images. */
  async set(...images: ImageReference[]): Promise<void> {
    await this.store.putRef(key, encodeReference(identity, images));
  }

  async add(image: ImageReference): Promise<void> {
    await changeHistory(this.store, {
      key,
      identity,
      change: (earlier) => [image, ...earlier.filter((one) => one.manifest !== image.manifest)],
    });
  }

  async manifests(): Promise<Digest[]> {
    const bytes = await readReference(this.store, key);
    return bytes ? decodeReference(key, bytes).images.map(({ manifest }) => manifest) : [];
  }
}

Deno.test("a backup comes before those that there were", async () => {
  using fixture = await HistoryFixture.open();
  const [a, b, c] = [await fixture.image("a"), await fixture.image("b"), await fixture.image("c")];
  for (const image of [a, b, c]) await fixture.add(image);
  assertEquals(await fixture.manifests(), [c, b, a].map(({ manifest }) => manifest));
});

Deno.test("a history that nothing is left of is no reference", async () => {
  using fixture = await HistoryFixture.open();
  await fixture.set(await fixture.image("a"));
  await changeHistory(fixture.store, { key, identity, change: () => [] });
  assertEquals(await readReference(fixture.store, key), undefined);
});

Deno.test("a backup that is added while the only other one is removed stays", async () => {
  using fixture = await HistoryFixture.open();
  const [old, added] = [await fixture.image("old"), await fixture.image("added")];
  await fixture.set(old);
  // Both nodes have read the history before either writes.
  const store = new Proxy(fixture.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== "deleteRef") return typeof value === "function" ? value.bind(target) : value;
      return async (...args: Parameters<FileStore["deleteRef"]>) => {
        if (!(await fixture.manifests()).includes(added.manifest)) await fixture.add(added);
        return await target.deleteRef(...args);
      };
    },
  });
  await changeHistory(store, {
    key,
    identity,
    change: (images) => images.filter(({ manifest }) => manifest !== old.manifest),
  });
  assertEquals(await fixture.manifests(), [added.manifest]);
});

Deno.test("a change leaves out backups whose manifest is gone, and those that lack a blob", async () => {
  using fixture = await HistoryFixture.open();
  const [whole, noManifest, noLayer, added] = await Promise.all(
    ["whole", "no manifest", "no layer", "added"].map((content) => fixture.image(content)),
  );
  await fixture.set(noManifest!, noLayer!, whole!);
  await Deno.remove(fixture.pathOf(noManifest!.manifest));
  await Deno.remove(fixture.pathOf(noLayer!.layer));
  await fixture.add(added!);
  assertEquals(await fixture.manifests(), [added!.manifest, whole!.manifest]);
});

Deno.test("a backup whose manifest is damaged stays: what it needs is unknown", async () => {
  using fixture = await HistoryFixture.open();
  const [damaged, added] = [await fixture.image("damaged"), await fixture.image("added")];
  await fixture.set(damaged);
  const path = fixture.pathOf(damaged.manifest);
  await Deno.chmod(path, 0o600);
  await Deno.writeTextFile(path, "x".repeat((await Deno.stat(path)).size));
  await fixture.add(added);
  assertEquals(await fixture.manifests(), [added.manifest, damaged.manifest]);
});

Deno.test("a history that cannot be read, or is another's, is not replaced", async () => {
  using fixture = await HistoryFixture.open();
  const image = await fixture.image("a");
  const others = encodeReference({ owner: "bob", metaId: "notes" }, [image]);
  for (const bytes of [new TextEncoder().encode("{}"), others]) {
    await fixture.store.putRef(key, bytes);
    const error = await assertRejects(() => fixture.add(image), DaemonError);
    assertEquals(error.code, "DATA_LOSS");
    assertEquals(await readReference(fixture.store, key), bytes);
  }
});

Deno.test("a backup that is collected while the history is written is taken out again", async () => {
  using fixture = await HistoryFixture.open();
  const [old, added] = [await fixture.image("old"), await fixture.image("added")];
  await fixture.set(old);
  let reads = 0;
  await changeHistory(fixture.store, {
    key,
    identity,
    change: (earlier) => {
      // As a collection that began before: after the manifest was seen, the layer goes.
      if (reads++ === 0) Deno.removeSync(fixture.pathOf(old.layer));
      return [added, ...earlier.filter(({ manifest }) => manifest !== added.manifest)];
    },
  });
  assertEquals(await fixture.manifests(), [added.manifest]);
});

Deno.test("two that add a backup at once are both in the history, whoever writes first", async () => {
  using fixture = await HistoryFixture.open();
  const [old, mine, others] = await Promise.all(
    ["old", "mine", "others"].map((content) => fixture.image(content)),
  );
  await fixture.set(old!);
  let attempts = 0;
  await changeHistory(fixture.store, {
    key,
    identity,
    adds: mine!.manifest,
    change: (earlier) => {
      // Another node that has read the same history writes between this read and this write.
      if (attempts++ === 0) {
        const bytes = encodeReference(identity, [others!, ...earlier]);
        Deno.writeFileSync(fixture.pathOfKey(key), bytes);
      }
      return [mine!, ...earlier.filter(({ manifest }) => manifest !== mine!.manifest)];
    },
  });
  assertEquals(attempts, 2);
  assertEquals(await fixture.manifests(), [mine, others, old].map((image) => image!.manifest));
});

Deno.test("a backup that another has written into the history meanwhile is not added again", async () => {
  using fixture = await HistoryFixture.open();
  const [mine, others] = [await fixture.image("mine"), await fixture.image("others")];
  const store = new Proxy(fixture.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== "replaceRef") return typeof value === "function" ? value.bind(target) : value;
      // It took effect, and somebody who has seen that has written since.
      return async () => {
        await fixture.set(others, mine);
        return false;
      };
    },
  });
  await changeHistory(store, { key, identity, adds: mine.manifest, change: () => [mine] });
  assertEquals(await fixture.manifests(), [others.manifest, mine.manifest]);
});
