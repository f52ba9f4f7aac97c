import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { joinBytes } from "../../src/archive/bytes.ts";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { bytesSource } from "../../src/archive/byte_source.ts";
import { binaryBytes } from "../../src/archive/pax_reader.ts";
import { MAX_PATH_BYTES } from "../../src/archive/tar_entry.ts";
import { MAX_EXTENSION_BYTES } from "../../src/archive/tar_grammar.ts";
import { TarReader } from "../../src/archive/tar_reader.ts";
import {
  archive,
  base256,
  entry,
  type Fields,
  GNU_MAGIC,
  header,
  long,
  padded,
  pax,
  record,
  utf8,
  V7_MAGIC,
} from "./build.ts";
import { readAll } from "./read_all.ts";

const only = (bytes: Uint8Array) => {
  const entries = readAll(bytes);
  assertEquals(entries.length, 1);
  return entries[0]!;
};

Deno.test("TarReader takes names from the header in every dialect", () => {
  const prefix = "p".repeat(154);
  const cases: [Fields, string][] = [
    [{ name: "v7", magic: V7_MAGIC, prefix: "ignored" }, "v7"],
    [{ name: "ustar" }, "ustar"],
    [{ name: "ustar", prefix: "some/prefix" }, "some/prefix/ustar"],
    [{ name: "n".repeat(100), prefix }, `${prefix}/${"n".repeat(100)}`],
    [{ name: "gnu", magic: GNU_MAGIC, prefix: "\0times" }, "gnu"],
    [
      {
        name: "star",
        prefix: "short",
        patch: [[476, "00000000000 "], [488, "00000000000 "], [508, "tar\0"]],
      },
      "short/star",
    ],
  ];
  for (const [fields, name] of cases) {
    assertEquals(only(archive(entry(fields, "hello"))).name, name);
  }
});

Deno.test("TarReader lets GNU's long names override the header's and PAX's override those", () => {
  const name = "d/".repeat(300) + "f";
  const target = "t/".repeat(400);
  const fields: Fields = { name: "short", link: "short", type: "2", magic: GNU_MAGIC };
  const gnu = only(archive(long("L", name), long("K", target), entry(fields)));
  assertEquals([gnu.name, gnu.target], [name, target]);
  const both = only(
    archive(long("L", name), pax({ path: "from pax", linkpath: "to" }), entry(fields)),
  );
  assertEquals([both.name, both.target], ["from pax", "to"]);
  const raw = Uint8Array.of(0xff, 0xfe, 0x0a, 0x20);
  assertEquals(only(archive(pax({ path: raw }), entry({ name: "x" }))).path, raw);
});

Deno.test("TarReader reads numbers in octal, base-256 and PAX decimals", () => {
  const e = only(
    archive(
      entry({
        name: "f",
        uid: base256(3_000_000_000n, 8),
        gid: "   777 \0",
        mtime: base256(-2n, 12),
        mode: "0100755\0",
      }),
    ),
  );
  assertEquals([e.uid, e.gid, e.mtime, e.mode], [3_000_000_000, 0o777, -2_000_000_000n, 0o755]);
  const p = only(
    archive(
      pax({ uid: "4294967294", gid: "70000", mtime: "-1.5", size: "3" }),
      joinBytes(header({ name: "f", size: 0 }), padded("abc")),
    ),
  );
  assertEquals([p.uid, p.gid, p.mtime], [4294967294, 70000, -1_500_000_000n]);
  assertEquals(new TextDecoder().decode(p.content), "abc");
  const blank = only(archive(header({ name: "f", uid: "        ", gid: "\0\0\0\0\0\0\0\0" })));
  assertEquals([blank.uid, blank.gid], [0, 0]);
});

Deno.test("TarReader rounds PAX times down to nanoseconds", () => {
  for (
    const [text, expected] of [
      ["1.9999999999", 1_999_999_999n],
      ["-0.0000000001", -1n],
      ["-1.25", -1_250_000_000n],
      ["7.", 7_000_000_000n],
      ["1234567890.123456789", 1_234_567_890_123_456_789n],
    ] as const
  ) {
    assertEquals(only(archive(pax({ mtime: text }), entry({ name: "f" }))).mtime, expected);
  }
});

Deno.test("TarReader keeps global records until they are replaced, under an entry's own", () => {
  const entries = readAll(archive(
    pax({ uid: "7", gid: "8", comment: "one" }, "g"),
    entry({ name: "a" }),
    pax({ uid: "9", gid: "" }),
    entry({ name: "b", gid: 5 }),
    pax({ gid: "" }, "g"),
    entry({ name: "c", gid: 6 }),
  ));
  assertEquals(entries.map(({ uid, gid }) => [uid, gid]), [[7, 8], [9, 5], [7, 6]]);
  assertEquals(entries[2]!.pax.get("comment"), utf8("one"));
});

Deno.test("TarReader hands out every PAX record raw, also of odd keywords and empty values", () => {
  const keyword = joinBytes(utf8("SCHILY.xattr.user."), Uint8Array.of(0xe4, 0xff));
  const value = Uint8Array.of(0, 10, 61, 255);
  const e = only(archive(
    pax(joinBytes(
      record(keyword, value),
      record("SCHILY.xattr.user.empty", ""),
      record("WSDAEMON.thing", "x=y"),
    )),
    entry({ name: "f" }),
  ));
  assertEquals(
    [...e.pax].map(([key, bytes]) => [binaryBytes(key), bytes]),
    [
      [keyword, value],
      [utf8("SCHILY.xattr.user.empty"), new Uint8Array()],
      [utf8("WSDAEMON.thing"), utf8("x=y")],
    ],
  );
});

Deno.test("TarReader knows every type, unknown ones being files and old directories ending in a slash", () => {
  const types = ["0", "\0", "7", "Z", "1", "2", "3", "4", "5", "6", "D"];
  const entries = readAll(
    archive(...types.map((type) => entry({ name: "n", type, link: "l", major: 5, minor: 6 }))),
  );
  assertEquals(entries.map(({ type }) => type), [
    "file",
    "file",
    "file",
    "file",
    "hardlink",
    "symlink",
    "character-device",
    "block-device",
    "directory",
    "fifo",
    "directory",
  ]);
  assertEquals([entries[6]!.devMajor, entries[6]!.devMinor], [5, 6]);
  assertEquals(
    only(archive(entry({ name: "old/", magic: V7_MAGIC, type: "\0" }))).type,
    "directory",
  );
});

Deno.test("TarReader finds the next header whatever size an entry without content claims", () => {
  for (const type of ["1", "2", "3", "4", "5", "6"]) {
    const entries = readAll(
      archive(header({ name: "n", type, link: "l", size: 700 }), entry({ name: "next" }, "x")),
    );
    assertEquals(entries.map(({ name }) => name), ["n", "next"]);
  }
});

Deno.test("TarReader reads a hard link's content where PAX gives it some", () => {
  const content = "c".repeat(700);
  const entries = readAll(archive(
    pax({ mtime: "1" }),
    entry({ name: "link", type: "1", link: "file" }, content),
    entry({ name: "next" }),
  ));
  assertEquals(entries.map(({ name, size }) => [name, size]), [["link", 700], ["next", 0]]);
  assertEquals(entries[0]!.stored, utf8(content));
});

Deno.test("TarReader takes a checksum over signed bytes", () => {
  const name = Uint8Array.of(0xe4, 0xf6, 0xfc);
  const unsigned = header({ name });
  const sum = parseInt(new TextDecoder().decode(unsigned.subarray(148, 154)), 8);
  const signed = header({ name, checksum: (sum - 3 * 256).toString(8).padStart(6, "0") + "\0 " });
  assertEquals(only(archive(signed)).path, name);
});

Deno.test("TarReader ends at zero blocks or where the stream does, and drains what follows", () => {
  const file = entry({ name: "f" }, "x");
  for (
    const end of [
      new Uint8Array(),
      new Uint8Array(300),
      new Uint8Array(512),
      new Uint8Array(1024),
      new Uint8Array(10240),
      joinBytes(new Uint8Array(1024), utf8("anything may stand here")),
      joinBytes(new Uint8Array(512), file),
      new Uint8Array(700),
    ]
  ) {
    assertEquals(readAll(joinBytes(file, end)).length, 1);
  }
  for (const [end, hasData] of [["\0", false], ["x", true]] as const) {
    const reader = new TarReader(bytesSource(joinBytes(file, new Uint8Array(1024), utf8(end))));
    while (reader.next());
    assertEquals(reader.drain(1000), hasData);
  }
  const reader = new TarReader(bytesSource(joinBytes(file, new Uint8Array(10240))));
  while (reader.next());
  assertThrows(() => reader.drain(1000), ArchiveError, "1000 bytes follow");
});

Deno.test("TarReader skips volume labels and reads what follows", () => {
  const label = entry({ name: "label", type: "V", magic: GNU_MAGIC });
  assertEquals(only(archive(label, entry({ name: "f" }))).name, "f");
});

Deno.test("TarReader reads the same whatever pieces its source comes in", () => {
  const bytes = archive(
    pax({ comment: "c".repeat(3000) }),
    entry({ name: "a" }, "a".repeat(2000)),
    long("L", "n".repeat(900)),
    entry({ name: "b", magic: GNU_MAGIC }, "b"),
  );
  const whole = readAll(bytes);
  for (const piece of [1, 7, 511, 512, 513, 4096]) assertEquals(readAll(bytes, piece), whole);
});

Deno.test("TarReader does not hand out more than an entry has, nor skip less", () => {
  const reader = new TarReader(
    bytesSource(archive(entry({ name: "a" }, "abc"), entry({ name: "b" }, "defg"))),
  );
  reader.next();
  const buffer = new Uint8Array(100);
  assertStrictEquals(reader.read(buffer), 3);
  assertStrictEquals(reader.read(buffer), 0);
  reader.next();
  assertStrictEquals(reader.read(buffer.subarray(0, 2)), 2);
  assertStrictEquals(reader.next(), undefined);
  assertStrictEquals(reader.next(), undefined);
});

const refused: [what: string, bytes: Uint8Array, problem: string, message: string][] = [
  ["nothing", new Uint8Array(), "truncated", "offset 0"],
  ["a part of a zero block", new Uint8Array(100), "truncated", "offset 100"],
  [
    "a wrong checksum",
    archive(header({ name: "f", checksum: "000001\0 " })),
    "malformed",
    "offset 0",
  ],
  [
    "a body that ends early",
    entry({ name: "f" }, "x".repeat(900)).subarray(0, 1000),
    "truncated",
    '"f"',
  ],
  ["a header that ends early", entry({ name: "f" }).subarray(0, 500), "truncated", "offset 500"],
  [
    "a negative size",
    archive(header({ name: "f", size: base256(-1n, 12) })),
    "malformed",
    "negative",
  ],
  [
    "a size beyond 53 bits",
    archive(header({ name: "f", size: base256(1n << 60n, 12) })),
    "malformed",
    "out of range",
  ],
  [
    "an overlong PAX size",
    archive(pax({ size: "9".repeat(30) }), entry({ name: "f" })),
    "malformed",
    '"f"',
  ],
  ["a negative PAX size", archive(pax({ size: "-1" }), entry({ name: "f" })), "malformed", "size"],
  [
    "a PAX uid of (uid_t) -1",
    archive(pax({ uid: "4294967295" }), entry({ name: "f" })),
    "malformed",
    "uid",
  ],
  [
    "a size that is no number",
    archive(header({ name: "f", size: "12x45678901\0" })),
    "malformed",
    "size",
  ],
  [
    "a PAX time that is none",
    archive(pax({ mtime: "e9" }), entry({ name: "f" })),
    "malformed",
    "mtime",
  ],
  [
    "a PAX header without its entry",
    archive(pax({ path: "x" })),
    "malformed",
    "belongs to no entry",
  ],
  ["a long name without its entry", archive(long("L", "x")), "malformed", "belongs to no entry"],
  ["a PAX header at the very end", pax({ path: "x" }), "truncated", "belongs to no entry"],
  [
    "more extension bytes than allowed",
    archive(entry({ name: "p", type: "x", size: MAX_EXTENSION_BYTES + 1 })),
    "limit",
    String(MAX_EXTENSION_BYTES),
  ],
  [
    "extension headers that add up to more than allowed",
    archive(
      pax({ a: "a".repeat(700_000) }),
      pax({ a: "a".repeat(700_000) }),
      entry({ name: "f" }),
    ),
    "limit",
    "are left",
  ],
  [
    "global records that add up to more than allowed",
    archive(
      pax({ a: "a".repeat(700_000) }, "g"),
      pax({ b: "b".repeat(700_000) }, "g"),
      entry({ name: "f" }),
    ),
    "limit",
    "global",
  ],
  [
    "a long name longer than a path may be",
    archive(long("L", "n".repeat(MAX_PATH_BYTES + 1)), entry({ name: "f" })),
    "limit",
    "extension header",
  ],
  [
    "a PAX path longer than a path may be",
    archive(pax({ path: "n".repeat(MAX_PATH_BYTES + 1) }), entry({ name: "f" })),
    "limit",
    "longer than",
  ],
  [
    "extension headers without end",
    joinBytes(...Array.from({ length: 1100 }, () => pax({}, "g"))),
    "limit",
    "in a row",
  ],
  ["a NUL in a path", archive(pax({ path: "a\0b" }), entry({ name: "f" })), "malformed", "NUL"],
  [
    "a NUL in a link target",
    archive(pax({ linkpath: "a\0b" }), entry({ name: "f", type: "2" })),
    "malformed",
    "NUL",
  ],
  [
    "a record with a length of 0",
    archive(pax(utf8("0 a=b\n")), entry({ name: "f" })),
    "malformed",
    "offset 0",
  ],
  [
    "a record longer than its header",
    archive(pax(utf8("99 a=b\n")), entry({ name: "f" })),
    "malformed",
    "leaves",
  ],
  [
    "a record without newline",
    archive(pax(utf8("6 a=bc")), entry({ name: "f" })),
    "malformed",
    "newline",
  ],
  [
    "a record without keyword",
    archive(pax(utf8("5 =b\n")), entry({ name: "f" })),
    "malformed",
    "keyword",
  ],
  [
    "a record without length",
    archive(pax(utf8("a=b\n")), entry({ name: "f" })),
    "malformed",
    "length",
  ],
  [
    "a record with an endless length",
    archive(pax(utf8("0".repeat(99) + "6 a=b\n")), entry({ name: "f" })),
    "malformed",
    "length",
  ],
  ["a continued volume", archive(entry({ name: "f", type: "M" })), "malformed", "volume"],
  ["obsolete long names", archive(entry({ name: "f", type: "N" })), "malformed", "obsolete"],
];

for (const [what, bytes, problem, message] of refused) {
  Deno.test(`TarReader refuses ${what}, saying where`, () => {
    const error = assertThrows(() => readAll(bytes), ArchiveError, message);
    assert(error instanceof ArchiveError);
    assertEquals(error.problem, problem);
  });
}

Deno.test("TarReader does not buffer a header's body before it has limited it", () => {
  let asked = 0;
  const bytes = entry({ name: "p", type: "x", size: 0o77777777777 });
  const reader = new TarReader({
    read(into) {
      asked++;
      into.set(bytes.subarray(0, 512));
      return asked === 1 ? 512 : into.length;
    },
  });
  assertThrows(() => reader.next(), ArchiveError, "extension header at offset 0");
  assertEquals(asked, 1);
});
