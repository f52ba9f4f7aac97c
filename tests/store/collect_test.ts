import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { type Clock, systemClock } from "../../src/clock.ts";
import { type Digest, digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { liveBlobs } from "../../src/snapshot/references_scan.ts";
import type { ObjectStore } from "../../src/store/object_store.ts";
import { collect, type CollectOptions } from "../../src/store/collect.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { blobKey, LEASE_KEY } from "../../src/store/keys.ts";
import { lastCollection } from "../../src/store/last_collection.ts";
import { ALICE, BOB, StoreFixture } from "../snapshot/fixture.ts";
import { FaultProxy } from "../fixtures/fault_proxy.ts";
import { faultyStore } from "../fixtures/faulty_store.ts";
import { decodeLease, shortName } from "../../src/store/lease.ts";
import { startS3 } from "../fixtures/s3rver.ts";
import { assertCode, collectList } from "./conformance.ts";
import { file } from "../fixtures/tree.ts";
import { openS3Bench } from "./s3_bench.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const GRACE = 24 * HOUR;

/** A clock that moves when told to; sleeping takes no time. */
class ManualClock implements Clock {
  time = Date.parse("2026-01-01T00:00:00Z");
  now(): number {
    return this.time;
  }
  /** What time has passed while the clock was set. */
  hidden = 0;
  monotonic(): number {
    return this.time + this.hidden;
  }
  async sleep(ms: number): Promise<void> {
    this.time += ms;
    await Promise.resolve();
  }
}

interface Fixture extends AsyncDisposable {
  store: ObjectStore;
  clock: ManualClock;
  folder: string;
  put(text: string): Promise<Digest>;
  has(digest: Digest, text: string): Promise<boolean>;
}

async function openFixture(): Promise<Fixture> {
  const root = await Deno.makeTempDir({ prefix: "wsdaemon-gc-" });
  const clock = new ManualClock();
  const store = await FileStore.open({ folder: join(root, "store"), spoolDir: root, clock });
  return {
    store,
    clock,
    folder: join(root, "store"),
    async put(text) {
      const bytes = new TextEncoder().encode(text);
      await store.putBlobBytes(digestOf(bytes), bytes);
      return digestOf(bytes);
    },
    has: (digest, text) => store.hasBlob(digest, text.length, { touch: false }),
    async [Symbol.asyncDispose]() {
      await Deno.remove(root, { recursive: true });
    },
  };
}

/** Tests have little in their stores: what they delete is most of it. */
function options(fixture: Fixture, live: Iterable<Digest>, more: Partial<CollectOptions> = {}) {
  const set = new Set(live);
  const mark = () => Promise.resolve(set);
  return { mark, graceMs: GRACE, clock: fixture.clock, force: true, ...more };
}

Deno.test("collection deletes what is dead and older than the grace, and counts", async () => {
  await using fixture = await openFixture();
  const live = await fixture.put("live");
  const dead = await fixture.put("dead!");
  fixture.clock.time += GRACE + 1;
  const young = await fixture.put("young!!");
  const youngLive = await fixture.put("young and live");
  await Deno.writeFile(join(fixture.folder, "blobs/sha256/notes.txt"), new Uint8Array(5));
  const phases = new Set<string>();
  const onProgress = ({ phase }: { phase: string }) => void phases.add(phase);
  const expected = {
    blobs: { count: 4, bytes: 30 },
    live: { count: 2, bytes: 18 },
    young: { count: 1, bytes: 7 },
    deleted: { count: 1, bytes: 5 },
    spared: { count: 0, bytes: 0 },
    leftovers: { count: 0, bytes: 0 },
    unknown: 1,
    needsForce: false,
  };
  const trial = await collect(fixture.store, options(fixture, [live, youngLive], { dryRun: true }));
  assertEquals(trial, { dryRun: true, ...expected });
  assert(await fixture.has(dead, "dead!"));
  const result = await collect(fixture.store, options(fixture, [live, youngLive], { onProgress }));
  assertEquals(result, { dryRun: false, ...expected });
  assertEquals([...phases], ["list", "mark", "sweep"]);
  assert(await fixture.has(live, "live") && await fixture.has(young, "young!!"));
  assertEquals(await fixture.has(dead, "dead!"), false);
  await assertCode("NOT_FOUND", () => fixture.store.getRef(LEASE_KEY));
});

Deno.test("collection deletes no more in a second than it may, and notes its end in the store", async () => {
  await using fixture = await openFixture();
  const { store, clock } = fixture;
  const live = [await fixture.put("live")];
  for (let n = 0; n < 15; n++) await fixture.put(`dead ${n}`);
  for (let n = 0; n < 15; n++) live.push(await fixture.put(`live ${n}`));
  clock.time += GRACE + 1;
  assertEquals(await lastCollection(store), undefined);
  await collect(store, options(fixture, live, { dryRun: true, deletesPerSecond: 5 }));
  assertEquals(await lastCollection(store), undefined);
  const begun = clock.time;
  const result = await collect(store, options(fixture, live, { deletesPerSecond: 5 }));
  assertEquals(result.deleted.count, 15);
  assert(clock.time - begun >= 2000, `${clock.time - begun}`);
  assertEquals(await lastCollection(store), await store.now());
});

Deno.test("collection deletes neither everything nor most of a store unless told to", async () => {
  const cases: [total: number, dead: number, isLarge: boolean, needsForce: boolean][] = [
    [1, 1, false, true],
    [21, 20, false, false],
    [22, 21, false, true],
    [60, 25, false, false],
    [60, 31, false, true],
    [60, 25, true, true],
  ];
  for (const [total, dead, isLarge, needsForce] of cases) {
    await using fixture = await openFixture();
    const live: Digest[] = [];
    for (let n = 0; n < total; n++) {
      const digest = await fixture.put(`${n} ${n < dead && isLarge ? "x".repeat(1000) : ""}`);
      if (n >= dead) live.push(digest);
    }
    fixture.clock.time += GRACE + 1;
    const careful = options(fixture, live, { force: false });
    const trial = await collect(fixture.store, { ...careful, dryRun: true });
    assertEquals([trial.deleted.count, trial.needsForce], [dead, needsForce], `${dead}/${total}`);
    if (needsForce) {
      const message = `delete ${dead} of ${total} blobs`;
      await assertCode("FAILED_PRECONDITION", () => collect(fixture.store, careful), message);
      assertEquals((await collectList(fixture.store, "blobs/")).size, total);
      await assertCode("NOT_FOUND", () => fixture.store.getRef(LEASE_KEY));
    }
    const { deleted } = await collect(fixture.store, options(fixture, live, { force: needsForce }));
    assertEquals(deleted.count, dead);
  }
});

Deno.test("collection deletes nothing when a reference cannot be read", async () => {
  await using fixture = await openFixture();
  const dead = await fixture.put("dead!");
  fixture.clock.time += GRACE + 1;
  for (const fails of [1, 2]) {
    let marks = 0;
    const mark = () =>
      ++marks === fails
        ? Promise.reject(new DaemonError("DATA_LOSS", "a manifest is malformed"))
        : Promise.resolve(new Set<Digest>());
    await assertCode("DATA_LOSS", () => collect(fixture.store, options(fixture, [], { mark })));
    assert(await fixture.has(dead, "dead!"));
  }
});

Deno.test("collection spares a blob that became live, or was touched, while it ran", async () => {
  await using fixture = await openFixture();
  const [referred, touched, dead] = [
    await fixture.put("a1"),
    await fixture.put("b2"),
    await fixture.put("c3"),
  ];
  fixture.clock.time += GRACE + 1;
  let marks = 0;
  const mark = async () => {
    if (++marks < 2) return new Set<Digest>();
    await fixture.store.hasBlob(touched, 2);
    return new Set([referred]);
  };
  const result = await collect(fixture.store, options(fixture, [], { mark }));
  assertEquals([result.deleted.count, result.spared.count], [1, 2]);
  assert(await fixture.has(referred, "a1") && await fixture.has(touched, "b2"));
  assertEquals(await fixture.has(dead, "c3"), false);
});

Deno.test("collection refuses to run beside another, and follows one that died", async () => {
  await using fixture = await openFixture();
  for (let n = 0; n < 300; n++) await fixture.put(`dead ${n}`);
  fixture.clock.time += GRACE + 1;
  const error = new DaemonError("UNAVAILABLE", "the store is gone");
  const faulty = faultyStore(fixture.store, [{ operation: "deleteBlob", nth: 250, error }]);
  await assertCode("UNAVAILABLE", () => collect(faulty.store, options(fixture, [])));
  faulty.assertAllFired();
  const again = () => collect(fixture.store, options(fixture, []));
  await assertCode("FAILED_PRECONDITION", again, "Another collection");
  fixture.clock.time += HOUR;
  const { deleted, blobs } = await again();
  assert(blobs.count < 60 && blobs.count > 40, `${blobs.count} were left`);
  assertEquals(deleted.count, blobs.count);
});

Deno.test("one of several collections that begin at the same moment deletes, and no other", async () => {
  await using fixture = await openFixture();
  const dead = await fixture.put("dead");
  fixture.clock.time += GRACE + 1;
  const count = 4;
  let marking = 0;
  const allMarked = Promise.withResolvers<void>();
  const deleting = Promise.withResolvers<void>();
  const othersRefused = Promise.withResolvers<void>();
  const collectOnce = () => {
    let marks = 0;
    const mark = async () => {
      // The second reading is the last thing before the lease is asked for.
      if (++marks === 2 && ++marking === count) allMarked.resolve();
      if (marks === 2) await allMarked.promise;
      return new Set<Digest>();
    };
    const store = new Proxy(fixture.store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return name !== "deleteBlob" ? value.bind(target) : async (...args: unknown[]) => {
          deleting.resolve();
          await othersRefused.promise;
          return await value.apply(target, args);
        };
      },
    });
    return collect(store, options(fixture, [], { mark }));
  };
  let refused = 0;
  const outcomes = Array.from(
    { length: count },
    () =>
      collectOnce().then(({ deleted }) => deleted.count, (error) => {
        assertEquals(error.code, "FAILED_PRECONDITION", error.message);
        if (++refused === count - 1) othersRefused.resolve();
        return "refused";
      }),
  );
  await deleting.promise;
  const lease = decodeLease(await fixture.store.getRef(LEASE_KEY));
  assertEquals(lease?.condemned, [shortName(dead)]);
  assertEquals((await Promise.all(outcomes)).toSorted(), [1, "refused", "refused", "refused"]);
});

/** What a clock may do while the store takes three minutes between a call and the deletion. */
const SLOW_DELETIONS: Readonly<Record<string, (clock: ManualClock) => void>> = {
  "as time passes": (clock) => clock.time += 3 * MINUTE,
  "though the clock is set back meanwhile": (clock) => {
    clock.time -= 50 * HOUR;
    clock.hidden += 50 * HOUR + 3 * MINUTE;
  },
  "though the machine was suspended meanwhile": (clock) => {
    clock.time += 3 * MINUTE;
    clock.hidden -= 3 * MINUTE;
  },
};

for (const [how, pass] of Object.entries(SLOW_DELETIONS)) {
  Deno.test(`collection begins no deletion once writers may soon cease to believe its lease, ${how}`, async () => {
    await using fixture = await openFixture();
    await fixture.put("dead");
    fixture.clock.time += GRACE + 1;
    const store = new Proxy(fixture.store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return name !== "deleteBlob" ? value.bind(target) : async (...args: unknown[]) => {
          pass(fixture.clock);
          return await value.apply(target, args);
        };
      },
    });
    const { deleted, spared } = await collect(store, options(fixture, []));
    assertEquals([deleted.count, spared.count], [0, 1]);
    fixture.clock.time += 50 * HOUR;
    const { deleted: rest } = await collect(fixture.store, options(fixture, []));
    assertEquals(rest.count, 1);
  });
}

Deno.test("collection stops when told to", async () => {
  await using fixture = await openFixture();
  const dead = await fixture.put("dead");
  fixture.clock.time += GRACE + 1;
  const stop = new AbortController();
  const mark = () => {
    stop.abort(new DaemonError("ABORTED", "interrupted"));
    return Promise.resolve(new Set<Digest>());
  };
  await assertRejects(() =>
    collect(fixture.store, options(fixture, [], { mark, signal: stop.signal }))
  );
  assert(await fixture.has(dead, "dead"));
});

/**
 * Writers and collections interleaved step by step: a writer puts or reuses blobs, then refers to
 * them; references are dropped; time passes; collections run in between the steps of writers.
 */
Deno.test("collection never takes a blob that a reference needs, nor keeps a dead one for ever", async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("write" as const), blobs: fc.subarray([0, 1, 2, 3, 4]) }),
    fc.record({ do: fc.constant("refer" as const), blobs: fc.constant([]) }),
    fc.record({ do: fc.constant("drop" as const), blobs: fc.constant([]) }),
    fc.record({ do: fc.constant("wait" as const), blobs: fc.constant([]) }),
    fc.record({ do: fc.constant("collect" as const), blobs: fc.subarray([0, 1, 2, 3, 4]) }),
  );
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
    await using fixture = await openFixture();
    const text = (n: number) => `blob ${n}`;
    const digests = [0, 1, 2, 3, 4].map((n) => digestOf(text(n)));
    const references: Digest[][] = [];
    let unreferred: Digest[] = [];
    const write = async (blobs: readonly number[]) => {
      for (const n of blobs) await fixture.put(text(n));
      unreferred = [...unreferred, ...blobs.map((n) => digests[n]!)];
    };
    for (const { do: action, blobs } of steps) {
      if (action === "write") await write(blobs);
      if (action === "refer") references.push(unreferred), unreferred = [];
      if (action === "drop") references.shift();
      // A backup takes less than half the grace: what was written is referred to by then.
      if (action === "wait") {
        references.push(unreferred), unreferred = [];
        fixture.clock.time += GRACE * 0.7;
      }
      if (action === "collect") {
        // The writer works while the references are being read.
        const mark = async () => {
          const live = new Set(references.flat());
          await write(blobs);
          return live;
        };
        await collect(fixture.store, options(fixture, [], { mark }));
      }
      for (const digest of [...references.flat(), ...unreferred]) {
        assert(await fixture.has(digest, text(0)), `${digest} is needed and gone after ${action}`);
      }
    }
    fixture.clock.time += 2 * GRACE;
    const live = new Set(references.flat());
    await collect(fixture.store, options(fixture, live));
    const left = [...(await collectList(fixture.store, "blobs/")).keys()].length;
    assertEquals(left, live.size);
  });
  await fc.assert(property, { numRuns: 40 });
});

Deno.test("collection works on S3, also where the listing lags behind", async () => {
  await using server = await startS3();
  const proxy = new FaultProxy({ hostname: server.host, port: server.port });
  await using bench = await openS3Bench(server, { endpoint: proxy.endpoint });
  const bytes = [1, 2, 3].map((n) => new Uint8Array(1000).fill(n));
  const [live, dead, hidden] = bytes.map((one) => digestOf(one)) as [Digest, Digest, Digest];
  for (const one of bytes) {
    await bench.store.putBlobBytes(digestOf(one), one);
    await bench.age(`blobs/sha256/${digestOf(one).slice(7)}`, 2 * GRACE);
  }
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  const common = {
    graceMs: GRACE,
    clock,
    force: true,
    mark: () => Promise.resolve(new Set([live])),
  };
  proxy.plan({
    fault: { kind: "lag", hide: new RegExp(hidden.slice(7)) },
    on: /^GET .*prefix=.*blobs/,
  });
  const first = await collect(bench.store, common);
  proxy.assertAllFired();
  assertEquals([first.blobs.count, first.deleted.count], [2, 1]);
  assertEquals(await bench.store.hasBlob(dead, 1000), false);
  assertEquals(await bench.store.hasBlob(live, 1000, { touch: false }), true);
  assertEquals((await collect(bench.store, common)).deleted.count, 1);
  assertEquals(await bench.store.hasBlob(hidden, 1000), false);
  await proxy.close();
});

Deno.test("collection refuses a grace in which a blob on S3 may count as fresh and be deleted", async () => {
  await using server = await startS3();
  await using bench = await openS3Bench(server);
  const bytes = new Uint8Array(1000);
  const digest = digestOf(bytes);
  await bench.store.putBlobBytes(digest, bytes);
  await bench.age(blobKey(digest), 7 * HOUR);
  assertEquals(await bench.store.hasBlob(digest, bytes.length), true);
  const mark = () => Promise.resolve(new Set<Digest>());
  const gc = (graceMs: number) =>
    collect(bench.store, { mark, graceMs, clock: systemClock, force: true });
  await assertCode("INVALID_ARGUMENT", () => gc(6 * HOUR), "at least 24h");
  await assertCode("INVALID_ARGUMENT", () => gc(GRACE - 1));
  assertEquals((await gc(GRACE)).young.count, 1);
  assertEquals(await bench.store.hasBlob(digest, bytes.length, { touch: false }), true);
});

Deno.test("an image that two references name stays live when one goes and its manifest fails to be read", async () => {
  for (const code of ["UNAVAILABLE", "DATA_LOSS"] as const) {
    await using fixture = await StoreFixture.open({ retain: 1 });
    const path = join(await fixture.publish("w", [["a", file("a")]]), "a");
    const shared = await fixture.backup("w", ALICE);
    assertEquals((await fixture.snapshot("w", BOB)).manifest, shared.manifest);
    let reads = 0;
    const store = new Proxy(fixture.store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return name !== "getBlobBytes" ? value.bind(target) : async (...args: unknown[]) => {
          if (args[0] !== shared.manifest || reads++ > 0) return await value.apply(target, args);
          await Deno.writeTextFile(path, "new");
          await fixture.backup("w", ALICE);
          throw new DaemonError(code, "the answer was garbled");
        };
      },
    });
    // Not to know what is live is safe: nothing is collected then.
    const live = await liveBlobs(store).catch((error) => {
      assertEquals(error.code, code);
    });
    assert(!live || live.has(shared.manifest), `lost after ${code}`);
    assert(reads > 0);
  }
});
