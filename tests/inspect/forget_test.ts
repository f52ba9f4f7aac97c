import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { type Digest, digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { applyForget, type ForgetPolicy, planForget } from "../../src/inspect/forget.ts";
import { noteImageUse, useKey } from "../../src/snapshot/image_uses.ts";
import { applyKeepPolicy, type KeepPolicy } from "../../src/snapshot/keep_policy.ts";
import { describeImage } from "../../src/snapshot/manifest.ts";
import {
  decodeReference,
  encodeReference,
  type ImageReference,
  readReference,
} from "../../src/snapshot/references.ts";
import { liveBlobs } from "../../src/snapshot/references_scan.ts";
import { backupKey, snapshotKey } from "../../src/snapshot/snapshot_names.ts";
import { collect } from "../../src/store/collect.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { blobKey } from "../../src/store/keys.ts";
import { testFolder } from "../fixtures/folder.ts";

const IDENTITY = { owner: "alice", metaId: "notes" };
const HOUR = 3600_000;
const DAY = 24 * HOUR;
const GRACE = 2 * DAY;
/** By which blobs were stored before what a test does. */
const AGE = 1000 * DAY;
const LINEAGE = { id: "0".repeat(32) };

/** An embedded store that goes by a clock of its own. */
class Shelf implements AsyncDisposable {
  readonly #folder = testFolder();
  #store: FileStore | undefined;
  now = Date.now();
  readonly #clock = {
    now: () => this.now,
    monotonic: () => this.now,
    sleep: () => Promise.resolve(),
  };

  static async open(): Promise<Shelf> {
    const shelf = new Shelf();
    const spoolDir = join(shelf.#folder.path, "spool");
    await Deno.mkdir(spoolDir);
    const folder = join(shelf.#folder.path, "store");
    shelf.#store = await FileStore.open({ folder, spoolDir, clock: shelf.#clock });
    return shelf;
  }

  get store(): FileStore {
    return this.#store!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    this.#folder[Symbol.dispose]();
  }

  /** Sets when an object was stored or touched. */
  async date(key: string, at: number): Promise<void> {
    await Deno.utime(join(this.#folder.path, "store", key), at / 1000, at / 1000);
  }

  /** Stores an image with a layer of its own. */
  async image(name: string, createdAt: number): Promise<ImageReference> {
    const layer = await this.#put(name);
    const described = describeImage({
      layers: [{ ...layer, diffId: layer.digest }],
      lineage: LINEAGE,
    });
    for (const { bytes } of [described.config, described.manifest]) await this.#put(bytes);
    const { digest: manifest } = described.manifest;
    return { manifest, createdAt, contentBytes: 1, files: 1 };
  }

  async #put(content: string | Uint8Array): Promise<{ digest: Digest; size: number }> {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const digest = digestOf(bytes);
    await this.store.putBlobBytes(digest, bytes);
    await this.date(blobKey(digest), this.now - AGE);
    return { digest, size: bytes.length };
  }

  async history(images: readonly ImageReference[], identity = IDENTITY): Promise<void> {
    await this.store.putRef(backupKey(identity), encodeReference(identity, images));
  }

  /** Stores a snapshot. @param storedAt by the store's clock, where the node's said something else */
  async snapshot(n: number, createdAt: number, storedAt = createdAt): Promise<ImageReference> {
    const image = await this.image(`snapshot ${n}`, createdAt);
    const id = `20260101T000000Z-${`${n}`.padStart(16, "0")}`;
    const key = snapshotKey(IDENTITY, id);
    await this.store.putRef(key, encodeReference(IDENTITY, [image]));
    await this.date(key, storedAt);
    return image;
  }

  /** Returns the manifests of the identity's backups. */
  async backups(): Promise<Digest[]> {
    const key = backupKey(IDENTITY);
    const bytes = await readReference(this.store, key);
    return bytes ? decodeReference(key, bytes).images.map(({ manifest }) => manifest) : [];
  }

  async forget(policy: ForgetPolicy, force = false): Promise<string[]> {
    const plan = await planForget(this.store, policy);
    const forgotten: string[] = [];
    const onForgotten = ({ manifest }: { manifest: Digest }) => void forgotten.push(manifest);
    await applyForget(this.store, plan, { policy, force, onForgotten });
    return forgotten;
  }

  async collect(): Promise<void> {
    const { store } = this;
    const clock = this.#clock;
    const mark = (signal?: AbortSignal) => liveBlobs(store, signal);
    await collect(store, { mark, graceMs: GRACE, force: true, clock });
  }
}

const keeping = (keep: KeepPolicy): ForgetPolicy => ({
  backups: [{ retain: 0, otherLineages: 9, keep }],
});

Deno.test("a plan says of each backup whether it stays and why, and changes nothing", async () => {
  await using shelf = await Shelf.open();
  const day = Math.floor(shelf.now / DAY) * DAY;
  const times = [day - 1 * HOUR, day - 2 * HOUR, day - 26 * HOUR];
  const images = [];
  for (const [n, at] of times.entries()) images.push(await shelf.image(`${n}`, at));
  await shelf.history(images);
  const plan = await planForget(shelf.store, keeping({ daily: 2 }));
  assertEquals(plan.images.map(({ isKept, reasons }) => [isKept, reasons]), [
    [true, ["daily"]],
    [false, ["no rule keeps it"]],
    [true, ["daily"]],
  ]);
  assertEquals(plan.needsForce, undefined);
  assertEquals((await shelf.backups()).length, 3);
  assertEquals(await shelf.forget(keeping({ daily: 2 })), [images[1]!.manifest]);
  assertEquals(await shelf.backups(), [images[0]!.manifest, images[2]!.manifest]);
});

Deno.test("a policy that keeps nothing is refused without force, and leaves nothing with it", async () => {
  await using shelf = await Shelf.open();
  await shelf.history([await shelf.image("one", shelf.now - HOUR)]);
  const policy = keeping({ last: 0, daily: 0 });
  const error = await assertRejects(() => shelf.forget(policy), DaemonError, "no backup at all");
  assertEquals(error.code, "FAILED_PRECONDITION");
  assertEquals((await shelf.backups()).length, 1);
  assertEquals((await shelf.forget(policy, true)).length, 1);
  assertEquals(await shelf.backups(), []);
});

Deno.test("what one of several daemons' policies keeps stays", async () => {
  await using shelf = await Shelf.open();
  const images = [];
  for (const n of [1, 2, 3]) images.push(await shelf.image(`${n}`, shelf.now - n * HOUR));
  await shelf.history(images);
  const [own, other] = [{ retain: 1, otherLineages: 0 }, { retain: 2, otherLineages: 0 }];
  assertEquals(await shelf.forget({ backups: [own, other] }), [images[2]!.manifest]);
});

Deno.test("a snapshot is let go by its age once no workspace uses it, and what pins it is said", async () => {
  await using shelf = await Shelf.open();
  const { store, now } = shelf;
  const young = await shelf.snapshot(1, now - 10 * DAY);
  const pinned = await shelf.snapshot(2, now - 100 * DAY);
  const stale = await shelf.snapshot(3, now - 100 * DAY);
  const unused = await shelf.snapshot(4, now - 100 * DAY);
  for (const image of [pinned, stale]) await noteImageUse(store, image.manifest, "w1");
  await shelf.date(useKey(stale.manifest), now - 40 * DAY);
  const policy = { snapshotTtl: 30 * DAY };
  const plan = await planForget(store, policy);
  const reasons = new Map(plan.images.map((image) => [image.manifest, image.reasons.join()]));
  assertEquals(reasons.get(young.manifest), "within the ttl");
  assert(reasons.get(pinned.manifest)!.startsWith("used by workspace w1 until "));
  const forgotten = await shelf.forget(policy);
  assertEquals(new Set(forgotten), new Set([stale.manifest, unused.manifest]));
  // What the pin is let go with, too.
  shelf.now += 31 * DAY;
  await assertRejects(() => shelf.forget(policy), DaemonError, "all 2 snapshots");
  assertEquals((await shelf.forget(policy, true)).length, 2);
});

Deno.test("a snapshot that a workspace is started from while a plan is made stays", async () => {
  await using shelf = await Shelf.open();
  const { store, now } = shelf;
  const used = await shelf.snapshot(1, now - 100 * DAY);
  const unused = await shelf.snapshot(2, now - 100 * DAY);
  await shelf.snapshot(3, now);
  const policy = { snapshotTtl: 30 * DAY };
  const plan = await planForget(store, policy);
  await noteImageUse(store, used.manifest, "w1");
  const forgotten: Digest[] = [];
  const onForgotten = ({ manifest }: { manifest: Digest }) => void forgotten.push(manifest);
  await applyForget(store, plan, { policy, onForgotten });
  assertEquals(forgotten, [unused.manifest]);
});

Deno.test("a snapshot of a node whose clock was years behind is as old as the store says", async () => {
  await using shelf = await Shelf.open();
  const { now } = shelf;
  const young = await shelf.snapshot(1, 0, now - DAY);
  const old = await shelf.snapshot(2, 0, now - 40 * DAY);
  assertEquals(await shelf.forget({ snapshotTtl: 30 * DAY }), [old.manifest]);
  assert((await liveBlobs(shelf.store)).has(young.manifest));
});

Deno.test("a reference that cannot be read is told, and left alone", async () => {
  await using shelf = await Shelf.open();
  await shelf.store.putRef(backupKey(IDENTITY), new TextEncoder().encode("{}"));
  const plan = await planForget(shelf.store, keeping({ last: 1 }));
  assertEquals([plan.images.length, plan.unreadable.length], [0, 1]);
  assertEquals(await shelf.forget(keeping({ last: 1 })), []);
  assert(await readReference(shelf.store, backupKey(IDENTITY)));
});

const count = fc.option(fc.nat(3), { nil: undefined });
const span = fc.record({
  years: fc.constant(0),
  months: fc.nat(1),
  days: fc.nat(9),
  hours: fc.nat(30),
});
const policies = fc.record({
  last: fc.integer({ min: 1, max: 3 }),
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  within: fc.option(span, { nil: undefined }),
});
const gaps = fc.array(fc.oneof(fc.nat(3 * HOUR), fc.nat(9 * DAY), fc.nat(40 * DAY)), {
  minLength: 1,
  maxLength: 8,
});

Deno.test("nothing that a policy keeps is ever lost, and nothing that it drops outlives the grace", async () => {
  await using shelf = await Shelf.open();
  let round = 0;
  await fc.assert(
    fc.asyncProperty(gaps, policies, async (between, keep) => {
      round++;
      let at = shelf.now;
      const images: ImageReference[] = [];
      for (const gap of between) {
        at -= gap + 1;
        images.push(await shelf.image(`${round}/${images.length}`, at));
      }
      await shelf.history(images);
      const wanted = [...applyKeepPolicy(images, keep, shelf.now).keys()]
        .map(({ manifest }) => manifest);
      await shelf.forget(keeping(keep));
      await shelf.collect();
      assertEquals(await shelf.backups(), wanted);
      for (const [n, { manifest }] of images.entries()) {
        const layer = digestOf(`${round}/${n}`);
        const size = `${round}/${n}`.length;
        const hasLayer = await shelf.store.hasBlob(layer, size, { touch: false });
        assertEquals(hasLayer, wanted.includes(manifest), `${n}`);
      }
    }),
    { numRuns: 25 },
  );
});
