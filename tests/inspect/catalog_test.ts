import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import { catalog, findImage, findImages, removeImages } from "../../src/inspect/catalog.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { StoredImages } from "../../src/snapshot/stored_images.ts";
import { liveBlobs } from "../../src/snapshot/references_scan.ts";
import { backupKey } from "../../src/snapshot/snapshot_names.ts";
import { collect } from "../../src/store/collect.ts";
import { file } from "../fixtures/tree.ts";
import { ALICE, BOB, StoreFixture } from "../snapshot/fixture.ts";

const HOUR = 3600_000;

function gc(
  fixture: StoreFixture,
  { dryRun = false, force = false, store = fixture.store } = {},
) {
  return collect(store, {
    mark: (signal) => liveBlobs(store, signal),
    graceMs: HOUR,
    dryRun,
    force,
    clock: systemClock,
  });
}

/** Sizes of an image's blobs, from the files themselves. */
async function blobSizes(fixture: StoreFixture, url: string): Promise<Map<string, number>> {
  const { manifest } = await findImage(fixture.store, url);
  const { config } = JSON.parse(await Deno.readTextFile(fixture.blobPath(manifest)));
  const { layers, index } = await readImage(fixture.store, manifest);
  const digests = [manifest, config.digest, ...layers.map(({ digest }) => digest), index!.digest];
  return new Map(digests.map((digest) => [digest, Deno.statSync(fixture.blobPath(digest)).size]));
}

async function assertCode(code: ErrorCode, work: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(work, DaemonError);
  assertEquals(error.code, code, error.message);
}

Deno.test("a catalog tells what each image takes, and what removing it would free", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a".repeat(10_000))]]);
  await fixture.publish("v", [["b", file("b")]]);
  await fixture.settle();
  const first = await fixture.snapshot("w");
  await Deno.writeTextFile(join(fixture.pathOf("w"), "new"), "n");
  const second = await fixture.backup("w");
  const other = await fixture.backup("v", BOB);
  const entries = await catalog(fixture.store);
  assertEquals(entries.map(({ kind, owner, url }) => [kind, owner, url]), [
    ["snapshot", "alice", first.url],
    ["backup", "alice", second.url],
    ["backup", "bob", other.url],
  ]);
  const sizes = await Promise.all(entries.map(({ url }) => blobSizes(fixture, url)));
  entries.forEach((entry, n) => {
    const own = [...sizes[n]!].filter(([digest]) =>
      sizes.filter((image) => image.has(digest)).length === 1
    );
    const sum = (blobs: Iterable<[string, number]>) =>
      [...blobs].reduce((total, [, size]) => total + size, 0);
    assertEquals([entry.sizes!.storedBytes, entry.sizes!.ownBytes], [sum(sizes[n]!), sum(own)]);
  });
  assert(entries[0]!.sizes!.ownBytes < entries[0]!.sizes!.storedBytes, "nothing is shared");
  assertEquals(entries.map(({ files, contentBytes }) => [files, contentBytes]), [
    [1, 10_000],
    [2, 10_001],
    [1, 1],
  ]);
});

Deno.test("a catalog lists an image without sizes, and passes over a reference, where it is damaged", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a")]]);
  const lost = await fixture.snapshot("w");
  await Deno.writeTextFile(join(fixture.pathOf("w"), "a"), "other");
  const kept = await fixture.snapshot("w");
  await fixture.backup("w", BOB);
  const reference = join(fixture.started.areas.blobs, backupKey(BOB));
  await Deno.writeTextFile(reference, "{");
  await Deno.remove(fixture.blobPath(lost.manifest));
  // Bob's backup is the same image as `kept`: its blobs are that one's alone now.
  const damage: string[] = [];
  const entries = await catalog(fixture.store, { onDamage: (what) => damage.push(what) });
  assertEquals(entries.map(({ url, sizes }) => [url, sizes !== undefined]), [
    [lost.url, false],
    [kept.url, true],
  ]);
  assertEquals(damage, [backupKey(BOB), lost.manifest]);
  await assertCode("DATA_LOSS", () => liveBlobs(fixture.store));
});

Deno.test("urls find what they mean, and nothing else", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("1")]]);
  const first = await fixture.backup("w");
  await Deno.writeTextFile(join(fixture.pathOf("w"), "a"), "2");
  const second = await fixture.backup("w");
  const all = "wsdaemon:backup/alice/notes";
  const urls = async (url: string) => (await findImages(fixture.store, url)).map((one) => one.url);
  assertEquals(await urls(all), [second.url, first.url]);
  assertEquals(await urls(first.url), [first.url]);
  assertEquals((await findImage(fixture.store, all)).url, second.url);
  for (const wrong of ["", "x", "wsdaemon:backup/alice", `${all}/x`, "a.tar@bucket"]) {
    await assertCode("INVALID_ARGUMENT", () => findImage(fixture.store, wrong));
  }
  const missing = [
    "wsdaemon:backup/alice/other",
    `${all}@sha256:${"0".repeat(64)}`,
    "wsdaemon:snapshot/alice/notes/20260101T000000Z-0123456789abcdef",
  ];
  for (const url of missing) {
    await assertCode("NOT_FOUND", () => findImage(fixture.store, url));
    await assertCode("NOT_FOUND", () => removeImages(fixture.store, url));
  }
});

Deno.test("removal and collection free exactly what nothing needs any more", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a".repeat(10_000))]]);
  await fixture.settle();
  const first = await fixture.backup("w");
  await Deno.writeTextFile(join(fixture.pathOf("w"), "b"), "b");
  const second = await fixture.backup("w");
  await Deno.writeTextFile(join(fixture.pathOf("w"), "c"), "c");
  const third = await fixture.snapshot("w");
  const blobsOf = async (url: string) =>
    [...(await blobSizes(fixture, url)).keys()].map((digest) => digest.slice("sha256:".length));
  const keptBlobs = new Set([...await blobsOf(second.url), ...await blobsOf(third.url)]);
  const dead = (await blobsOf(first.url)).filter((hex) => !keptBlobs.has(hex));
  assert(dead.length > 0);

  assertEquals((await removeImages(fixture.store, first.url)).map(({ url }) => url), [first.url]);
  await assertCode("NOT_FOUND", () => findImage(fixture.store, first.url));
  assertEquals((await findImage(fixture.store, "wsdaemon:backup/alice/notes")).url, second.url);
  assertEquals(
    (await gc(fixture)).young.count,
    dead.length,
    "the grace protects what was stored now",
  );
  await fixture.age(2 * HOUR);
  const before = fixture.blobs();
  const trial = await gc(fixture, { dryRun: true });
  assertEquals(fixture.blobs(), before, "a dry run deletes nothing");
  const result = await gc(fixture);
  assertEquals([result.deleted, result.deleted.count], [trial.deleted, dead.length]);
  assertEquals(fixture.blobs(), [...keptBlobs].toSorted());

  await removeImages(fixture.store, "wsdaemon:backup/alice/notes");
  await removeImages(fixture.store, third.url);
  await fixture.age(2 * HOUR);
  await assertCode("FAILED_PRECONDITION", () => gc(fixture));
  await gc(fixture, { force: true });
  assertEquals([await catalog(fixture.store), fixture.blobs()], [[], []]);
});

Deno.test("a reference that cannot be read is removed by the command that every failure names", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a")]]);
  for (const url of ["wsdaemon:backup/alice/notes", backupKey(ALICE)]) {
    await fixture.store.putRef(backupKey(ALICE), new Uint8Array());
    for (const work of [() => liveBlobs(fixture.store), () => fixture.backup("w")]) {
      const { message } = await assertRejects(work, DaemonError);
      assert(message.includes(`wsdaemon store rm ${backupKey(ALICE)}`), message);
    }
    assertEquals(await removeImages(fixture.store, url), []);
    await assertCode("NOT_FOUND", () => removeImages(fixture.store, url));
    await fixture.backup("w");
    assert((await liveBlobs(fixture.store)).size > 0);
  }
});

Deno.test("what is no reference by its key is passed over", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a")]]);
  const { url } = await fixture.backup("w");
  const stray = ["refs/backups/note.txt", "refs/backups/a/b/c.json", "refs/snapshots/alice/x.json"];
  for (const key of stray) await fixture.store.putRef(key, new Uint8Array(1));
  // A folder's marker, as S3 browsers make them, which no key of ours can be.
  const store = new Proxy(fixture.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "list") return value.bind(target);
      return async function* (prefix: string) {
        yield { key: prefix, size: 0, modified: 0 };
        yield* target.list(prefix);
      };
    },
  });
  assert((await liveBlobs(store)).size > 0);
  assertEquals((await catalog(store)).map((one) => one.url), [url]);
});

Deno.test("a backup that is removed and collected while the next is referred to does not come back", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a")]]);
  await fixture.publish("v", [["b", file("b")]]);
  const first = await fixture.backup("w");
  let isRemoved = false;
  const store = new Proxy(fixture.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "replaceRef") return value.bind(target);
      return async (...args: Parameters<typeof target.replaceRef>) => {
        if (!isRemoved) {
          isRemoved = true;
          await removeImages(fixture.store, first.url);
          await Deno.remove(fixture.blobPath(first.manifest));
        }
        return await target.replaceRef(...args);
      };
    },
  });
  const { content } = fixture.started;
  const images = new StoredImages({
    content,
    store,
    clock: systemClock,
    retention: { retain: 3, otherLineages: 8 },
  });
  const second = await images.saveBackup({ area: "workspaces", name: "v" }, ALICE, {
    baseline: "v",
  });
  assertEquals((await catalog(fixture.store)).map(({ url }) => url), [second.url]);
  assert((await liveBlobs(fixture.store)).has(second.manifest));
});

Deno.test("removing all backups of an identity leaves others' alone", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a")]]);
  await fixture.backup("w", ALICE);
  await Deno.writeTextFile(join(fixture.pathOf("w"), "a"), "2");
  await fixture.backup("w", ALICE);
  const other = await fixture.backup("w", BOB);
  assertEquals((await removeImages(fixture.store, "wsdaemon:backup/alice/notes")).length, 2);
  assertEquals((await catalog(fixture.store)).map(({ url }) => url), [other.url]);
});

Deno.test("backups that run while blobs are collected stay whole, dead layers being taken up again", async () => {
  await using fixture = await StoreFixture.open({ retain: 1 });
  const path = await fixture.publish("w", []);
  const time = Date.UTC(2026, 0, 1);
  // To and fro between two contents: each backup wants the layer that just died.
  for (let round = 0; round < 8; round++) {
    const content = round % 2 === 0 ? "even".repeat(1000) : "odd".repeat(1000);
    await Deno.writeTextFile(join(path, "file"), content);
    await Deno.utime(join(path, "file"), time, time);
    await Deno.utime(path, time, time);
    await fixture.age(2 * HOUR);
    const [saved] = await Promise.all([fixture.backup("w"), gc(fixture)]);
    const tree = await fixture.started.content.create({ uid: Deno.uid()!, gid: Deno.gid()! });
    await fixture.images.restoreBackup(tree, ALICE, {});
    const restored = join(dirname(path), "../tmp/staging", tree.name, "file");
    assertEquals(await Deno.readTextFile(restored), content, saved.url);
    await fixture.started.content.remove(tree);
  }
});

Deno.test("a second collection is refused while one deletes, and the first is not disturbed", async () => {
  await using fixture = await StoreFixture.open();
  await fixture.publish("w", [["a", file("a")]]);
  await fixture.publish("v", [["b", file("b")]]);
  const dead = await fixture.snapshot("w");
  const live = await fixture.snapshot("v");
  await removeImages(fixture.store, dead.url);
  await fixture.age(2 * HOUR);
  const deleting = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const store = new Proxy(fixture.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "deleteBlob") return value.bind(target);
      return async (...args: unknown[]) => {
        deleting.resolve();
        await goOn.promise;
        return await value.apply(target, args);
      };
    },
  });
  const first = gc(fixture, { store });
  await deleting.promise;
  await assertCode("FAILED_PRECONDITION", () => gc(fixture));
  goOn.resolve();
  assert((await first).deleted.count > 0);
  assertEquals(
    fixture.blobs(),
    [...(await blobSizes(fixture, live.url)).keys()].map((d) => d.slice(7)).toSorted(),
  );
});

Deno.test("a backup that is replaced and collected while references are read is not missed", async () => {
  await using fixture = await StoreFixture.open({ retain: 1 });
  await fixture.publish("w", [["a", file("a")]]);
  const old = await fixture.backup("w");
  const store = new Proxy(fixture.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "getBlobBytes") return value.bind(target);
      return async (...args: unknown[]) => {
        if (args[0] === old.manifest) {
          await Deno.writeTextFile(join(fixture.pathOf("w"), "a"), "new");
          await fixture.backup("w");
          await Deno.remove(fixture.blobPath(old.manifest));
        }
        return await value.apply(target, args);
      };
    },
  });
  assertEquals((await liveBlobs(store)).has(old.manifest), false);
  assertEquals((await liveBlobs(fixture.store)).has(old.manifest), false);
});
