/** Restoring without an index what no honest packing makes, or only a large workspace does. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { zstdCompressSync } from "node:zlib";
import { DaemonError } from "../../src/errors.ts";
import { digestOf, hexOf } from "../../src/digest.ts";
import { archive, entry, padded, pax } from "../archive/build.ts";
import { joinBytes } from "../../src/archive/bytes.ts";
import { readTree, type TreeEntry } from "../fixtures/tree.ts";
import { ImageFixture } from "./image_fixture.ts";
import { assertFails, ME, namesIn } from "./fixture.ts";

/** Puts a layer into the store, and an index that is never read. */
function imageOf(fixture: ImageFixture, tar: Uint8Array, blob: Uint8Array = zstdCompressSync(tar)) {
  const digest = digestOf(blob);
  Deno.writeFileSync(join(fixture.areas.blobs, hexOf(digest)), blob);
  const layer = { digest, size: blob.length, diffId: digestOf(tar) };
  return { layers: [layer], index: { digest, size: blob.length } };
}

Deno.test("layers of ours may have attributes that no foreign archive may", async () => {
  await using fixture = new ImageFixture(1);
  const records = Object.fromEntries(
    Array.from({ length: 200 }, (_, n) => [`note.${n}`, "x".repeat(8000)]),
  );
  const image = imageOf(fixture, archive(pax(records), entry({ name: "f" }, "content")));
  const { path } = await fixture.restore(image, { index: false });
  assertEquals(Deno.readTextFileSync(join(path, "f")), "content");
  await assertFails(
    fixture.restore(image, { index: false, trusted: false }),
    "DATA_LOSS",
    "extension header",
  );
});

Deno.test("layers of ours may be deeper than foreign archives, which are refused", async () => {
  await using fixture = new ImageFixture(1);
  const image = imageOf(
    fixture,
    archive(pax({ path: "d/".repeat(1500) + "f" }), entry({ name: "f" })),
  );
  const { files, tree } = await fixture.restore(image, { index: false });
  assertEquals(files, 1);
  await fixture.content.remove(tree);
  await assertFails(
    fixture.restore(image, { index: false, trusted: false }),
    "FAILED_PRECONDITION",
    "directories deep",
  );
});

/** One of everything that an entry can be. */
const valid = archive(
  entry({ name: "d/", type: "5" }),
  entry({ name: "d/f" }, "content".repeat(20)),
  pax({ path: "d/long", "SCHILY.xattr.user.a": "b" }),
  entry({ name: "short" }, "abc"),
  entry({ name: "l", type: "2", link: "d" }),
  entry({ name: "h", type: "1", link: "d/f" }),
  entry({ name: ".wh.gone" }),
  pax({ "WSDAEMON.path": ".wh.real" }),
  entry({ name: ".wsdaemon.wh.0" }, "real"),
  pax({
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": "sparse",
    "GNU.sparse.realsize": "5000",
  }),
  entry(
    { name: "s" },
    joinBytes(padded("2\n0\n3\n4000\n4\n"), new TextEncoder().encode("abcdefg")),
  ),
);

const damage = (length: number) =>
  fc.array(fc.tuple(fc.nat(length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 });

function damaged(bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  const copy = new Uint8Array(bytes);
  for (const [at, byte] of changes) copy[at] = byte;
  return copy;
}

/** Makes checksums right again, so that damage gets past them. */
function resum(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (String.fromCharCode(...block.subarray(257, 262)) !== "ustar") continue;
    block.fill(0x20, 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0") + "\0 "), 148);
  }
  return bytes;
}

/**
 * Restores an image that may be damaged, and takes it away again.
 * @returns the tree; `undefined` where it was refused as what it is
 */
async function attempt(
  fixture: ImageFixture,
  image: ReturnType<typeof imageOf>,
): Promise<TreeEntry[] | undefined> {
  const into = await fixture.content.create(ME);
  try {
    const { path } = await fixture.restore(image, { index: false, into, limitBytes: 1 << 20 });
    return await readTree(path);
  } catch (error) {
    assert(error instanceof DaemonError, String(error));
    const codes = ["DATA_LOSS", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"];
    assert(codes.includes(error.code), `${error.code}: ${error.message}`);
    return undefined;
  } finally {
    await fixture.content.remove(into);
    assertEquals(namesIn(fixture.areas.staging), []);
    Deno.removeSync(join(fixture.areas.blobs, hexOf(image.layers[0]!.digest)));
  }
}

Deno.test("a layer that is damaged, though its digests fit, is restored or refused", async () => {
  await using fixture = new ImageFixture(1);
  assert(await attempt(fixture, imageOf(fixture, valid)));
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(damage(valid.length), fc.boolean(), async (changes, mend) => {
      const tar = damaged(valid, changes);
      if (await attempt(fixture, imageOf(fixture, mend ? resum(tar) : tar))) accepted++;
    }),
    { numRuns: 150 },
  );
  // Damage that nothing notices shows that the rest was not all refused for one reason.
  assert(accepted > 0);
});

Deno.test("a layer whose compressed stream is damaged is never restored as another tree", async () => {
  await using fixture = new ImageFixture(1);
  const whole = await attempt(fixture, imageOf(fixture, valid));
  const blob = zstdCompressSync(valid);
  await fc.assert(
    fc.asyncProperty(damage(blob.length), async (changes) => {
      const tree = await attempt(fixture, imageOf(fixture, valid, damaged(blob, changes)));
      if (tree) assertEquals(withoutTop(tree), withoutTop(whole!));
    }),
    { numRuns: 60 },
  );
});

/** No entry describes the top folder, so that it has the times of the restore. */
function withoutTop(tree: TreeEntry[]): TreeEntry[] {
  return tree.filter(({ path }) => path !== ".");
}
