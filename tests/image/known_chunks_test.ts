import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { ChunkList, ChunkListBuilder } from "../../src/image/chunk_list.ts";
import { KnownChunks } from "../../src/image/known_chunks.ts";

function digestOf(n: number): Uint8Array {
  return new Uint8Array(createHash("sha256").update(String(n)).digest());
}

Deno.test("a list of chunks comes back as it was built", () => {
  const builder = new ChunkListBuilder();
  for (let n = 0; n < 100; n++) builder.add(digestOf(n), { pack: n % 7, offset: 3 * n }, n + 1);
  const list = new ChunkList(builder.bytes.slice());
  assertEquals(list.count, 100);
  list.setPlace(50, { pack: 0xffff_fffe, offset: 0xffff_ffff });
  const at = (n: number) => [list.digest(n), list.pack(n), list.offset(n), list.length(n)];
  assertEquals(at(99), [digestOf(99), 1, 297, 100]);
  assertEquals(at(50), [digestOf(50), 0xffff_fffe, 0xffff_ffff, 51]);
});

Deno.test("of many known chunks each is found by digest and length, the first place of it counts", () => {
  const known = new KnownChunks();
  const count = 50_000;
  for (let n = 0; n < count; n++) known.add(digestOf(n), { pack: n, offset: 2 * n }, 1000);
  known.add(digestOf(7), { pack: 1, offset: 1 }, 1000);
  assertEquals(known.count, count);
  for (const n of [0, 7, 16_384, count - 1]) {
    assertEquals(known.find(digestOf(n), 1000), { pack: n, offset: 2 * n });
  }
  assertEquals(known.find(digestOf(7), 1001), undefined);
  known.set(digestOf(7), { pack: 3, offset: 4 }, 1000);
  assertEquals(known.find(digestOf(7), 1000), { pack: 3, offset: 4 });
  assertEquals(known.find(digestOf(count), 1000), undefined);
});

Deno.test("chunks of packs that are not to be used are unknown", () => {
  const builder = new ChunkListBuilder();
  for (let n = 0; n < 4; n++) builder.add(digestOf(n), { pack: n, offset: n }, 10);
  const known = new KnownChunks();
  known.addList(new ChunkList(builder.bytes), (pack) => pack % 2 === 1);
  assertEquals(known.count, 2);
  assertEquals(known.find(digestOf(2), 10), undefined);
  assertEquals(known.find(digestOf(3), 10), { pack: 3, offset: 3 });
});
