import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Arena, blocksOf } from "../../src/image/arena.ts";
import { BlockBuilder } from "../../src/image/block_builder.ts";
import { FLAG, KIND, RECORD } from "../../src/image/layout.ts";
import { buildBlock, bytes, sampleStats, textOf } from "./fixture.ts";

const stats = sampleStats();
const { file, directory, symlink } = stats;

const name = fc.stringMatching(/^[a-zé]{1,40}$/);
const xattr = fc.record({
  name: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  value: fc.uint8Array({ maxLength: 300 }),
});
const entry = fc.record({
  name,
  link: fc.uint8Array({ maxLength: 200 }),
  xattrs: fc.array(xattr, { maxLength: 3 }),
  location: fc.record({ layer: fc.nat(9), offset: fc.nat(), stored: fc.nat() }),
});

Deno.test("a block reads as what was added to it, and nothing of the block before it", () => {
  const builder = new BlockBuilder(new Arena());
  fc.assert(fc.property(name, fc.array(entry, { maxLength: 8 }), (path, entries) => {
    const block = buildBlock(
      builder,
      path,
      directory,
      entries.map((one) => ({ stat: file, flags: FLAG.linked, ...one })),
    );
    assertEquals([textOf(block.path), block.count], [path, entries.length]);
    assertEquals(block.kind(block.self), KIND.directory);
    entries.forEach((one, n) => {
      const record = block.first + n * RECORD;
      assertEquals({
        name: textOf(block.name(record)),
        link: block.link(record).slice(),
        xattrs: block.xattrs(record),
        location: {
          layer: block.layer(record),
          offset: block.offset(record),
          stored: block.stored(record),
        },
      }, one);
      assertEquals(
        [block.flags(record), block.size(record), block.ino(record), block.mtime(record)],
        [FLAG.linked, file.size, file.ino, file.mtime],
      );
      assert(block.isUnchanged(record, file));
    });
  }));
});

Deno.test("a block of more records than a chunk holds keeps them all, and each is found", () => {
  const names = Array.from({ length: 9000 }, (_, n) => `${n}`.padStart(5, "0"));
  const entries = names.map((name) => ({ stat: symlink, name, link: bytes(`to ${name}`) }));
  const block = buildBlock(new BlockBuilder(new Arena()), "", directory, entries);
  assertEquals(block.count, names.length);
  for (const name of names) {
    const record = block.find(bytes(name));
    assert(record !== undefined, name);
    assertEquals(textOf(block.link(record)), `to ${name}`);
  }
  for (const name of ["", "0", "00000x", "99999"]) {
    assertEquals(block.find(bytes(name)), undefined);
  }
});

Deno.test("an arena hands out every block that was built in it, small and large", () => {
  const arena = new Arena();
  const builder = new BlockBuilder(arena);
  const sizes = [0, 1, 3000, 2, 20_000, 0, 7];
  sizes.forEach((count, n) => {
    const entries = Array.from({ length: count }, (_, i) => ({ stat: file, name: `${i}` }));
    buildBlock(builder, `${n}`, directory, entries);
  });
  assertEquals(
    blocksOf(arena.buffers).map((block) => [textOf(block.path), block.count]),
    sizes.map((count, n) => [`${n}`, count]),
  );
});

Deno.test("a copied record says the same with another link, an omitted one has no other names", () => {
  const builder = new BlockBuilder(new Arena());
  const from = buildBlock(builder, "from", directory, [
    { stat: file, name: "f", flags: FLAG.linked, link: bytes("old") },
  ]);
  builder.begin(bytes("to"));
  builder.copy(from, from.self);
  builder.copy(from, from.first, bytes("another"));
  builder.copyOmitted(from, from.first);
  const to = builder.finish();
  const [copied, omitted] = [to.first, to.first + RECORD];
  assertEquals(textOf(to.link(copied)), "another");
  assertEquals([to.flags(copied), to.flags(omitted)], [FLAG.linked, 0]);
  assertEquals([to.ino(copied), to.size(omitted)], [file.ino, file.size]);
});

Deno.test("a file's digest stands behind its attributes, and goes with copies of its record", () => {
  const builder = new BlockBuilder(new Arena());
  const digest = crypto.getRandomValues(new Uint8Array(32));
  const xattrs = [{ name: bytes("user.a"), value: bytes("b") }];
  const flags = FLAG.digest | FLAG.displaced;
  const from = buildBlock(builder, "from", directory, [
    { stat: file, name: "known", content: digest, xattrs, flags },
    { stat: file, name: "unknown", xattrs },
  ]);
  builder.begin(bytes("to"));
  builder.copy(from, from.self);
  for (const n of [0, 1]) builder.copy(from, from.first + n * RECORD);
  for (const block of [from, builder.finish()]) {
    const [known, unknown] = [block.first, block.first + RECORD];
    assertEquals(block.digest(known)?.slice(), digest);
    assertEquals(block.digest(unknown), undefined);
    assertEquals([block.isDisplaced(known), block.isDisplaced(unknown)], [true, false]);
    for (const record of [known, unknown]) assertEquals(block.xattrs(record), xattrs);
  }
});

Deno.test("an entry that was read too soon after its change is never taken for unchanged", () => {
  const block = buildBlock(new BlockBuilder(new Arena()), "", directory, [
    { stat: file, name: "racy", racy: true },
    { stat: file, name: "settled" },
  ]);
  assertEquals(
    [block.first, block.first + RECORD].map((record) => block.isUnchanged(record, file)),
    [false, true],
  );
});
