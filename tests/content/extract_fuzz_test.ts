/** Damaged archives: an error that says so or a contained tree, and always an end. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "@std/path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { joinBytes } from "../../src/archive/bytes.ts";
import { DaemonError } from "../../src/errors.ts";
import { archive, entry, GNU_MAGIC, long, padded, pax } from "../archive/build.ts";
import { testFolder } from "../fixtures/folder.ts";
import { extractTo, folderIn } from "./extract_fixture.ts";

/** The headers of everything, each entry's beginning with what extends it: damage meets every parser. */
const members: readonly Uint8Array[][] = [[
  pax({ comment: "global", mtime: "5.5" }, "g"),
], [
  entry({ name: "d/", type: "5" }),
], [
  entry({ name: "d/f" }, "content".repeat(100)),
], [
  pax({ path: "d/long", uid: "5", size: "3", "SCHILY.xattr.user.a": "b" }),
  entry({ name: "short" }, "abc"),
], [
  long("L", "d/" + "n".repeat(120)),
  long("K", "t".repeat(120)),
  entry({ name: "short", type: "2", magic: GNU_MAGIC }),
], [
  entry({ name: "h", type: "1", link: "d/f" }),
], [
  entry({ name: "p", type: "6" }),
], [
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
], [
  pax({ "GNU.sparse.map": "1,2,3,1", "GNU.sparse.size": "9" }),
  entry({ name: "s1" }, "xyz"),
], [
  entry({
    name: "s2",
    type: "S",
    magic: GNU_MAGIC,
    patch: [[386, "00000000000\0"], [398, "00000000002\0"], [483, "00000000100\0"]],
  }, "hi"),
]];

const valid = archive(...members.flat());

/** Where an entry ends, so that an archive may end there too: as GNU tar has it, without a marker. */
const entryEnds = new Set(
  members.map((_, n) => joinBytes(...members.slice(0, n + 1).flat()).length),
);

/** Bytes that parsers care about, besides any other. */
const interesting = fc.constantFrom(0, 0x0a, 0x20, 0x2e, 0x2f, 0x30, 0x37, 0x3d, 0x78, 0x80, 0xff);
const damage = fc.array(
  fc.tuple(fc.nat(valid.length - 1), fc.oneof(interesting, fc.nat(255))),
  { minLength: 1, maxLength: 6 },
);

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

/** Extracts in a folder of its own. @returns whether it was accepted */
async function attempt(
  folder: string,
  bytes: Uint8Array,
  compression: "none" | "gzip" | "zstd" = "none",
): Promise<boolean> {
  const into = await folderIn(folder, "tree");
  try {
    await extractTo(into, bytes, { compression, limitBytes: 1 << 20 });
    return true;
  } catch (error) {
    assert(error instanceof DaemonError, String(error));
    const codes = ["FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"];
    assert(codes.includes(error.code), `${error.code}: ${error.message}`);
    return false;
  } finally {
    await Deno.remove(into, { recursive: true });
  }
}

Deno.test("extract survives archives damaged anywhere, and stays in its tree", async () => {
  using folder = testFolder();
  await Deno.writeTextFile(join(folder.path, "sentinel"), "untouched");
  assert(await attempt(folder.path, valid));
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(damage, fc.boolean(), async (changes, mend) => {
      const bytes = valid.slice();
      for (const [at, byte] of changes) bytes[at] = byte;
      if (await attempt(folder.path, mend ? resum(bytes) : bytes)) accepted++;
      assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["sentinel"]);
    }),
    { numRuns: 250 },
  );
  // Damage that nothing notices shows that the rest was not all refused for one reason.
  assert(accepted > 0);
});

Deno.test("extract refuses archives that end early, anywhere but after an entry", async () => {
  using folder = testFolder();
  const cuts = new Set<number>();
  const end = valid.length - 1024;
  for (let block = 0; block <= end; block += 512) {
    for (const cut of [block - 1, block, block + 1, block + 100]) cuts.add(cut);
  }
  for (const cut of cuts) {
    if (cut < 0 || cut > end) continue;
    const accepted = await attempt(folder.path, valid.subarray(0, cut));
    assertEquals(accepted, entryEnds.has(cut), `cut at ${cut}`);
  }
});

for (
  const [compression, compressed] of [
    ["gzip", gzipSync(valid)],
    ["zstd", zstdCompressSync(valid)],
  ] as const
) {
  Deno.test(`extract refuses ${compression} streams that end early, wherever`, async () => {
    using folder = testFolder();
    assert(await attempt(folder.path, compressed, compression));
    const step = Math.ceil(compressed.length / 60);
    for (let cut = 0; cut < compressed.length; cut += cut < 20 ? 1 : step) {
      const bytes = compressed.subarray(0, cut);
      assertEquals(await attempt(folder.path, bytes, compression), false, `cut at ${cut}`);
    }
    for (let cut = 1; cut < 12; cut++) {
      const bytes = compressed.subarray(0, compressed.length - cut);
      assertEquals(await attempt(folder.path, bytes, compression), false, `${cut} bytes short`);
    }
  });

  Deno.test(`extract survives ${compression} streams damaged anywhere`, async () => {
    using folder = testFolder();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(compressed.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const bytes = new Uint8Array(compressed);
          bytes[at] = bytes[at]! ^ flip;
          await attempt(folder.path, bytes, compression);
        },
      ),
      { numRuns: 120 },
    );
  });
}
