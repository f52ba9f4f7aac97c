import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { hexOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { indexBlobs, readIndex, RECORD } from "../../src/image/mod.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import { ImageFixture } from "./image_fixture.ts";
import { noise } from "../fixtures/noise.ts";

const MiB = 1 << 20;
/** Small enough for quick tests: files of a few chunks. */
const CHUNKS = { chunkMinBytes: 4 * MiB };

function packsOf({ layers }: PackResult) {
  return layers.filter(({ isChunks }) => isChunks);
}

function newBytes(image: PackResult, before: PackResult): number {
  const known = new Set(before.layers.map(({ digest }) => digest));
  return packsOf(image).reduce((sum, { digest, size }) => known.has(digest) ? sum : sum + size, 0);
}

/** Whether an image has these bytes in a file. */
async function hasFile(
  fixture: ImageFixture,
  image: PackResult,
  name: string,
  expected: Uint8Array,
): Promise<boolean> {
  const { tree, path } = await fixture.restore(image);
  const bytes = await Deno.readFile(join(path, name));
  await fixture.content.remove(tree);
  return Buffer.compare(bytes, expected) === 0;
}

Deno.test("a large file is stored as chunks, and a small change of it stores little", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w1");
  const content = noise(12 * MiB, 1);
  await Deno.writeFile(join(path, "disk"), content);
  await Deno.writeTextFile(join(path, "small"), "small");
  const first = await fixture.pack("w1", CHUNKS);
  assert(packsOf(first).length > 0 && first.isNative);
  assert(await hasFile(fixture, first, "disk", content));
  assert(await hasFile(fixture, first, "small", new TextEncoder().encode("small")));

  content.set(noise(4, 2), 6 * MiB);
  const inserted = new Uint8Array(MiB + content.length);
  inserted.set(noise(MiB, 3));
  inserted.set(content, MiB);
  await Deno.writeFile(join(path, "disk"), inserted);
  const second = await fixture.pack("w1", CHUNKS);
  assert(newBytes(second, first) < 9 * MiB, `${newBytes(second, first)}`);
  assert(await hasFile(fixture, second, "disk", inserted));

  const third = await fixture.pack("w1", CHUNKS);
  assert(third.stats.bytesRead < MiB, "a file that has not changed is not read");
  assertEquals(third.layers, second.layers);

  await Deno.rename(join(path, "disk"), join(path, "moved"));
  const fourth = await fixture.pack("w1", CHUNKS);
  assertEquals(newBytes(fourth, third), 0);
  assert(await hasFile(fixture, fourth, "moved", inserted));
});

Deno.test("equal large files have equal packs, whichever workspace they are in", async () => {
  await using fixture = new ImageFixture();
  const [one, other] = [await fixture.publish("w1"), await fixture.publish("w2")];
  const content = noise(10 * MiB, 4);
  await Deno.writeFile(join(one, "a"), content);
  await Deno.writeFile(join(one, "b"), content);
  await Deno.writeFile(join(other, "before"), noise(5 * MiB, 5));
  await Deno.writeFile(join(other, "copy"), content);
  const digests = async (id: string) =>
    packsOf(await fixture.pack(id, CHUNKS)).map(({ digest }) => digest);
  const packs = await digests("w1");
  const others = await digests("w2");
  assert(packs.length <= 2, "the second file has the packs of the first");
  assert(packs.every((digest) => others.includes(digest)));
});

Deno.test("a sparse file of chunks comes back with its holes", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w1");
  {
    using file = await Deno.open(join(path, "disk"), { write: true, create: true });
    await file.truncate(64 * MiB);
    for (const [at, bytes] of [[8, noise(2 * MiB, 6)], [40, noise(3 * MiB, 7)]] as const) {
      await file.seek(at * MiB, Deno.SeekMode.Start);
      await file.write(bytes);
    }
    await file.sync();
  }
  const image = await fixture.pack("w1", CHUNKS);
  const { path: restored } = await fixture.restore(image);
  const [was, is] = [join(path, "disk"), join(restored, "disk")];
  assertEquals(Buffer.compare(await Deno.readFile(is), await Deno.readFile(was)), 0);
  const blocks = (await Deno.stat(is)).blocks! * 512;
  assert(blocks < 8 * MiB, `it takes ${blocks} bytes`);
});

Deno.test("a damaged chunk fails the restore, which names its file", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w1");
  await Deno.mkdir(join(path, "folder"));
  await Deno.writeFile(join(path, "folder/disk"), noise(6 * MiB, 8));
  const image = await fixture.pack("w1", CHUNKS);
  const blob = fixture.blobPath(packsOf(image)[0]!.digest);
  const bytes = await Deno.readFile(blob);
  bytes[bytes.length >> 1]! ^= 1;
  await Deno.writeFile(blob, bytes);
  const error = await assertRejects(() => fixture.restore(image), DaemonError);
  assertEquals(error.code, "DATA_LOSS");
  assert(error.message.includes("folder/disk"), error.message);
});

Deno.test("a pack of which little is in use is written anew, with what is", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w1");
  const content = noise(8 * MiB, 9);
  await Deno.writeFile(join(path, "disk"), content);
  const first = await fixture.pack("w1", CHUNKS);
  content.set(noise(6 * MiB, 10));
  await Deno.writeFile(join(path, "disk"), content);
  const second = await fixture.pack("w1", CHUNKS);
  const kept = packsOf(second).filter(({ digest }) =>
    first.layers.some((layer) => layer.digest === digest)
  );
  assertEquals(kept, []);
  assert(await hasFile(fixture, second, "disk", content));
});

Deno.test("a tree without chunks has none of their packs once its large files are gone", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w1");
  await Deno.writeFile(join(path, "disk"), noise(6 * MiB, 11));
  await Deno.link(join(path, "disk"), join(path, "linked"));
  const first = await fixture.pack("w1", CHUNKS);
  const { path: restored } = await fixture.restore(first);
  assertEquals((await Deno.stat(join(restored, "linked"))).nlink, 2);
  await Deno.remove(join(path, "disk"));
  await Deno.remove(join(path, "linked"));
  const second = await fixture.pack("w1", CHUNKS);
  assertEquals([packsOf(second), second.isNative], [[], false]);
});

/** Writes a file that several Workers pack, of blocks that differ. */
async function writeLarge(path: string): Promise<void> {
  const block = noise(4 * MiB, 12);
  using file = await Deno.open(path, { write: true, create: true });
  for (let n = 0; n < 17; n++) {
    for (let at = 0; at < block.length; at += 65_536) block[at + n]! ^= n;
    await file.write(block);
  }
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const bytes of file.readable) hash.update(bytes);
  return hash.digest("hex");
}

Deno.test("a file that Workers pack side by side has the packs that one of them makes", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w1");
  await writeLarge(join(path, "disk"));
  const image = await fixture.pack("w1", CHUNKS);
  const { tree, path: restored } = await fixture.restore(image);
  assertEquals(await digest(join(restored, "disk")), await digest(join(path, "disk")));
  await fixture.content.remove(tree);
  await using alone = new ImageFixture(1);
  await Deno.rename(join(path, "disk"), join(await alone.publish("w1"), "disk"));
  const digests = (one: PackResult) => packsOf(one).map(({ digest }) => digest).sort();
  assertEquals(digests(await alone.pack("w1", CHUNKS)), digests(image));
  const moved = join(alone.areas.workspaces, "w1/disk");
  {
    using file = await Deno.open(moved, { write: true });
    await file.seek(30 * MiB, Deno.SeekMode.Start);
    await file.write(noise(MiB, 15));
  }
  const changed = await alone.pack("w1", CHUNKS);
  await Deno.rename(moved, join(path, "disk"));
  const chunks = chunksOf(fixture, await fixture.pack("w1", CHUNKS));
  assertEquals(chunks, chunksOf(alone, changed));
  assert(chunks.join() !== chunksOf(fixture, image).join());
});

Deno.test("a file that changes while Workers pack it side by side is packed as it is in the end", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w1");
  const file = join(path, "disk");
  await writeLarge(file);
  let hasChanged = false;
  const image = await fixture.pack("w1", {
    ...CHUNKS,
    onLayer: () => {
      if (hasChanged) return;
      hasChanged = true;
      using open = Deno.openSync(file, { write: true });
      open.writeSync(new TextEncoder().encode("changed"));
    },
  });
  assert(hasChanged);
  const { path: restored } = await fixture.restore(image);
  assertEquals(await digest(join(restored, "disk")), await digest(file));
});

/** Returns the chunks of the large files of an image. */
function chunksOf(fixture: ImageFixture, { index }: PackResult): string[] {
  openLibc(libcPath());
  using opened = new DisposableStack();
  const store = opened.use(Directory.open(fixture.areas.blobs));
  const chain = indexBlobs(index).map((blob) => {
    return { file: opened.use(store.openFile(hexOf(blob.digest))), blob };
  });
  const chunks: string[] = [];
  for (const block of readIndex(chain).blocks) {
    for (let record = block.first; record < block.end; record += RECORD) {
      if (!block.isChunked(record)) continue;
      const list = block.chunks(record);
      for (let n = 0; n < list.count; n++) {
        chunks.push(`${list.digest(n).toHex()} ${list.length(n)}`);
      }
    }
  }
  return chunks;
}

/** Changes of a file of 12 MiB, one after the other. */
const CHANGES: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
  (bytes) => bytes.fill(1, 6 * MiB, 6 * MiB + 9),
  (bytes) => Buffer.concat([bytes.subarray(0, 3 * MiB), noise(MiB, 14), bytes.subarray(3 * MiB)]),
  // What comes twice, and what has moved towards the front.
  (bytes) => Buffer.concat([bytes.subarray(9 * MiB), bytes]),
  (bytes) => bytes.subarray(0, 11 * MiB),
  (bytes) => Buffer.concat([bytes, bytes.subarray(MiB, 2 * MiB)]),
];

Deno.test("a file that has changed has the chunks that a new one has", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w");
  let bytes: Uint8Array = noise(12 * MiB, 13);
  await Deno.writeFile(join(path, "disk"), bytes);
  await fixture.pack("w", CHUNKS);
  for (const [n, change] of CHANGES.entries()) {
    bytes = change(bytes);
    await Deno.writeFile(join(path, "disk"), bytes);
    const image = await fixture.pack("w", CHUNKS);
    await Deno.writeFile(join(await fixture.publish(`new${n}`), "disk"), bytes);
    const fresh = await fixture.pack(`new${n}`, CHUNKS);
    assertEquals(chunksOf(fixture, image), chunksOf(fixture, fresh), `change ${n}`);
    assert(await hasFile(fixture, image, "disk", bytes));
  }
});
