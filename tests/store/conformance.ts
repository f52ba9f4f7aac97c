/** What every kind of store promises; each implementation runs all of it. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type Digest, digestOf } from "../../src/digest.ts";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import type { SpooledBlob } from "../../src/spool.ts";
import type { ObjectInfo, ObjectStore } from "../../src/store/object_store.ts";
import { blobKey, LEASE_KEY } from "../../src/store/keys.ts";
import { encodeLease, shortName } from "../../src/store/lease.ts";

/** A store under test, and the ways to reach behind its back. */
export interface Bench extends AsyncDisposable {
  store: ObjectStore;
  spoolDir: string;
  /** The folder of the area `blobs`. */
  blobsDir: string;
  /** Another client of the same store, as another daemon would be. */
  second(): Promise<ObjectStore>;
  /**
   * The store, as a client finds it when something else is in its place: an empty folder where the
   * file system was, a page where the server was.
   */
  displaced(): Promise<ObjectStore>;
  /** Replaces a stored object's bytes, or removes it, without telling the store. */
  tamper(key: string, bytes: Uint8Array | undefined): Promise<void>;
  /** Makes a stored object look as if it had been stored that long ago. */
  age(key: string, ms: number): Promise<void>;
  /** Puts a plain archive as other tools would. */
  plantArchive(object: string, bucket: string, bytes: Uint8Array): Promise<void>;
  /**
   * Whether the server behind it replaces an object in one step and stamps a copy anew; s3rver does
   * neither, and the promises that rest on it cannot be asked of it.
   */
  faithful: boolean;
  /** A bucket that archives may come from. */
  archiveBucket: string;
}

const HOUR = 3600_000;
let serial = 0;

/** Bytes that no other test stores. */
export function freshBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return bytes;
}

/** Puts bytes in the spool, as a content Worker would. */
export async function spool(spoolDir: string, bytes: Uint8Array): Promise<SpooledBlob> {
  const path = `layer-${serial++}`;
  await Deno.writeFile(join(spoolDir, path), bytes);
  return { digest: digestOf(bytes), size: bytes.length, file: { area: "spool", path } };
}

/** The failure's code is part of every promise. */
export async function assertCode(
  code: ErrorCode,
  work: () => Promise<unknown>,
  message = "",
): Promise<DaemonError> {
  const error = await assertRejects(work, DaemonError, message);
  assertEquals(error.code, code, error.message);
  return error;
}

export async function collectList(
  store: ObjectStore,
  prefix: string,
): Promise<Map<string, ObjectInfo>> {
  const found = new Map<string, ObjectInfo>();
  for await (const info of store.list(prefix)) found.set(info.key, info);
  return found;
}

async function spoolNames(bench: Bench): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(bench.spoolDir)) names.push(name);
  return names;
}

async function readHeld(bench: Bench, digest: Digest, size: number): Promise<Uint8Array> {
  const held = await bench.store.acquireBlob(digest, size);
  try {
    const area = held.area === "spool" ? bench.spoolDir : bench.blobsDir;
    return await Deno.readFile(join(area, held.path));
  } finally {
    await held.release();
  }
}

type Case = [name: string, run: (bench: Bench) => Promise<void>];

const cases: Case[] = [
  ["is reachable when probed, empty and with references", async (bench) => {
    await bench.store.probe();
    for (const name of ["a", "b"]) {
      await bench.store.putRef(`refs/backups/probed/${name}.json`, freshBytes(10));
    }
    await bench.store.probe();
  }],

  ["stores a spooled blob once, consumes the spool file and gives it back", async (bench) => {
    const bytes = freshBytes(200_000);
    const blob = await spool(bench.spoolDir, bytes);
    assertEquals(await bench.store.putBlob(blob), true);
    const again = await spool(bench.spoolDir, bytes);
    assertEquals(await bench.store.putBlob(again), false);
    assertEquals(await spoolNames(bench), []);
    assertEquals(await readHeld(bench, blob.digest, blob.size), bytes);
    assertEquals(await spoolNames(bench), []);
  }],

  ["stores an empty blob", async (bench) => {
    const blob = await spool(bench.spoolDir, new Uint8Array());
    await bench.store.putBlob(blob);
    assertEquals(await bench.store.hasBlob(blob.digest, 0), true);
    assertEquals((await readHeld(bench, blob.digest, 0)).length, 0);
  }],

  ["refuses a spooled blob whose size is not what was announced", async (bench) => {
    const blob = await spool(bench.spoolDir, freshBytes(100));
    await assertCode("DATA_LOSS", () => bench.store.putBlob({ ...blob, size: 101 }));
    assertEquals(await bench.store.hasBlob(blob.digest, 100), false);
    await assertCode("INTERNAL", () =>
      bench.store.putBlob({
        ...blob,
        file: { area: "spool", path: "../outside" },
      }));
    await Deno.remove(join(bench.spoolDir, blob.file.path));
    await assertCode("INTERNAL", () => bench.store.putBlob(blob), "is not there");
  }],

  ["keeps small blobs and checks their digest and size when read", async (bench) => {
    const bytes = freshBytes(1000);
    const digest = digestOf(bytes);
    await assertCode("NOT_FOUND", () => bench.store.getBlobBytes(digest, 1000));
    assertEquals(await bench.store.putBlobBytes(digest, bytes), true);
    assertEquals(await bench.store.putBlobBytes(digest, bytes), false);
    assertEquals(await bench.store.getBlobBytes(digest, 1000), bytes);
    await assertCode("DATA_LOSS", () => bench.store.getBlobBytes(digest, 999), "999");
    await bench.tamper(blobKey(digest), freshBytes(1000));
    await assertCode("DATA_LOSS", () => bench.store.getBlobBytes(digest, 1000), "digest");
  }],

  ["reads any part of a blob, and tells one that is missing or has another size", async (bench) => {
    const bytes = freshBytes(100_000);
    const digest = digestOf(bytes);
    const read = (start: number, end: number, size = bytes.length) =>
      bench.store.getBlobRange(digest, size, { start, end });
    await assertCode("NOT_FOUND", () => read(0, 10));
    await bench.store.putBlobBytes(digest, bytes);
    for (const [start, end] of [[0, 10], [99_990, 100_000], [5, 70_000], [7, 7], [0, 100_000]]) {
      assertEquals(await read(start!, end!), bytes.slice(start, end), `${start} to ${end}`);
    }
    await assertCode("DATA_LOSS", () => read(0, 10, 99_999), "99999");
    await bench.tamper(blobKey(digest), bytes.slice(0, 50));
    await assertCode("DATA_LOSS", () => read(40, 60));
    await assertCode("DATA_LOSS", () => read(60, 70));
  }],

  ["says NOT_FOUND for a blob that is not there and DATA_LOSS for a cut one", async (bench) => {
    const blob = await spool(bench.spoolDir, freshBytes(5000));
    await assertCode("NOT_FOUND", () => bench.store.acquireBlob(blob.digest, blob.size));
    assertEquals(await bench.store.hasBlob(blob.digest, blob.size), false);
    await bench.store.putBlob(blob);
    await bench.tamper(blobKey(blob.digest), freshBytes(4000));
    await assertCode("DATA_LOSS", () => bench.store.acquireBlob(blob.digest, blob.size));
    assertEquals(await bench.store.hasBlob(blob.digest, blob.size), false);
    assertEquals(await spoolNames(bench), []);
  }],

  ["heals a blob of the wrong size when it is put again", async (bench) => {
    const bytes = freshBytes(5000);
    await bench.store.putBlob(await spool(bench.spoolDir, bytes));
    await bench.tamper(blobKey(digestOf(bytes)), bytes.subarray(0, 10));
    assertEquals(await bench.store.putBlob(await spool(bench.spoolDir, bytes)), true);
    assertEquals(await readHeld(bench, digestOf(bytes), 5000), bytes);
  }],

  ["touches a blob that is put or asked for, and only then", async (bench) => {
    const bytes = freshBytes(3000);
    const digest = digestOf(bytes);
    const key = blobKey(digest);
    await bench.store.putBlobBytes(digest, bytes);
    const modified = async () => (await collectList(bench.store, key)).get(key)!.modified;
    for (
      const touch of [
        () => bench.store.hasBlob(digest, bytes.length),
        () => bench.store.putBlobBytes(digest, bytes),
        async () => bench.store.putBlob(await spool(bench.spoolDir, bytes)),
      ]
    ) {
      await bench.age(key, 20 * HOUR);
      const old = await modified();
      assertEquals(await bench.store.hasBlob(digest, bytes.length, { touch: false }), true);
      assertEquals(await modified(), old);
      const there = await touch();
      const fresh = await modified() > old + 19 * HOUR;
      assert(fresh || (!bench.faithful && there === false), "it is fresh, or counts as missing");
      assertEquals(await readHeld(bench, digest, bytes.length), bytes);
    }
  }],

  ["replaces, reads and forgets references", async (bench) => {
    const key = "refs/backups/alice/ws~1.json";
    const text = (value: string) => new TextEncoder().encode(value);
    await assertCode("NOT_FOUND", () => bench.store.getRef(key));
    await bench.store.deleteRef(key);
    await bench.store.putRef(key, text("first"));
    await bench.store.putRef(key, text("second, longer"));
    assertEquals(await bench.store.getRef(key), text("second, longer"));
    await bench.store.deleteRef(key);
    await bench.store.deleteRef(key);
    await assertCode("NOT_FOUND", () => bench.store.getRef(key));
  }],

  ["replaces a reference only where it is what was read", async (bench) => {
    const key = "refs/backups/alice/replaced.json";
    const [first, second, third] = [freshBytes(10), freshBytes(20), freshBytes(30)];
    assertEquals(await bench.store.replaceRef(key, first, second), false);
    await assertCode("NOT_FOUND", () => bench.store.getRef(key));
    assertEquals(await bench.store.replaceRef(key, undefined, first), true);
    assertEquals(await bench.store.replaceRef(key, undefined, second), false);
    assertEquals(await bench.store.replaceRef(key, first, second), true);
    assertEquals(await bench.store.replaceRef(key, first, third), false);
    assertEquals(await bench.store.getRef(key), second);
  }],

  ["removes a reference only where it is what was read", async (bench) => {
    const key = "refs/backups/alice/removed.json";
    const [first, second] = [freshBytes(10), freshBytes(20)];
    await bench.store.putRef(key, second);
    assertEquals(await bench.store.deleteRef(key, { expected: first }), false);
    assertEquals(await bench.store.getRef(key), second);
    assertEquals(await bench.store.deleteRef(key, { expected: second }), true);
    await assertCode("NOT_FOUND", () => bench.store.getRef(key));
    assertEquals(await bench.store.deleteRef(key, { expected: second }), true);
  }],

  ["lets a reference be claimed by whoever finds that it may", async (bench) => {
    const key = "refs/claims/one.json";
    const [first, second] = [freshBytes(10), freshBytes(20)];
    const seen: (Uint8Array | undefined)[] = [];
    const claim = (bytes: Uint8Array | undefined) =>
      bench.store.compareAndClaimRef(key, (current) => {
        seen.push(current);
        return bytes;
      });
    assertEquals(await claim(undefined), false);
    await assertCode("NOT_FOUND", () => bench.store.getRef(key));
    assertEquals([await claim(first), await claim(undefined), await claim(second)], [
      true,
      false,
      true,
    ]);
    assertEquals(seen, [undefined, undefined, first, first]);
    assertEquals(await bench.store.getRef(key), second);
  }],

  [
    "shows a reference whole to others, and lists it, once its write has resolved",
    async (bench) => {
      const key = "refs/backups/alice/shown.json";
      const second = await bench.second();
      const listed = async () => [...(await collectList(second, key)).keys()];
      assertEquals(await listed(), []);
      for (const bytes of [freshBytes(100), freshBytes(50)]) {
        await bench.store.putRef(key, bytes);
        assertEquals([await second.getRef(key), await listed()], [bytes, [key]]);
      }
      await bench.tamper(key, undefined);
      await assertCode("NOT_FOUND", () => second.getRef(key));
      assertEquals(await listed(), [], "what is not there is not listed");
      await second.close();
    },
  ],

  [
    "says UNAVAILABLE when something else is in its place, and nothing of what there is",
    async (bench) => {
      const bytes = freshBytes(1000);
      const digest = digestOf(bytes);
      const key = "refs/backups/alice/displaced.json";
      await bench.store.putBlobBytes(digest, bytes);
      await bench.store.putRef(key, bytes);
      await bench.plantArchive("displaced.tar", bench.archiveBucket, bytes);
      const store = await bench.displaced();
      const blob = await spool(bench.spoolDir, bytes);
      const operations: Record<string, () => Promise<unknown>> = {
        probe: () => store.probe(),
        putBlob: () => store.putBlob(blob),
        putBlobBytes: () => store.putBlobBytes(digest, bytes),
        hasBlob: () => store.hasBlob(digest, bytes.length),
        "hasBlob, untouched": () => store.hasBlob(digest, bytes.length, { touch: false }),
        getBlobBytes: () => store.getBlobBytes(digest, bytes.length),
        acquireBlob: () => store.acquireBlob(digest, bytes.length),
        getRef: () => store.getRef(key),
        putRef: () => store.putRef(key, bytes),
        replaceRef: () => store.replaceRef(key, bytes, freshBytes(10)),
        compareAndClaimRef: () => store.compareAndClaimRef(key, () => bytes),
        deleteRef: () => store.deleteRef(key),
        putObject: () => store.putObject("objects/displaced", blob),
        acquireArchive: () => store.acquireArchive("displaced.tar", bench.archiveBucket),
        list: () => collectList(store, "refs/"),
        deleteBlob: () => store.deleteBlob(digest),
      };
      const codes: Record<string, string> = {};
      for (const [name, run] of Object.entries(operations)) {
        codes[name] = await run().then(() => "success", ({ code }) => code);
      }
      const expected = Object.keys(operations).map((name) => [name, "UNAVAILABLE"]);
      assertEquals(codes, Object.fromEntries(expected));
      await store.close();
    },
  ],

  ["keeps references apart whose keys differ in one odd character", async (bench) => {
    const keys = ["a b", "a+b", "a%20b", "a:b", "a@b", "a=b", "ä", "a~b", "A b"]
      .map((name) => `refs/snapshots/odd/${name}/x.json`);
    for (const key of keys) await bench.store.putRef(key, new TextEncoder().encode(key));
    for (const key of keys) {
      assertEquals(new TextDecoder().decode(await bench.store.getRef(key)), key);
    }
    const found = await collectList(bench.store, "refs/snapshots/odd/");
    assertEquals([...found.keys()].sort(), keys.sort());
  }],

  ["refuses keys that leave their folder", async (bench) => {
    const bytes = new Uint8Array(1);
    for (const key of ["refs/../x", "/refs/x", "refs//x", "tmp/x", "refs", "refs/.", "a/b"]) {
      await assertCode("INTERNAL", () => bench.store.putRef(key, bytes));
      await assertCode("INTERNAL", () => bench.store.getRef(key));
      await assertCode("INTERNAL", () => bench.store.deleteRef(key));
    }
  }],

  ["lists by the beginning of the key, also in the middle of a name", async (bench) => {
    const keys = ["refs/list/a/1.json", "refs/list/a/2.json", "refs/list/ab.json"];
    for (const key of keys) await bench.store.putRef(key, new Uint8Array(3));
    const names = async (prefix: string) => [...(await collectList(bench.store, prefix)).keys()];
    assertEquals((await names("refs/list/a")).sort(), keys);
    assertEquals((await names("refs/list/a/")).sort(), keys.slice(0, 2));
    assertEquals(await names("refs/list/ab"), keys.slice(2));
    assertEquals(await names("refs/list/none/"), []);
    const info = (await collectList(bench.store, keys[0]!)).get(keys[0]!)!;
    assertEquals(info.size, 3);
    assert(Math.abs(info.modified - Date.now()) < HOUR);
  }],

  ["lists in ascending order after a key, which need not be there", async (bench) => {
    const keys = ["a.json", "a/1.json", "a/2.json", "a/b/1.json", "ab.json", "b.json"]
      .map((name) => `refs/after/${name}`);
    for (const key of keys.toReversed()) await bench.store.putRef(key, new Uint8Array(3));
    const after = async (prefix: string, after: string) =>
      (await Array.fromAsync(bench.store.list(prefix, { after }))).map(({ key }) => key);
    assertEquals(await after("refs/after/", ""), keys);
    for (const [n, key] of keys.entries()) {
      assertEquals(await after("refs/after/", key), keys.slice(n + 1), key);
    }
    assertEquals(await after("refs/after/", "refs/after/a/2"), keys.slice(2));
    assertEquals(await after("refs/after/a/", "refs/after/a/b/1"), keys.slice(3, 4));
    assertEquals(await after("refs/after/a/", "refs/after/b.json"), []);
    assertEquals(await after("refs/after/b", "refs/after/a.json"), keys.slice(5));
  }],

  ["puts a file under a key and consumes it", async (bench) => {
    const file = await spool(bench.spoolDir, freshBytes(70_000));
    await bench.store.putObject("objects/logs/task-1", file);
    const other = await spool(bench.spoolDir, freshBytes(60_000));
    await bench.store.putObject("objects/logs/task-1", other);
    const found = await collectList(bench.store, "objects/logs/");
    assertEquals([...found.values()].map(({ key, size }) => [key, size]), [
      ["objects/logs/task-1", 60_000],
    ]);
    assertEquals(await spoolNames(bench), []);
  }],

  ["brings a plain archive within reach", async (bench) => {
    const bytes = freshBytes(150_000);
    await bench.plantArchive("some/dir/full.tar", bench.archiveBucket, bytes);
    const held = await bench.store.acquireArchive("some/dir/full.tar", bench.archiveBucket);
    const area = held.area === "spool" ? bench.spoolDir : bench.blobsDir;
    assertEquals(await Deno.readFile(join(area, held.path)), bytes);
    await held.release();
    assertEquals(await spoolNames(bench), []);
    await assertCode(
      "NOT_FOUND",
      () => bench.store.acquireArchive("some/dir/other.tar", bench.archiveBucket),
      "other.tar",
    );
    for (
      const [object, bucket] of [
        ["../refs/x.tar", bench.archiveBucket],
        ["x.tar", ".."],
        [
          "a//b.tar",
          bench.archiveBucket,
        ],
        ["/etc/passwd", bench.archiveBucket],
        ["x.tar", "a/b"],
      ] as const
    ) {
      await assertCode("INVALID_ARGUMENT", () => bench.store.acquireArchive(object, bucket));
    }
  }],

  ["deletes a blob, but not one that is younger than asked", async (bench) => {
    const bytes = freshBytes(100);
    const digest = digestOf(bytes);
    assertEquals(await bench.store.deleteBlob(digest), false);
    await bench.store.putBlobBytes(digest, bytes);
    const now = await bench.store.now();
    assert(Math.abs(now - Date.now()) < HOUR);
    assertEquals(await bench.store.deleteBlob(digest, { olderThan: now - HOUR }), false);
    await bench.age(blobKey(digest), 2 * HOUR);
    assertEquals(await bench.store.deleteBlob(digest, { olderThan: now - HOUR }), true);
    assertEquals(await bench.store.deleteBlob(digest), false);
    await assertCode("NOT_FOUND", () => bench.store.getBlobBytes(digest, 100));
  }],

  ["lets a writer wait for a collection that is about to delete its blob", async (bench) => {
    const bytes = freshBytes(100);
    const digest = digestOf(bytes);
    await bench.store.putBlobBytes(digest, bytes);
    await bench.age(blobKey(digest), 20 * HOUR);
    const collector = await bench.second();
    const expiresAt = await collector.now() + HOUR;
    const condemned = [shortName(digest)];
    await collector.putRef(LEASE_KEY, encodeLease({ holder: "other", expiresAt, condemned }));
    let settled = false;
    const put = bench.store.putBlobBytes(digest, bytes).finally(() => settled = true);
    // An operation on another blob is not held up, which also shows that the put had its time.
    const other = freshBytes(100);
    await bench.store.putBlobBytes(digestOf(other), other);
    assertEquals(settled, false);
    await collector.deleteBlob(digest);
    await collector.deleteRef(LEASE_KEY);
    assertEquals(await put, true);
    assertEquals(await bench.store.getBlobBytes(digest, 100), bytes);
    await collector.close();
  }],

  ["keeps one blob whole when two daemons put it at once", async (bench) => {
    const bytes = freshBytes(1 << 20);
    const second = await bench.second();
    const blobs = [await spool(bench.spoolDir, bytes), await spool(bench.spoolDir, bytes)];
    await Promise.all([bench.store.putBlob(blobs[0]!), second.putBlob(blobs[1]!)]);
    assertEquals(await readHeld(bench, digestOf(bytes), bytes.length), bytes);
    assertEquals(await spoolNames(bench), []);
    await second.close();
  }],

  ["shows one of two references whole when two daemons replace it at once", async (bench) => {
    const second = await bench.second();
    const values = ["a", "b"].map((name) => new TextEncoder().encode(name.repeat(50_000)));
    const key = "refs/backups/race/one.json";
    for (let round = 0; round < 5; round++) {
      await Promise.all([
        bench.store.putRef(key, values[0]!),
        second.putRef(key, values[1]!),
        round > 0 && bench.faithful ? bench.store.getRef(key).then(assertOneOf(values)) : undefined,
      ]);
      assertOneOf(values)(await second.getRef(key));
    }
    await second.close();
  }],

  ["says ABORTED when the signal fires", async (bench) => {
    const bytes = freshBytes(100);
    const options = { signal: AbortSignal.abort(new Error("shutting down")) };
    const blob = await spool(bench.spoolDir, bytes);
    const { store } = bench;
    await assertCode("ABORTED", () => store.putBlob(blob, options));
    await assertCode("ABORTED", () => store.getRef("refs/a/b", options));
    await assertCode("ABORTED", () => store.acquireBlob(blob.digest, blob.size, options));
    await assertCode("ABORTED", () => store.putRef("refs/a/b", bytes, options));
    await store.putBlob(blob);
  }],

  ["counts no leftovers where nothing was interrupted", async (bench) => {
    const tally = await bench.store.sweepLeftovers(Date.now() + HOUR, { dryRun: true });
    assertEquals(tally, { count: 0, bytes: 0 });
  }],
];

function assertOneOf(values: readonly Uint8Array[]): (bytes: Uint8Array) => void {
  return (bytes) => {
    const same = values.some((value) =>
      value.length === bytes.length && value.every((byte, n) => byte === bytes[n])
    );
    assert(same, `${bytes.length} bytes that are neither of the two`);
  };
}

/** Registers the suite for one kind of store; benches share what is slow to start. */
export function testConformance(kind: string, open: () => Promise<Bench>): void {
  for (const [name, run] of cases) {
    Deno.test(`${kind} store ${name}`, async () => {
      await using bench = await open();
      await run(bench);
    });
  }
}
