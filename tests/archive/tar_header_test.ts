import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { HeaderEncoder, type WrittenEntry } from "../../src/archive/tar_header.ts";
import { joinBytes } from "../../src/archive/bytes.ts";
import { readAll } from "./read_all.ts";

const END = new Uint8Array(1024);
const encoder = new TextEncoder();

const time = fc.record({
  sec: fc.oneof(
    fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    fc.integer({ min: -2, max: 2 }),
  ),
  nsec: fc.oneof(fc.constantFrom(0, 1, 999_999_999), fc.integer({ min: 0, max: 999_999_999 })),
});
/** Names of one to a few hundred bytes, short and long for the header's fields. */
const path = fc.array(fc.stringMatching(/^[a-z0-9é]{1,60}$/), { minLength: 1, maxLength: 8 })
  .map((parts) => encoder.encode(parts.join("/")));
const number = fc.oneof(
  fc.integer({ min: 0, max: 0o7777777 }),
  fc.integer({ min: 0, max: 2 ** 32 - 2 }),
);

const entry = fc.record({
  path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: number,
  gid: number,
  mtime: time,
});

function written(fields: Pick<WrittenEntry, "path" | "mode" | "uid" | "gid" | "mtime">) {
  return { type: "file", size: 0, ...fields } as const;
}

Deno.test("a header reads as what it was given, nanoseconds before 1970 included", () => {
  const headers = new HeaderEncoder();
  fc.assert(fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), (entries) => {
    const bytes = entries.map((one) => headers.encode(written(one)).slice());
    const read = readAll(joinBytes(...bytes, END));
    assertEquals(
      read.map(({ path, mode, uid, gid, mtime }) => ({ path, mode, uid, gid, mtime })),
      entries.map(({ path, mode, uid, gid, mtime }) => ({
        path,
        mode,
        uid,
        gid,
        mtime: BigInt(mtime.sec) * 1_000_000_000n + BigInt(mtime.nsec),
      })),
    );
  }));
});

Deno.test("a size has its eleven octal digits, on both sides of what ten can say", () => {
  const headers = new HeaderEncoder();
  const path = new TextEncoder().encode("f");
  const owner = { mode: 0o644, uid: 0, gid: 0, mtime: { sec: 0, nsec: 0 } };
  for (const size of [0, 7, 8, 8 ** 10 - 1, 8 ** 10, 8 ** 10 + 1, 5 * 8 ** 10 + 9, 8 ** 11 - 1]) {
    const bytes = headers.encode({ type: "file", path, size, ...owner });
    const field = new TextDecoder().decode(bytes.subarray(124, 135));
    assertEquals(field, size.toString(8).padStart(11, "0"), `${size}`);
  }
});
