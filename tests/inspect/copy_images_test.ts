import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { DaemonError } from "../../src/errors.ts";
import { copyImages, type CopyOptions } from "../../src/inspect/copy_images.ts";
import { verifyImages } from "../../src/inspect/verify.ts";
import { encodeReference } from "../../src/snapshot/references.ts";
import type { SavedImage } from "../../src/snapshot/images.ts";
import { liveBlobs, references } from "../../src/snapshot/references_scan.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { collect } from "../../src/store/collect.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import type { ObjectStore } from "../../src/store/object_store.ts";
import { faultyStore, type StoreOperation } from "../fixtures/faulty_store.ts";
import { directory, file } from "../fixtures/tree.ts";
import { ALICE, BOB, StoreFixture } from "../snapshot/fixture.ts";

/** A second store beside a fixture's. */
async function targetOf(fixture: StoreFixture, name = "target"): Promise<FileStore> {
  const folder = join(fixture.root, name);
  const spoolDir = fixture.started.areas.spool;
  return await FileStore.open({ folder, spoolDir, clock: systemClock });
}

function copy(fixture: StoreFixture, to: ObjectStore, options: CopyOptions = {}) {
  const spoolDir = fixture.started.areas.spool;
  return copyImages({ from: fixture.source, to, spoolDir, clock: systemClock }, options);
}

/** All references of a store, by key, as they are stored. */
async function all(store: ObjectStore): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key } of references(store)) {
    found.set(key, new TextDecoder().decode(await store.getRef(key)));
  }
  return found;
}

/** Saves two backups and a snapshot of one identity, and a backup of another's. */
async function fill(fixture: StoreFixture) {
  const path = await fixture.publish("w", [["one", file("one")], ["two", file("two")]]);
  const first = await fixture.backup("w");
  await Deno.writeTextFile(join(path, "three"), "three");
  const second = await fixture.backup("w");
  const snapshot = await fixture.snapshot("w");
  const other = await fixture.backup("w", BOB);
  return { path, first, second, snapshot, other };
}

Deno.test("a copy has every reference, history and digest of the source, and a second one sends nothing", async () => {
  await using fixture = await StoreFixture.open();
  const { first, second, snapshot } = await fill(fixture);
  const target = await targetOf(fixture);

  const only = await copy(fixture, target, { only: [{ owner: "alice", metaId: "notes" }] });
  assertEquals(only.copied.toSorted(), [first.url, second.url, snapshot.url].toSorted());
  assertEquals([only.identities, only.failures, only.present], [1, [], 0]);

  const rest = await copy(fixture, target, { only: [{ owner: "alice" }, { owner: "bob" }] });
  assertEquals([rest.copied.length, rest.present, rest.newer, rest.older], [1, 3, [], []]);
  assertEquals([rest.blobs, rest.bytes], [0, 0], "all of bob's content is alice's, too");
  assertEquals(await all(target), await all(fixture.store));
  assertEquals(await liveBlobs(target), await liveBlobs(fixture.store));
  assertEquals([...Deno.readDirSync(fixture.started.areas.spool)], []);

  const nobody = { only: [{ owner: "carol" }] };
  const error = await assertRejects(() => copy(fixture, target, nobody), DaemonError, "carol");
  assertEquals(error.code, "NOT_FOUND");
});

Deno.test("a copy carries every blob of a store without leftovers, chunks of large files too", async () => {
  await using fixture = await StoreFixture.open({ retain: 9, chunkMinBytes: 1 << 20 });
  const path = await fixture.publish("w", [["src", directory()]]);
  const many = new Uint8Array(3 << 20).map((_, n) => (n * n) >> 7);
  await Deno.writeFile(join(path, "large"), many);
  await fixture.backup("w");
  for (const n of [1, 2, 3]) {
    await fixture.settle();
    await Deno.writeTextFile(join(path, "src", `f${n}`), `${n}`);
    await fixture.backup("w");
  }
  const reference = (await Array.fromAsync(references(fixture.store)))[0]!;
  const images = await Promise.all(
    reference.images.map(({ manifest }) => readImage(fixture.store, manifest)),
  );
  assert(images.every(({ isNative }) => isNative), "the large file is chunks");
  const target = await targetOf(fixture);
  assertEquals((await copy(fixture, target)).failures, []);
  // All that the store has, whatever a list of an image's blobs may say.
  const blobs = [...Deno.readDirSync(join(fixture.root, "target", "blobs/sha256"))];
  assertEquals(blobs.map(({ name }) => name).toSorted(), fixture.blobs());
  assertEquals(await all(target), await all(fixture.store));
});

Deno.test("a copy that ends at a call to the target leaves nothing half there, and the next one completes it", async () => {
  await using fixture = await StoreFixture.open();
  const path = await fixture.publish("w", [["one", file("one")], ["two", file("two")]]);
  await fixture.backup("w");
  await Deno.writeTextFile(join(path, "three"), "three");
  await fixture.snapshot("w");
  const steps: [StoreOperation, boolean, number[]][] = [
    ["hasBlob", false, [5]],
    ["putBlob", false, [3]],
    ["putBlob", true, [1]],
    ["replaceRef", false, [2]],
    ["replaceRef", true, [1, 2]],
  ];
  for (const [operation, afterwards, calls] of steps) {
    for (const nth of calls) {
      const name = `${operation}-${afterwards}-${nth}`;
      const target = await targetOf(fixture, name);
      const faulty = faultyStore(target, [{ operation, nth, afterwards }]);
      await assertRejects(() => copy(fixture, faulty.store), DaemonError, "Planned fault", name);
      faulty.assertAllFired();
      // Whatever shows is whole.
      await liveBlobs(target);
      assertEquals((await copy(fixture, target)).failures, []);
      assertEquals(await all(target), await all(fixture.store), name);
    }
  }
});

Deno.test("a damaged image is named, and what is whole is copied all the same", async () => {
  await using fixture = await StoreFixture.open();
  const { first, second, snapshot, other, path } = await fill(fixture);
  await Deno.writeTextFile(join(path, "four"), "four");
  const third = await fixture.backup("w");
  const layersOf = async ({ manifest }: SavedImage) =>
    (await readImage(fixture.store, manifest)).layers.map(({ digest }) => digest);
  const kept = new Set((await Promise.all([first, second, snapshot, other].map(layersOf))).flat());
  const own = (await layersOf(third)).find((digest) => !kept.has(digest))!;
  await fixture.damage(own);
  const target = await targetOf(fixture);

  const result = await copy(fixture, target);
  assertEquals(result.failures.map(({ what }) => what), [third.url]);
  assertStringIncludes(result.failures[0]!.problem, own);
  const whole = [first, second, snapshot, other].map(({ url }) => url);
  assertEquals(result.copied.toSorted(), whole.toSorted());
  const verified = await verifyImages({
    store: target,
    check: async ({ digest, size }) => {
      assert(await target.hasBlob(digest, size));
    },
  });
  assertEquals(verified.damage, []);
});

Deno.test("what the target has of its own stays, a newer backup as the latest", async () => {
  await using fixture = await StoreFixture.open({ retain: 9 });
  const { second } = await fill(fixture);
  const target = await targetOf(fixture);
  await copy(fixture, target);

  // Another store goes on from here: its backup is newer than all of the first one.
  await using elsewhere = await StoreFixture.open({ retain: 9 });
  const { spool } = elsewhere.started.areas;
  const beside = await FileStore.open({
    folder: join(fixture.root, "target"),
    spoolDir: spool,
    clock: systemClock,
  });
  await elsewhere.publish("v", [["elsewhere", file("elsewhere")]]);
  const own = await elsewhere.backup("v");
  assertEquals((await copy(elsewhere, beside)).older, [second.url]);

  await copy(fixture, target, { only: [{ owner: "bob" }] });
  const again = await copy(fixture, target, { only: [ALICE] });
  assertEquals([again.copied, again.newer], [[], [own.url]]);
  const { images } = (await Array.fromAsync(references(target)))
    .find(({ key }) => key === "refs/backups/alice/notes.json")!;
  assertEquals(images.map(({ manifest }) => manifest).slice(0, 2), [own.manifest, second.manifest]);
  assertEquals(images.length, 3);
});

Deno.test("a snapshot's name that the target has for another image is a conflict, and stays", async () => {
  await using fixture = await StoreFixture.open();
  const { first, snapshot } = await fill(fixture);
  const target = await targetOf(fixture);
  await copy(fixture, target);
  const key = [...(await all(target)).keys()].find((key) => key.startsWith("refs/snapshots/"))!;
  const reference = JSON.parse(new TextDecoder().decode(await target.getRef(key)));
  const foreign = encodeReference(ALICE, [{ ...reference.images[0], manifest: first.manifest }]);
  await target.putRef(key, foreign);

  const { failures } = await copy(fixture, target);
  assertEquals(failures.map(({ what }) => what), [key]);
  assertStringIncludes(failures[0]!.problem, snapshot.url);
  assertEquals(await target.getRef(key), foreign);
});

Deno.test("a collection of the target leaves alone what a copy has brought and not referred to yet", async () => {
  await using fixture = await StoreFixture.open();
  await fill(fixture);
  const target = await targetOf(fixture);
  const gc = async () => {
    const mark = (signal?: AbortSignal) => liveBlobs(target, signal);
    return await collect(target, { mark, graceMs: 3600_000, clock: systemClock, force: true });
  };
  // Before each reference is written.
  const collecting = new Proxy<ObjectStore>(target, {
    get(store, name) {
      const value: unknown = Reflect.get(store, name, store);
      if (typeof value !== "function") return value;
      if (name !== "replaceRef") return value.bind(store);
      return async (...args: unknown[]) => {
        await gc();
        return await value.apply(store, args);
      };
    },
  });
  assertEquals((await copy(fixture, collecting)).failures, []);
  await gc();
  assertEquals(await liveBlobs(target), await liveBlobs(fixture.store));
});
