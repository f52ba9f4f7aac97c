import { assert, assertEquals } from "@std/assert";
import { Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import { addWarning, WARNING_KEY, warningsIn } from "../../src/wire/mod.ts";

const MAX_BYTES = 512;

function sent(...messages: string[]): string[] {
  const metadata = new Metadata();
  for (const message of messages) addWarning(metadata, message);
  return warningsIn(metadata);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

Deno.test("warnings come back in their order, as they were", () => {
  assertEquals(sent(), []);
  assertEquals(sent("größer", "", "zweite\nZeile"), ["größer", "", "zweite\nZeile"]);
});

Deno.test("a warning of 512 bytes is whole, a longer one is cut to them", () => {
  const longest = "a".repeat(MAX_BYTES);
  assertEquals(sent(longest), [longest]);
  assertEquals(sent(`${longest}b`), [longest]);
});

Deno.test("a warning is cut between characters, however many bytes they have", () => {
  for (const character of ["ö", "€", "😀"]) {
    for (let before = 0; before < 4; before++) {
      const start = "a".repeat(before);
      const fitting = Math.floor((MAX_BYTES - before) / bytesOf(character));
      assertEquals(sent(start + character.repeat(MAX_BYTES)), [start + character.repeat(fitting)]);
    }
  }
});

Deno.test("any text is sent as the longest part of it that fits", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 100, maxLength: 700 }), (text) => {
      const [warning] = sent(`wsdaemon: ${text}`);
      assert(`wsdaemon: ${text}`.startsWith(warning!));
      const next = [...`wsdaemon: ${text}`.slice(warning!.length)][0];
      assert(bytesOf(warning!) <= MAX_BYTES);
      assert(next === undefined || bytesOf(warning! + next) > MAX_BYTES);
    }),
    { numRuns: 30 },
  );
});

Deno.test("half a surrogate pair is sent as the replacement character", () => {
  assertEquals(sent("a\ud83d", "\ude00b"), ["a\ufffd", "\ufffdb"]);
});

Deno.test("after the eighth warning none is added", () => {
  const messages = Array.from({ length: 10 }, (_, n) => `warning ${n}`);
  assertEquals(sent(...messages), messages.slice(0, 8));
});

Deno.test("the longest warnings fit into the 8 KiB of metadata that clients take", () => {
  const metadata = new Metadata();
  for (let n = 0; n < 10; n++) addWarning(metadata, "€".repeat(MAX_BYTES));
  const headers = Object.entries(metadata.toHttp2Headers());
  const size = headers.flatMap(([key, values]) =>
    [values].flat().map((value) => key.length + String(value).length + 32)
  ).reduce((sum, length) => sum + length, 0);
  assert(size < 8192, `${size} bytes of ${WARNING_KEY}`);
});
