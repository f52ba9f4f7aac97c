import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { decimalTime } from "../../src/archive/numbers.ts";
import { parsePax } from "../../src/archive/pax_reader.ts";
import { PaxWriter } from "../../src/archive/pax_writer.ts";

const records = fc.array(
  fc.tuple(
    fc.stringMatching(/^[A-Za-z.\u00e0-\u00ff]{1,30}$/),
    fc.uint8Array({ maxLength: 1100 }),
  ),
  { maxLength: 6 },
);

Deno.test("records read as what was written, however long and whatever their bytes", () => {
  const writer = new PaxWriter();
  fc.assert(fc.property(records, (written) => {
    for (const [key, value] of written) writer.addBytes(key, value);
    const { records } = parsePax(writer.take());
    assertEquals([...records], [...new Map(written)]);
  }));
});

Deno.test("a record's length counts itself, where it gets another digit too", () => {
  const writer = new PaxWriter();
  for (let length = 0; length < 1100; length++) {
    writer.add("k", "v".repeat(length));
    const text = new TextDecoder().decode(writer.take());
    assertEquals(parseInt(text), text.length, `a value of ${length} bytes`);
  }
});

Deno.test("a time reads as what was written, before 1970 too", () => {
  const writer = new PaxWriter();
  const sec = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger());
  const nsec = fc.oneof(fc.constantFrom(0, 1, 999_999_999), fc.nat(999_999_999));
  fc.assert(fc.property(sec, nsec, (sec, nsec) => {
    writer.addTime("mtime", sec, nsec);
    const value = parsePax(writer.take()).records.get("mtime")!;
    assertEquals(decimalTime(value, "mtime"), BigInt(sec) * 1_000_000_000n + BigInt(nsec));
  }));
});
