import { assertEquals, assertRejects } from "@std/assert";
import { joinBytes } from "../../src/archive/bytes.ts";
import type { Extent } from "../../src/extent.ts";
import { expanded, type FileContent } from "../../src/inspect/file_content.ts";

/** A file whose data comes in these chunks. */
function content(size: number, chunks: readonly string[], extents?: readonly Extent[]) {
  return {
    size,
    ...(extents ? { extents } : {}),
    *data() {
      for (const chunk of chunks) yield new TextEncoder().encode(chunk);
    },
  } satisfies FileContent;
}

async function read(file: FileContent): Promise<string> {
  return new TextDecoder().decode(joinBytes(...await Array.fromAsync(expanded(file))));
}

Deno.test("a file without holes is read as it is stored", async () => {
  assertEquals(await read(content(6, ["abc", "def"])), "abcdef");
});

Deno.test("holes are zeros, however the data is divided into chunks", async () => {
  const extents = [{ offset: 2, length: 3 }, { offset: 6, length: 1 }];
  for (const chunks of [["abcd"], ["a", "bc", "d"], ["ab", "", "cd"]]) {
    assertEquals(await read(content(9, chunks, extents)), "\0\0abc\0d\0\0");
  }
  assertEquals(await read(content(3, [], [])), "\0\0\0");
});

Deno.test("a hole that is longer than a chunk is whole", async () => {
  const size = (5 << 20) + 7;
  const file = content(size, ["x"], [{ offset: size - 1, length: 1 }]);
  let length = 0;
  let last = new Uint8Array();
  for await (const chunk of expanded(file)) {
    length += chunk.length;
    last = chunk.slice();
  }
  assertEquals([length, [...last]], [size, [0x78]]);
});

Deno.test("a sparse file with less data than its map is refused", async () => {
  const file = content(4, ["ab"], [{ offset: 0, length: 3 }]);
  await assertRejects(() => read(file), RangeError, "less data");
});
