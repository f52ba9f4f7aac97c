import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { joinBytes } from "../../src/archive/bytes.ts";
import { type Compression, decompress } from "../../src/archive/decompress.ts";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { slowSource } from "./read_all.ts";

async function all(
  compression: Compression,
  bytes: Uint8Array,
  piece = 1 << 20,
  into = 10_000,
): Promise<Uint8Array> {
  const source = await decompress(slowSource(bytes, piece), compression);
  const parts: Uint8Array[] = [];
  for (;;) {
    const buffer = new Uint8Array(into);
    const count = source.read(buffer);
    if (count === 0) break;
    parts.push(buffer.subarray(0, count));
  }
  assertEquals(source.read(new Uint8Array(1)), 0);
  return joinBytes(...parts);
}

const data = new Uint8Array(400_000).map((_, i) => (i * 7919 >> 5) & 255);
const zstd = zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
const gzip = gzipSync(data);
const SKIPPABLE = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9);
const zeros = new Uint8Array(70_000);

for (const [compression, compressed] of [["gzip", gzip], ["zstd", zstd]] as const) {
  Deno.test(`decompress reads ${compression} in pieces of any size`, async () => {
    for (const [piece, into] of [[1, 100_000], [3000, 7], [1 << 20, 1 << 20]] as const) {
      assertEquals(await all(compression, compressed, piece, into), data);
    }
  });

  Deno.test(`decompress reads ${compression} streams that follow each other, and padding`, async () => {
    const twice = joinBytes(data, data);
    assertEquals(await all(compression, joinBytes(compressed, compressed)), twice);
    assertEquals(await all(compression, joinBytes(compressed, compressed, zeros), 100), twice);
  });

  Deno.test(`decompress refuses ${compression} that is damaged, ends early, or goes on as something else`, async () => {
    const flip = (at: number) => {
      const bytes = new Uint8Array(compressed);
      const index = at < 0 ? bytes.length + at : at;
      bytes[index] = bytes[index]! ^ 1;
      return bytes;
    };
    const cases: [bytes: Uint8Array, problem: string, says: string][] = [
      [new Uint8Array(), "truncated", "offset 0"],
      [zeros, "malformed", "offset"],
      [compressed.subarray(0, 3), "truncated", "offset 3"],
      [compressed.subarray(0, -1), "truncated", `offset ${compressed.length - 1}`],
      [compressed.subarray(0, -9), "truncated", `offset ${compressed.length - 9}`],
      [joinBytes(compressed, compressed.subarray(0, 9)), "truncated", "not complete"],
      [flip(0), "malformed", "near offset"],
      [flip(compressed.length >> 1), "malformed", "near offset"],
      [flip(-1), "malformed", "check"],
      [joinBytes(compressed, Uint8Array.of(9, 9, 9, 9, 9)), "malformed", "near offset"],
      [joinBytes(compressed, zeros, Uint8Array.of(9)), "malformed", "follows the padding"],
    ];
    for (const [bytes, problem, says] of cases) {
      const error = await assertRejects(() => all(compression, bytes), ArchiveError, says);
      assertEquals(error.problem, problem);
      assertStringIncludes(error.message, compression);
    }
  });
}

Deno.test("decompress checks gzip's checksum and length", async () => {
  for (const [from, what] of [[-8, "data check"], [-4, "length check"]] as const) {
    const bytes = new Uint8Array(gzip);
    bytes[bytes.length + from] = bytes[bytes.length + from]! ^ 1;
    await assertRejects(() => all("gzip", bytes), ArchiveError, what);
  }
});

Deno.test("decompress skips zstd's skippable frames", async () => {
  const bytes = joinBytes(SKIPPABLE, zstd, SKIPPABLE, SKIPPABLE, zstd, SKIPPABLE);
  for (const piece of [1, 1000, 1 << 20]) {
    assertEquals(await all("zstd", bytes, piece), joinBytes(data, data));
  }
});

Deno.test("decompress reads zstd frames of unknown size and windows up to 128 MiB, no larger ones", async () => {
  const long = async (windowLog: number) => {
    const child = new Deno.Command("zstd", {
      args: ["-q", "-c", `--long=${windowLog}`],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const output = child.output();
    await new Blob([data]).stream().pipeTo(child.stdin);
    return (await output).stdout;
  };
  assertEquals(await all("zstd", await long(27)), data);
  await assertRejects(
    async () => await all("zstd", await long(28)),
    ArchiveError,
    "window exceeds",
  );
});

Deno.test("decompress leaves uncompressed bytes alone", async () => {
  assertEquals(await all("none", data), data);
});
