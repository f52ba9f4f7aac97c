import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { type Digest, digestOf } from "../../src/digest.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { collect } from "../../src/store/collect.ts";
import { blobKey } from "../../src/store/keys.ts";
import { testFolder } from "../fixtures/folder.ts";
import {
  assertCode,
  type Bench,
  collectList,
  freshBytes,
  spool,
  testConformance,
} from "./conformance.ts";

const HOUR = 3600_000;

interface FileBench extends Bench {
  folder: string;
}

async function openBench(): Promise<FileBench> {
  const root = await Deno.makeTempDir({ prefix: "wsdaemon-store-" });
  const folder = join(root, "store");
  const spoolDir = join(root, "spool");
  await Deno.mkdir(spoolDir);
  const open = () => FileStore.open({ folder, spoolDir, clock: systemClock });
  return {
    store: await open(),
    folder,
    spoolDir,
    blobsDir: folder,
    faithful: true,
    archiveBucket: "their-bucket",
    second: open,
    async displaced() {
      const store = await open();
      await Deno.rename(folder, `${folder}-elsewhere`);
      await Deno.mkdir(folder);
      return store;
    },
    async tamper(key, bytes) {
      if (bytes) await Deno.writeFile(join(folder, key), bytes);
      else await Deno.remove(join(folder, key));
    },
    async age(key, ms) {
      const then = (Date.now() - ms) / 1000;
      await Deno.utime(join(folder, key), then, then);
    },
    async plantArchive(object, bucket, bytes) {
      const path = join(folder, "archives", bucket, object);
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeFile(path, bytes);
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(root, { recursive: true });
    },
  };
}

testConformance("file", openBench);

Deno.test("file store gives a reference to one of those that claim it at once", async () => {
  await using bench = await openBench();
  const stores = await Promise.all(Array.from({ length: 8 }, () => bench.second()));
  const claims = stores.map((store, n) =>
    store.compareAndClaimRef(
      "gc/lease.json",
      (current) => current ? undefined : new Uint8Array([n]),
    )
  );
  const outcomes = await Promise.all(claims);
  assertEquals(outcomes.filter((won) => won).length, 1);
  const bytes = await bench.store.getRef("gc/lease.json");
  assertEquals([...bytes], [outcomes.indexOf(true)]);
});

Deno.test("file store touches a cut blob before it replaces it, so that no deletion meets the whole one", async () => {
  await using bench = await openBench();
  const bytes = freshBytes(1000);
  const digest = digestOf(bytes);
  await bench.store.putBlobBytes(digest, bytes);
  await bench.tamper(blobKey(digest), bytes.subarray(0, 10));
  await bench.age(blobKey(digest), 48 * HOUR);
  const blob = await spool(bench.spoolDir, bytes);
  const collector = await bench.second();
  const replacing = Promise.withResolvers<void>();
  const collected = Promise.withResolvers<void>();
  const { chmod } = Deno;
  Deno.chmod = async (path, mode) => {
    // Of the blob alone: the collection writes, too, when it notes that it has ended.
    Deno.chmod = chmod;
    replacing.resolve();
    await collected.promise;
    await chmod(path, mode);
  };
  try {
    const writing = bench.store.putBlob(blob);
    await replacing.promise;
    const mark = () => Promise.resolve(new Set<Digest>());
    const collecting = await collect(collector, {
      mark,
      graceMs: HOUR,
      clock: systemClock,
      force: true,
    });
    collected.resolve();
    assertEquals([collecting.deleted.count, await writing], [0, true]);
  } finally {
    Deno.chmod = chmod;
  }
  assertEquals(await bench.store.getBlobBytes(digest, 1000), bytes);
});

Deno.test("file store puts references beside removals that take empty folders away", async () => {
  await using bench = await openBench();
  const stores = await Promise.all([1, 2, 3, 4].map(() => bench.second()));
  await Promise.all(stores.map(async (store, n) => {
    for (let round = 0; round < 100; round++) {
      const key = `refs/snapshots/alice/notes-${n}/one.json`;
      await store.putRef(key, new Uint8Array(1));
      await store.deleteRef(key);
    }
  }));
  assertEquals(await collectList(bench.store, "refs/"), new Map());
});

Deno.test("file store makes durable what another writer may not have yet", async () => {
  await using bench = await openBench();
  const bytes = freshBytes(10);
  const key = blobKey(digestOf(bytes));
  await Deno.writeFile(join(bench.folder, key), bytes);
  await Deno.mkdir(join(bench.folder, "refs/a/b"), { recursive: true });
  const opened = new Set<string>();
  const { open } = Deno;
  Deno.open = (path, options) => {
    opened.add(relative(bench.folder, String(path)));
    return open(path, options);
  };
  try {
    assertEquals(await bench.store.hasBlob(digestOf(bytes), 10), true);
    assert(opened.has("blobs/sha256"), "the blob's name is not made durable");
    await bench.store.putRef("refs/a/b/c.json", bytes);
    for (const folder of ["refs", "refs/a", "refs/a/b"]) assert(opened.has(folder), folder);
  } finally {
    Deno.open = open;
  }
});

Deno.test("file store is closed to other users", async () => {
  await using bench = await openBench();
  const bytes = freshBytes(10);
  await bench.store.putBlob(await spool(bench.spoolDir, bytes));
  await bench.store.putRef("refs/a/b.json", bytes);
  for (const [path, mode] of [["", 0o700], ["blobs/sha256", 0o700], ["refs/a", 0o700]] as const) {
    assertEquals((await Deno.stat(join(bench.folder, path))).mode! & 0o777, mode, path);
  }
  for (const path of [blobKey(digestOf(bytes)), "refs/a/b.json"]) {
    assertEquals((await Deno.stat(join(bench.folder, path))).mode! & 0o777, 0o600, path);
  }
});

Deno.test("file store closes a folder that it finds open", async () => {
  const root = await Deno.makeTempDir();
  await Deno.chmod(root, 0o755);
  await FileStore.open({ folder: root, spoolDir: "/nowhere", clock: systemClock });
  assertEquals((await Deno.stat(root)).mode! & 0o777, 0o700);
  await Deno.remove(root, { recursive: true });
});

Deno.test("file store takes the spool file itself where both are on one file system", async () => {
  await using bench = await openBench();
  const blob = await spool(bench.spoolDir, freshBytes(1000));
  const { ino } = await Deno.stat(join(bench.spoolDir, blob.file.path));
  await bench.store.putBlob(blob);
  assertEquals((await Deno.stat(join(bench.folder, blobKey(blob.digest)))).ino, ino);
});

const SHM = "/dev/shm";
const otherFileSystem = await differs(SHM, Deno.env.get("TMPDIR") ?? "/tmp");

Deno.test({
  name: "file store copies the spool file where it is on another file system" +
    (otherFileSystem ? "" : ` (not tested: ${SHM} is on the same)`),
  ignore: !otherFileSystem,
  async fn() {
    await using bench = await openBench();
    const spoolDir = await Deno.makeTempDir({ dir: SHM });
    const store = await FileStore.open({ folder: bench.folder, spoolDir, clock: systemClock });
    const bytes = freshBytes(3 << 20);
    const blob = await spool(spoolDir, bytes);
    assertEquals(await store.putBlob(blob), true);
    assertEquals([...Deno.readDirSync(spoolDir)], []);
    assertEquals([...Deno.readDirSync(join(bench.folder, "tmp"))], []);
    assertEquals(await Deno.readFile(join(bench.folder, blobKey(blob.digest))), bytes);
    await Deno.remove(spoolDir, { recursive: true });
  },
});

async function differs(a: string, b: string): Promise<boolean> {
  try {
    return (await Deno.stat(a)).dev !== (await Deno.stat(b)).dev;
  } catch {
    return false;
  }
}

Deno.test("file store refuses an archive behind a link, in each place of its path", async () => {
  await using bench = await openBench();
  await bench.plantArchive("dir/real.tar", "bucket", freshBytes(10));
  const archives = join(bench.folder, "archives");
  await Deno.symlink("real.tar", join(archives, "bucket/dir/link.tar"));
  await Deno.symlink("dir", join(archives, "bucket/linked"));
  await Deno.symlink("bucket", join(archives, "other"));
  for (
    const [object, bucket] of [
      ["dir/link.tar", "bucket"],
      ["linked/real.tar", "bucket"],
      ["dir/real.tar", "other"],
    ] as const
  ) {
    await assertCode(
      "FAILED_PRECONDITION",
      () => bench.store.acquireArchive(object, bucket),
      "symbolic link",
    );
  }
  await assertCode("NOT_FOUND", () => bench.store.acquireArchive("dir", "bucket"));
});

Deno.test("file store says FAILED_PRECONDITION where its place cannot be a folder", async () => {
  const path = await Deno.makeTempFile();
  const open = () => FileStore.open({ folder: join(path, "x"), spoolDir: "/", clock: systemClock });
  const error = await assertCode("FAILED_PRECONDITION", open);
  assertStringIncludes(error.message, path);
  await Deno.remove(path);
});

Deno.test("file store says UNAVAILABLE, not NOT_FOUND, when its file system is unmounted", async () => {
  await using bench = await openBench();
  const bytes = freshBytes(10);
  await Deno.remove(bench.folder, { recursive: true });
  await Deno.mkdir(bench.folder);
  const { store } = bench;
  await assertCode("UNAVAILABLE", () => store.getRef("refs/a/b.json"), "mounted");
  await assertCode("UNAVAILABLE", () => store.putRef("refs/a/b.json", bytes), "mounted");
  await assertCode("UNAVAILABLE", () => store.getBlobBytes(digestOf(bytes), 10), "mounted");
  const blob = await spool(bench.spoolDir, bytes);
  await assertCode("UNAVAILABLE", () => store.putBlob(blob), "mounted");
  assertEquals([...Deno.readDirSync(bench.folder)], []);
});

Deno.test("file store says UNAVAILABLE when the folder of all references is gone", async () => {
  await using bench = await openBench();
  const { store } = bench;
  await store.putRef("refs/a/b.json", freshBytes(10));
  await Deno.rename(join(bench.folder, "refs"), join(bench.folder, "moved"));
  await assertCode("UNAVAILABLE", () => collectList(store, "refs/"), "no folder refs");
  await assertCode("UNAVAILABLE", () => store.getRef("refs/a/b.json"));
  await assertCode("UNAVAILABLE", () => store.putRef("refs/a/b.json", freshBytes(10)));
  await Deno.rename(join(bench.folder, "moved"), join(bench.folder, "refs"));
  assertEquals((await collectList(store, "refs/")).size, 1);
});

Deno.test("file store says UNAVAILABLE, not NOT_FOUND, where something keeps it from writing", async () => {
  await using bench = await openBench();
  await Deno.writeTextFile(join(bench.folder, "refs", "a"), "a file where a folder should be");
  await assertCode("UNAVAILABLE", () => bench.store.putRef("refs/a/b.json", freshBytes(10)));
  await assertCode("NOT_FOUND", () => bench.store.getRef("refs/a/b.json"));
  const blob = await spool(bench.spoolDir, freshBytes(10));
  await Deno.writeTextFile(join(bench.folder, "objects", "a"), "another");
  await assertCode("UNAVAILABLE", () => bench.store.putObject("objects/a/b", blob));
});

Deno.test("file store counts and sweeps what crashed writers left, once it is old", async () => {
  await using bench = await openBench();
  const path = join(bench.folder, "tmp", "half-written");
  await Deno.writeFile(path, new Uint8Array(123));
  const now = Date.now();
  const none = { count: 0, bytes: 0 };
  assertEquals(await bench.store.sweepLeftovers(now - 60_000), none);
  const later = now + 60_000;
  assertEquals(await bench.store.sweepLeftovers(later, { dryRun: true }), { count: 1, bytes: 123 });
  assertEquals(await bench.store.sweepLeftovers(later), { count: 1, bytes: 123 });
  assertEquals(await bench.store.sweepLeftovers(later), none);
});

Deno.test("file store shows no torn blob when its writer is killed", async () => {
  await using bench = await openBench();
  const script = fromFileUrl(new URL("./writer_main.ts", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", script, bench.folder, bench.spoolDir],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const acknowledged: string[] = [];
  const lines = child.stdout.pipeThrough(new TextDecoderStream() as TransformStream);
  let rest = "";
  for await (const chunk of lines as ReadableStream<string>) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop()!;
    acknowledged.push(...parts);
    if (acknowledged.length >= 20) child.kill("SIGKILL");
  }
  await child.status;
  const found = await collectList(bench.store, "blobs/");
  for (const [key, { size }] of found) {
    const bytes = await Deno.readFile(join(bench.folder, key));
    assertEquals(blobKey(digestOf(bytes)), key);
    assertEquals(bytes.length, size);
  }
  for (const key of acknowledged) assertEquals(found.has(key), true, key);
});

const root = Deno.uid() === 0;
Deno.test({
  name: "file store says RESOURCE_EXHAUSTED on a full disk and leaves nothing behind" +
    (root ? "" : " (not tested: needs root)"),
  ignore: !root,
  async fn() {
    await using bench = await openBench();
    const disk = await Deno.makeTempDir();
    await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk);
    try {
      const folder = join(disk, "store");
      const { spoolDir } = bench;
      const store = await FileStore.open({ folder, spoolDir, clock: systemClock });
      const bytes = freshBytes(2 << 20);
      const blob = await spool(spoolDir, bytes);
      await assertCode("RESOURCE_EXHAUSTED", () => store.putBlob(blob), "no space left");
      await assertCode("RESOURCE_EXHAUSTED", () => store.putBlobBytes(blob.digest, bytes));
      await assertCode("RESOURCE_EXHAUSTED", () => store.putRef("refs/a/b", bytes));
      assertEquals([...Deno.readDirSync(join(folder, "tmp"))], []);
      assertEquals(await store.hasBlob(blob.digest, blob.size), false);
      await run("mount", "-o", "remount,ro", disk);
      await assertCode("FAILED_PRECONDITION", () => store.putRef("refs/a/b", new Uint8Array(1)));
      await assertCode("FAILED_PRECONDITION", () => store.probe());
    } finally {
      await run("umount", disk);
      await Deno.remove(disk);
    }
  },
});

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

for (const kind of ["a link", "something else"]) {
  Deno.test(`file store is refused when ${kind} lies where it has its own, and nothing is followed`, async () => {
    const places = ["blobs", "blobs/sha256", "refs", "gc", "objects", "archives", "tmp"];
    for (const place of [...places, "claim.lock"]) {
      using folder = testFolder();
      const [store, outside] = [join(folder.path, "store"), join(folder.path, "outside")];
      await Deno.mkdir(outside);
      const path = join(store, place);
      await Deno.mkdir(dirname(path), { recursive: true });
      if (kind === "a link") await Deno.symlink(outside, path);
      else if (place === "claim.lock") await Deno.mkdir(path);
      else await Deno.writeTextFile(path, "");
      const open = FileStore.open({ folder: store, spoolDir: outside, clock: systemClock });
      const error = await assertCode("FAILED_PRECONDITION", () => open);
      assertStringIncludes(error.message, `${path} is ${kind}`);
      assertEquals([...Deno.readDirSync(outside)], []);
    }
  });
}
