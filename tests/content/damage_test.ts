/** What happens to images when blobs are damaged, files move while they are packed, or a store fails. */

import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { DaemonError } from "../../src/errors.ts";
import { Memory } from "../../src/image/block.ts";
import { parseTree } from "../../src/image/parse_tree.ts";
import { verifyBlob } from "../../src/image/verify_blob.ts";
import { digestOf } from "../../src/digest.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { testFolder } from "../fixtures/folder.ts";
import { assertPeersAgree } from "../fixtures/peers.ts";
import { decompressFrame } from "../../src/archive/decompress_frame.ts";
import { FOOTER, parseSeekTable, seekTableSize } from "../../src/archive/seek_table.ts";
import { directory, file, hardlink, readTree, sparse, symlink } from "../fixtures/tree.ts";
import { ImageFixture, withoutExtents } from "./image_fixture.ts";
import { assertFails, IS_ROOT, namesIn } from "./fixture.ts";
import { PYTHON } from "../fixtures/python.ts";

const TREE = [
  ["a", directory()],
  ["a/file", file("content ".repeat(1000))],
  ["linked", file("l")],
  ["linked-2", hardlink("linked")],
  ["link", symlink("a")],
  ["sparse", sparse(1_000_000, [[500_000, "s"]])],
] as const;

Deno.test("a damaged blob is DATA_LOSS that names it, wherever the damage is", async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", TREE);
  const image = await fixture.pack("w");
  for (const { digest } of [...image.layers, image.index]) {
    const path = fixture.blobPath(digest);
    const whole = Deno.readFileSync(path);
    const places = [0, 5, whole.length >> 1, whole.length - 12, whole.length - 1];
    const damaged = places.map((at) => {
      const bytes = whole.slice();
      bytes[at]! ^= 1;
      return bytes;
    });
    damaged.push(whole.subarray(0, whole.length - 1), whole.subarray(0, 0));
    for (const bytes of damaged) {
      Deno.writeFileSync(path, bytes);
      for (const index of [true, false]) {
        // The tail is only read, and so only checked, without the index.
        if (index && digest === image.layers.at(-1)!.digest) continue;
        if (!index && digest === image.index.digest) continue;
        await assertFails(fixture.restore(image, { index }), "DATA_LOSS", digest);
      }
    }
    Deno.writeFileSync(path, whole);
  }
  await fixture.restored(image);
});

Deno.test("checking a blob ends within a buffer when it is cancelled", () => {
  using folder = testFolder();
  const bytes = new Uint8Array(5 << 20);
  Deno.writeFileSync(join(folder.path, "blob"), bytes);
  openLibc(libcPath());
  using dir = Directory.open(folder.path, "area");
  using file = dir.openFile("blob");
  const blob = { digest: digestOf(bytes), size: bytes.length };
  let asked = 0;
  const cancelAt = (n: number) => () => {
    if (++asked === n) throw new DaemonError("ABORTED", "cancelled");
  };
  assertThrows(() => verifyBlob(file, blob, cancelAt(3)), DaemonError, "cancelled");
  assertEquals(asked, 3);
  verifyBlob(file, blob, cancelAt(0));
});

Deno.test("an index of other layers is DATA_LOSS", async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", TREE);
  await fixture.publish("v", [["x", file("x")]]);
  const [image, other] = [await fixture.pack("w"), await fixture.pack("v")];
  await assertFails(
    fixture.restore({ layers: image.layers, index: other.index }),
    "DATA_LOSS",
    other.index.digest,
  );
});

function uncompressed(blob: Uint8Array): Uint8Array {
  const tableSize = seekTableSize(blob.subarray(blob.length - FOOTER))!;
  const { offsets, rawOffsets } = parseSeekTable(
    blob.subarray(blob.length - tableSize),
    blob.length,
  );
  const raw = new Uint8Array(rawOffsets.at(-1)!);
  for (let n = 0; n + 1 < offsets.length; n++) {
    const frame = blob.subarray(offsets[n], offsets[n + 1]);
    raw.set(decompressFrame(frame, rawOffsets[n + 1]! - rawOffsets[n]!), rawOffsets[n]);
  }
  return raw;
}

Deno.test("no bytes make the index reader crash", async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", TREE);
  const image = await fixture.pack("w");
  const good = uncompressed(Deno.readFileSync(fixture.blobPath(image.index.digest)));
  const parse = (bytes: Uint8Array) => parseTree(new Memory(bytes.slice().buffer));
  assertEquals(parse(good).blocks.length, 2);
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.nat(good.length),
      fc.boolean(),
      (edits, length, cut) => {
        const bytes = cut ? good.slice(0, length) : good.slice();
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        try {
          parse(bytes);
        } catch (error) {
          assert(error instanceof RangeError, String(error));
          refused++;
        }
      },
    ),
    { numRuns: 3000, verbose: 1 },
  );
  assertGreater(refused, 1000);
});

Deno.test("files that change while they are packed never tear the image", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", [["d", directory()]]);
  for (let n = 0; n < 40; n++) Deno.writeTextFileSync(`${path}/d/f${n}`, "start");
  for (let n = 0; n < 3; n++) Deno.writeFileSync(`${path}/d/large${n}`, new Uint8Array(20 << 20));
  const script = `
import os, random, sys
root = sys.argv[1]
sys.stdout.write("go\\n"); sys.stdout.flush()
random.seed(5)
while True:
    name = root + "/d/" + random.choice(["f%d" % random.randrange(40), "large%d" % random.randrange(3)])
    act = random.randrange(7)
    try:
        if act == 0: open(name, "w").write("x" * random.randrange(200000))
        elif act == 1: open(name, "a").write("y" * random.randrange(200000))
        elif act == 2: os.truncate(name, random.randrange(100))
        elif act == 3: os.unlink(name); open(name, "w").write("new")
        elif act == 4: os.unlink(name); os.mkdir(name); open(name + "/in", "w").write("i"); os.unlink(name + "/in"); os.rmdir(name)
        elif act == 5: os.unlink(name); os.symlink("/etc/passwd", name); os.unlink(name); os.mkfifo(name); os.unlink(name)
        else: os.link(name, name + ".l"); os.rename(name + ".l", name + ".m"); os.unlink(name + ".m")
    except OSError: pass
`;
  const writer = new Deno.Command(PYTHON, { args: ["-c", script, path], stdout: "piped" })
    .spawn();
  const images = [];
  try {
    const reader = writer.stdout.getReader();
    await reader.read();
    await reader.cancel();
    for (let n = 0; n < 6; n++) images.push(await fixture.pack("w"));
  } finally {
    writer.kill("SIGKILL");
    await writer.status;
  }
  for (const image of images) {
    const [byIndex, byLayers] = [
      await fixture.restored(image),
      await fixture.restored(image, { index: false }),
    ];
    assertEquals(withoutExtents(byIndex), withoutExtents(byLayers));
    await assertPeersAgree(fixture, image);
    const leaked = byIndex.filter(({ type, path }) =>
      type === "file" && !path.includes("/f") && !path.includes("/large")
    );
    assertEquals(leaked, []);
  }
  const calm = await fixture.pack("w");
  const wanted = (await readTree(path)).filter(({ type }) => type !== "socket");
  assertEquals(withoutExtents(await fixture.restored(calm)), withoutExtents(wanted));
  await assertPeersAgree(fixture, calm);
});

Deno.test("a pack whose layers cannot be stored fails with that error and leaves nothing", async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", TREE);
  const failure = new DaemonError("UNAVAILABLE", "the store is out of reach");
  await assertFails(
    fixture.content.pack({ area: "workspaces", name: "w" }, {
      baseline: "w",
      reuse: [],
      onLayer: () => Promise.reject(failure),
    }),
    "UNAVAILABLE",
    "out of reach",
  );
  assertEquals(namesIn(fixture.areas.spool), []);
  assertEquals(namesIn(fixture.areas.baselines), []);
});

Deno.test("a pack that is cancelled is ABORTED and leaves nothing", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  for (let n = 0; n < 500; n++) Deno.writeFileSync(`${path}/f${n}`, new Uint8Array(100_000));
  const abort = new AbortController();
  const packing = fixture.pack("w", { signal: abort.signal });
  abort.abort();
  await assertFails(packing, "ABORTED", "cancelled");
  assertEquals(namesIn(fixture.areas.spool), []);
  assertEquals(namesIn(fixture.areas.baselines), []);
  await assertPeersAgree(fixture, await fixture.pack("w"));
});

Deno.test("packs and restores side by side do not disturb each other", async () => {
  await using fixture = new ImageFixture();
  const ids = ["w0", "w1", "w2", "w3"];
  for (const id of ids) await fixture.publish(id, [...TREE, [id, file(id)]]);
  const images = await Promise.all(
    ids.map((id) =>
      fixture.content.pack({ area: "workspaces", name: id }, {
        reuse: [],
        onLayer: async ({ digest, file }) => {
          await Deno.rename(join(fixture.areas.spool, file.path), fixture.blobPath(digest));
        },
      })
    ),
  );
  for (const { newIndex } of images) {
    const { digest, file } = newIndex!;
    await Deno.rename(join(fixture.areas.spool, file.path), fixture.blobPath(digest));
  }
  const restored = await Promise.all(images.map((image) => fixture.restored(image)));
  for (const [n, id] of ids.entries()) {
    const wanted = await readTree(join(fixture.areas.workspaces, id));
    assertEquals(withoutExtents(restored[n]!), withoutExtents(wanted));
    await assertPeersAgree(fixture, images[n]!);
  }
});

Deno.test("a file that the daemon may not read fails the pack, naming it", {
  ignore: IS_ROOT,
}, async () => {
  await using fixture = new ImageFixture();
  await fixture.publish("w", [["secret", file("s", { mode: 0o000 })]]);
  await assertFails(fixture.pack("w"), "FAILED_PRECONDITION", '"secret" is closed to');
});
