import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type Digest, sha256Digest } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { backupKey } from "../../src/snapshot/snapshot_names.ts";
import { removeImages } from "../../src/inspect/catalog.ts";
import { verifyImages, type VerifyProgress } from "../../src/inspect/verify.ts";
import { file } from "../fixtures/tree.ts";
import { BOB, StoreFixture } from "../snapshot/fixture.ts";

/** Two snapshots and a backup; the first snapshot's layer with `shared` is in all of them. */
async function openFixture() {
  const fixture = await StoreFixture.open();
  await fixture.publish("w", [["shared", file("s".repeat(100_000))]]);
  await fixture.settle();
  const first = await fixture.snapshot("w");
  await Deno.writeTextFile(join(fixture.pathOf("w"), "more"), "m");
  const second = await fixture.snapshot("w");
  const backup = await fixture.backup("w", BOB);
  const { layers, index } = await readImage(fixture.store, first.manifest);
  const { config } = JSON.parse(await Deno.readTextFile(fixture.blobPath(first.manifest)));
  return {
    fixture,
    urls: { first: first.url, second: second.url, backup: backup.url },
    blobs: {
      shared: layers[0]!.digest,
      tail: layers.at(-1)!.digest,
      index: index!.digest,
      config: config.digest,
      manifest: first.manifest,
    },
    async [Symbol.asyncDispose]() {
      await fixture[Symbol.asyncDispose]();
    },
  };
}

Deno.test("verification reads every blob once and finds a sound store sound", async () => {
  await using test = await openFixture();
  const { fixture } = test;
  const progress: VerifyProgress[] = [];
  const result = await verifyImages(fixture.source, { onProgress: (done) => progress.push(done) });
  const bytes = fixture.blobs().reduce(
    (sum, hex) => sum + Deno.statSync(fixture.blobPath(sha256Digest(hex))).size,
    0,
  );
  assertEquals(result, {
    images: 3,
    blobs: fixture.blobs().length,
    bytes,
    damage: [],
    quarantined: [],
  });
  const last = progress.at(-1)!;
  assertEquals([last.blobs, last.bytes], [last.ofBlobs, last.ofBytes]);
  assert(progress.every(({ bytes }, n) => n === 0 || bytes >= progress[n - 1]!.bytes));
});

const HARM = {
  damaged: (fixture: StoreFixture, digest: Digest) => fixture.damage(digest),
  missing: (fixture: StoreFixture, digest: Digest) => Deno.remove(fixture.blobPath(digest)),
  truncated: (fixture: StoreFixture, digest: Digest) => Deno.truncate(fixture.blobPath(digest), 10),
};

Deno.test("verification names blobs that are harmed, and every image that needs them", async (t) => {
  await using test = await openFixture();
  const { fixture, urls, blobs } = test;
  const needs = {
    shared: [urls.first, urls.second, urls.backup],
    tail: [urls.first],
    index: [urls.first],
    config: [urls.first],
    manifest: [urls.first],
  };
  for (const [harm, inflict] of Object.entries(HARM)) {
    for (const [name, images] of Object.entries(needs)) {
      await t.step(`${name} ${harm}`, async () => {
        const digest = blobs[name as keyof typeof blobs];
        const bytes = await Deno.readFile(fixture.blobPath(digest));
        await inflict(fixture, digest);
        const { damage } = await verifyImages(fixture.source);
        await Deno.writeFile(fixture.blobPath(digest), bytes);
        assertEquals(damage.map(({ what }) => what), [digest]);
        assertEquals(damage[0]!.images.toSorted(), images.toSorted());
        assert(damage[0]!.problem.length > 10, damage[0]!.problem);
      });
    }
  }
});

Deno.test("verification names a reference that is malformed", async () => {
  await using test = await openFixture();
  const { fixture } = test;
  const reference = join(fixture.started.areas.blobs, backupKey(BOB));
  for (const text of ["", "null", '{"version":1,"owner":"bob","metaId":"site","images":[]}']) {
    await Deno.writeTextFile(reference, text);
    const { damage, images } = await verifyImages(fixture.source);
    assertEquals(damage.map(({ what, images }) => [what, images]), [[backupKey(BOB), []]], text);
    assertEquals(images, 2);
  }
});

Deno.test("a damaged blob is stored again by the next backup once verification has quarantined it", async () => {
  await using test = await openFixture();
  const { fixture, blobs } = test;
  await fixture.damage(blobs.shared);
  await fixture.backup("w", BOB);
  assertEquals((await verifyImages(fixture.source)).quarantined, []);
  const { damage, quarantined } = await verifyImages(fixture.source, { quarantine: true });
  assertEquals([damage.length, quarantined], [1, [blobs.shared]]);
  assertEquals((await verifyImages(fixture.source, { quarantine: true })).quarantined, []);
  const { url } = await fixture.backup("w", BOB);
  assertEquals((await verifyImages(fixture.source, { urls: [url] })).damage, []);
});

Deno.test("verification of some images reads no other's blobs", async () => {
  await using test = await openFixture();
  const { fixture, urls, blobs } = test;
  await fixture.damage(blobs.tail);
  assertEquals((await verifyImages(fixture.source, { urls: [urls.second] })).damage, []);
  const both = await verifyImages(fixture.source, {
    urls: [urls.first, "wsdaemon:backup/bob/site", urls.first],
  });
  assertEquals([both.images, both.damage.map(({ what }) => what)], [2, [blobs.tail]]);
  const missing = () => verifyImages(fixture.source, { urls: ["wsdaemon:backup/no/body"] });
  assertEquals((await assertRejects(missing, DaemonError)).code, "NOT_FOUND");
});

Deno.test("verification does not report images that are removed while it reads", async () => {
  await using test = await openFixture();
  const { fixture, urls, blobs } = test;
  let isRemoved = false;
  const result = await verifyImages({
    ...fixture.source,
    store: new Proxy(fixture.store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "acquireBlob") return value.bind(target);
        return async (...args: unknown[]) => {
          if (!isRemoved) {
            isRemoved = true;
            await removeImages(fixture.store, urls.first);
            await Deno.remove(fixture.blobPath(blobs.tail));
          }
          return await value.apply(target, args);
        };
      },
    }),
  });
  assertEquals([isRemoved, result.damage], [true, []]);
});

Deno.test("verification stops where the store cannot be asked, and when it is aborted", async () => {
  await using test = await openFixture();
  const { fixture } = test;
  const stop = new AbortController();
  stop.abort(new DaemonError("ABORTED", "stopped"));
  const aborted = () => verifyImages(fixture.source, { signal: stop.signal });
  assertEquals((await assertRejects(aborted, DaemonError)).code, "ABORTED");
  await Deno.rename(fixture.started.areas.blobs, join(fixture.root, "elsewhere"));
  await Deno.mkdir(fixture.started.areas.blobs);
  const gone = () => verifyImages(fixture.source, { urls: ["wsdaemon:backup/bob/site"] });
  assertEquals((await assertRejects(gone, DaemonError)).code, "UNAVAILABLE");
});
