import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type Digest, sha256Digest } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { readImage } from "../../src/snapshot/images.ts";
import { backupKey } from "../../src/snapshot/names.ts";
import { removeImages } from "../../src/snapshot/catalog.ts";
import { verifyImages, type VerifyProgress } from "../../src/snapshot/verify.ts";
import { file } from "../support/tree.ts";
import { BOB, StoreRig } from "./rig.ts";

/** Two snapshots and a backup; the first snapshot's layer with `shared` is in all of them. */
async function openRig() {
  const rig = await StoreRig.open();
  await rig.publish("w", [["shared", file("s".repeat(100_000))]]);
  await rig.settle();
  const first = await rig.snapshot("w");
  await Deno.writeTextFile(join(rig.pathOf("w"), "more"), "m");
  const second = await rig.snapshot("w");
  const backup = await rig.backup("w", BOB);
  const { layers, index } = await readImage(rig.store, first.manifest);
  const { config } = JSON.parse(await Deno.readTextFile(rig.blobPath(first.manifest)));
  return {
    rig,
    urls: { first: first.url, second: second.url, backup: backup.url },
    blobs: {
      shared: layers[0]!.digest,
      tail: layers.at(-1)!.digest,
      index: index!.digest,
      config: config.digest,
      manifest: first.manifest,
    },
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
    },
  };
}

Deno.test("verification reads every blob once and finds a sound store sound", async () => {
  await using test = await openRig();
  const { rig } = test;
  const progress: VerifyProgress[] = [];
  const result = await verifyImages(rig.source, { onProgress: (done) => progress.push(done) });
  const bytes = rig.blobs().reduce(
    (sum, hex) => sum + Deno.statSync(rig.blobPath(sha256Digest(hex))).size,
    0,
  );
  assertEquals(result, {
    images: 3,
    blobs: rig.blobs().length,
    bytes,
    damage: [],
    quarantined: [],
  });
  const last = progress.at(-1)!;
  assertEquals([last.blobs, last.bytes], [last.ofBlobs, last.ofBytes]);
  assert(progress.every(({ bytes }, n) => n === 0 || bytes >= progress[n - 1]!.bytes));
});

const HARM = {
  damaged: (rig: StoreRig, digest: Digest) => rig.damage(digest),
  missing: (rig: StoreRig, digest: Digest) => Deno.remove(rig.blobPath(digest)),
  truncated: (rig: StoreRig, digest: Digest) => Deno.truncate(rig.blobPath(digest), 10),
};

Deno.test("verification names blobs that are harmed, and every image that needs them", async (t) => {
  await using test = await openRig();
  const { rig, urls, blobs } = test;
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
        const bytes = await Deno.readFile(rig.blobPath(digest));
        await inflict(rig, digest);
        const { damage } = await verifyImages(rig.source);
        await Deno.writeFile(rig.blobPath(digest), bytes);
        assertEquals(damage.map(({ what }) => what), [digest]);
        assertEquals(damage[0]!.images.toSorted(), images.toSorted());
        assert(damage[0]!.problem.length > 10, damage[0]!.problem);
      });
    }
  }
});

Deno.test("verification names a reference that is malformed", async () => {
  await using test = await openRig();
  const { rig } = test;
  const reference = join(rig.started.rooms.blobs, backupKey(BOB));
  for (const text of ["", "null", '{"version":1,"owner":"bob","metaId":"site","images":[]}']) {
    await Deno.writeTextFile(reference, text);
    const { damage, images } = await verifyImages(rig.source);
    assertEquals(damage.map(({ what, images }) => [what, images]), [[backupKey(BOB), []]], text);
    assertEquals(images, 2);
  }
});

Deno.test("a damaged blob is stored again by the next backup once verification has quarantined it", async () => {
  await using test = await openRig();
  const { rig, blobs } = test;
  await rig.damage(blobs.shared);
  await rig.backup("w", BOB);
  assertEquals((await verifyImages(rig.source)).quarantined, []);
  const { damage, quarantined } = await verifyImages(rig.source, { quarantine: true });
  assertEquals([damage.length, quarantined], [1, [blobs.shared]]);
  assertEquals((await verifyImages(rig.source, { quarantine: true })).quarantined, []);
  const { url } = await rig.backup("w", BOB);
  assertEquals((await verifyImages(rig.source, { urls: [url] })).damage, []);
});

Deno.test("verification of some images reads no other's blobs", async () => {
  await using test = await openRig();
  const { rig, urls, blobs } = test;
  await rig.damage(blobs.tail);
  assertEquals((await verifyImages(rig.source, { urls: [urls.second] })).damage, []);
  const both = await verifyImages(rig.source, {
    urls: [urls.first, "wsdaemon:backup/bob/site", urls.first],
  });
  assertEquals([both.images, both.damage.map(({ what }) => what)], [2, [blobs.tail]]);
  const missing = () => verifyImages(rig.source, { urls: ["wsdaemon:backup/no/body"] });
  assertEquals((await assertRejects(missing, DaemonError)).code, "NOT_FOUND");
});

Deno.test("verification does not report images that are removed while it reads", async () => {
  await using test = await openRig();
  const { rig, urls, blobs } = test;
  let isRemoved = false;
  const result = await verifyImages({
    ...rig.source,
    store: new Proxy(rig.store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "holdBlob") return value.bind(target);
        return async (...args: unknown[]) => {
          if (!isRemoved) {
            isRemoved = true;
            await removeImages(rig.store, urls.first);
            await Deno.remove(rig.blobPath(blobs.tail));
          }
          return await value.apply(target, args);
        };
      },
    }),
  });
  assertEquals([isRemoved, result.damage], [true, []]);
});

Deno.test("verification stops where the store cannot be asked, and when it is aborted", async () => {
  await using test = await openRig();
  const { rig } = test;
  const stop = new AbortController();
  stop.abort(new DaemonError("ABORTED", "stopped"));
  const aborted = () => verifyImages(rig.source, { signal: stop.signal });
  assertEquals((await assertRejects(aborted, DaemonError)).code, "ABORTED");
  await Deno.rename(rig.started.rooms.blobs, join(rig.root, "elsewhere"));
  await Deno.mkdir(rig.started.rooms.blobs);
  const gone = () => verifyImages(rig.source, { urls: ["wsdaemon:backup/bob/site"] });
  assertEquals((await assertRejects(gone, DaemonError)).code, "UNAVAILABLE");
});
