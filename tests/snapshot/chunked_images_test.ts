import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import type { Digest } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { findImage } from "../../src/inspect/catalog.ts";
import { expanded } from "../../src/inspect/file_content.ts";
import { ImageFiles } from "../../src/inspect/image_files.ts";
import { exportOci } from "../../src/inspect/oci_export.ts";
import { tarOf } from "../../src/inspect/tar_export.ts";
import { verifyImages } from "../../src/inspect/verify.ts";
import type { SavedImage } from "../../src/snapshot/images.ts";
import { readImage } from "../../src/snapshot/read_image.ts";
import { liveBlobs } from "../../src/snapshot/references_scan.ts";
import { collect } from "../../src/store/mod.ts";
import { testFolder } from "../fixtures/folder.ts";
import { noise } from "../fixtures/noise.ts";
import { run } from "../fixtures/tools.ts";
import { ALICE, StoreFixture } from "./fixture.ts";

const MiB = 1 << 20;
const GRACE = 3_600_000;
const CHUNKS = { chunkMinBytes: MiB };
const encode = (text: string) => new TextEncoder().encode(text);

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Returns the chunk packs of an image, the largest first. */
async function packsOf(fixture: StoreFixture, { manifest }: SavedImage): Promise<Digest[]> {
  const { layers } = await readImage(fixture.store, manifest);
  return layers.filter(({ isChunks }) => isChunks).toSorted((a, b) => b.size - a.size)
    .map(({ digest }) => digest);
}

async function restored(fixture: StoreFixture, name: string): Promise<string> {
  const { content, areas } = fixture.started;
  const tree = await content.create({ uid: Deno.uid()!, gid: Deno.gid()! });
  await fixture.images.restoreBackup(tree, ALICE, {});
  const digest = sha256(await Deno.readFile(join(areas.staging, tree.name, name)));
  await content.remove(tree);
  return digest;
}

async function collected(fixture: StoreFixture): Promise<void> {
  await fixture.age(2 * GRACE);
  const mark = (signal?: AbortSignal) => liveBlobs(fixture.store, signal);
  await collect(fixture.store, { mark, graceMs: GRACE, clock: systemClock, force: true });
}

/** Makes one change that a program may make of a file: overwrites, inserts, removes, appends, cuts off. */
function edit(bytes: Uint8Array, random: () => number): Uint8Array {
  const at = Math.floor(random() * bytes.length);
  const length = Math.floor(random() * MiB);
  const fresh = noise(4 * Math.ceil(length / 4), 1 + Math.floor(random() * 1e9));
  const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  switch (Math.floor(random() * 5)) {
    case 0:
      return join(bytes.subarray(0, at), fresh, bytes.subarray(at + fresh.length));
    case 1:
      return join(bytes.subarray(0, at), fresh, bytes.subarray(at));
    case 2:
      return join(bytes.subarray(0, at), bytes.subarray(at + length));
    case 3:
      return join(bytes, fresh);
    default:
      return bytes.slice(0, Math.max(2 * MiB, bytes.length - length));
  }
}

Deno.test("whatever changes in a large file, its backup is exact, and collection drops what none needs", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed || 1;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  await using fixture = await StoreFixture.open({ ...CHUNKS, retain: 1 });
  const path = await fixture.publish("w", []);
  let bytes: Uint8Array = noise(6 * MiB, 1);
  for (let round = 0; round < 6; round++) {
    for (let edits = 0; edits < 2; edits++) bytes = edit(bytes, random);
    await Deno.writeFile(join(path, "disk"), bytes);
    const image = await fixture.backup("w");
    await collected(fixture);
    assertEquals(await restored(fixture, "disk"), sha256(bytes), `seed ${seed}, round ${round}`);
    const { layers, index } = await readImage(fixture.store, image.manifest);
    const below = index && "below" in index ? index.below ?? [] : [];
    const needed = layers.length + 1 + below.length + 2;
    assertEquals(
      fixture.blobs().length,
      needed,
      `seed ${seed}: blobs that no image needs are gone`,
    );
  }
});

Deno.test("files of chunks are listed, read, exported and verified by their names", async (t) => {
  await using fixture = await StoreFixture.open(CHUNKS);
  using folder = testFolder();
  const bytes = noise(5 * MiB, 2);
  const path = await fixture.publish("w", []);
  await Deno.writeFile(join(path, "disk"), bytes);
  await Deno.writeTextFile(join(path, "small"), "small");
  await Deno.truncate(await makeFile(join(path, "holes")), 8 * MiB);
  const image = await fixture.backup("w");
  const { manifest } = await findImage(fixture.store, image.url);
  await t.step("cat", async () => {
    await using files = await ImageFiles.open(fixture.source, manifest);
    const read = async (name: string) => {
      const content = await files.content(files.tree.find(encode(name))!);
      return sha256(new Uint8Array(Buffer.concat(await Array.fromAsync(expanded(content)))));
    };
    assertEquals(await read("disk"), sha256(bytes));
    assertEquals(await read("holes"), sha256(await Deno.readFile(join(path, "holes"))));
  });
  await t.step("export", async () => {
    const archive = join(folder.path, "a.tar");
    {
      await using files = await ImageFiles.open(fixture.source, manifest);
      using to = await Deno.open(archive, { write: true, create: true });
      for await (const chunk of tarOf(files)) {
        for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await to.write(rest));
      }
    }
    await run(folder.path, "tar", "-xf", archive);
    assertEquals(sha256(await Deno.readFile(join(folder.path, "disk"))), sha256(bytes));
    const { blobs } = await exportOci(fixture.source, manifest, join(folder.path, "oci"));
    assert(blobs > 2);
  });
  await t.step("verify", async () => {
    assertEquals((await verifyImages(fixture.source)).damage, []);
    const [pack] = await packsOf(fixture, image);
    await fixture.damage(pack!);
    const { damage } = await verifyImages(fixture.source);
    assertEquals(damage.map(({ what, files }) => [what, files]), [[pack, ["disk"]]]);
    const error = await assertRejects(() => restored(fixture, "disk"), DaemonError, "disk");
    assertEquals(error.code, "DATA_LOSS");
  });
});

/** Makes a file with data at its start. @returns its path */
async function makeFile(path: string): Promise<string> {
  await Deno.writeFile(path, noise(4096, 3));
  return path;
}
