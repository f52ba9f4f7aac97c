import { assertEquals, assertThrows } from "@std/assert";
import { joinBytes } from "../../src/archive/bytes.ts";
import { ArchiveError } from "../../src/archive/archive_error.ts";
import { MAX_EXTENTS } from "../../src/archive/sparse_formats.ts";
import { archive, entry, GNU_MAGIC, padded, pax, record, utf8 } from "./build.ts";
import { readAll } from "./read_all.ts";

const octal = (value: number) => value.toString(8).padStart(11, "0") + "\0";
const extents = Array.from({ length: 30 }, (_, i) => [i * 100 + 7, 2] as const);
const data = extents.map((_, i) => String.fromCharCode(97 + i % 26).repeat(2)).join("");
const size = 5000;

/** What the file is with its holes filled. */
const content = new Uint8Array(size);
extents.forEach(([offset], i) => content.set(utf8(data.slice(2 * i, 2 * i + 2)), offset));

function oldGnu(): Uint8Array {
  const slots = (some: typeof extents, at: number) =>
    some.flatMap(([offset, length], i) => [
      [at + 24 * i, octal(offset)] as const,
      [at + 24 * i + 12, octal(length)] as const,
    ]);
  const extension = (some: typeof extents, more: boolean) => {
    const block = new Uint8Array(512);
    for (const [at, text] of slots(some, 0)) block.set(utf8(text), at);
    block[504] = more ? 1 : 0;
    return block;
  };
  const head = entry({
    name: "f",
    type: "S",
    magic: GNU_MAGIC,
    size: data.length,
    patch: [...slots(extents.slice(0, 4), 386), [482, "\x01"], [483, octal(size)]],
  });
  return joinBytes(
    head,
    extension(extents.slice(4, 25), true),
    extension(extents.slice(25), false),
    padded(data),
  );
}

const list = extents.flat();
const formats: [name: string, bytes: Uint8Array][] = [
  ["old-GNU with extension blocks", oldGnu()],
  [
    "PAX 0.0",
    joinBytes(
      pax(joinBytes(
        record("GNU.sparse.size", String(size)),
        record("GNU.sparse.numblocks", String(extents.length)),
        ...list.map((value, i) =>
          record(i % 2 ? "GNU.sparse.numbytes" : "GNU.sparse.offset", String(value))
        ),
      )),
      entry({ name: "f" }, data),
    ),
  ],
  [
    "PAX 0.1",
    joinBytes(
      pax({
        "GNU.sparse.size": String(size),
        "GNU.sparse.numblocks": String(extents.length),
        "GNU.sparse.map": list.join(","),
        "GNU.sparse.name": "f",
      }),
      entry({ name: "GNUSparseFile.1/f" }, data),
    ),
  ],
  ["PAX 1.0", format1([extents.length, ...list].join("\n") + "\n")],
];

function format1(map: string, realSize = size, body = data): Uint8Array {
  return joinBytes(
    pax({
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": "f",
      "GNU.sparse.realsize": String(realSize),
    }),
    entry({ name: "GNUSparseFile.1/f" }, joinBytes(padded(map), utf8(body))),
  );
}

for (const [name, bytes] of formats) {
  Deno.test(`TarReader reads a sparse file in ${name} and finds the next entry`, () => {
    const [file, next] = readAll(archive(bytes, entry({ name: "next" }, "x")));
    assertEquals(file!.name, "f");
    assertEquals(file!.size, size);
    assertEquals(file!.sparse, extents.map(([offset, length]) => ({ offset, length })));
    assertEquals(file!.content, content);
    assertEquals(next!.name, "next");
  });
}

Deno.test("TarReader leaves empty extents out of a sparse map", () => {
  const [file] = readAll(archive(format1("3\n0\n2\n10\n0\n20\n0\n", 20, "ab")));
  assertEquals(file!.sparse, [{ offset: 0, length: 2 }]);
});

const refused: [what: string, bytes: Uint8Array, says: string][] = [
  ["too many extents", format1(`${MAX_EXTENTS + 1}\n`), String(MAX_EXTENTS)],
  ["fewer extents than announced", format1("300\n" + "0\n".repeat(254), size, ""), "does not end"],
  ["a number without end", format1("1".repeat(400)), "overlong"],
  ["a number that is none", format1("1\nx\n1\n"), "decimal"],
  ["extents that overlap", format1("2\n0\n20\n10\n40\n"), "out of order"],
  ["extents beyond the file", format1("1\n4990\n60\n"), "leaves the file"],
  ["an overflowing extent", format1("1\n9007199254740991\n60\n"), "leaves the file"],
  ["more data than extents", format1("1\n0\n10\n"), "describes 10 bytes"],
  [
    "no real size",
    joinBytes(pax({ "GNU.sparse.map": "0,1" }), entry({ name: "f" }, "x")),
    "real size is missing",
  ],
  [
    "an unknown version",
    joinBytes(pax({ "GNU.sparse.major": "2", "GNU.sparse.minor": "0" }), entry({ name: "f" })),
    "unknown format, 2.0",
  ],
  [
    "records of a 0.0 map out of turn",
    joinBytes(
      pax(joinBytes(record("GNU.sparse.numbytes", "1"), record("GNU.sparse.offset", "1"))),
      entry({ name: "f" }),
    ),
    "stands where",
  ],
  [
    "extension blocks without end",
    joinBytes(
      entry({ name: "f", type: "S", magic: GNU_MAGIC, patch: [[482, "\x01"]] }),
      ...Array.from({ length: 9 }, () => new Uint8Array(512).fill(1, 504, 505)),
    ),
    "nothing to say",
  ],
];

for (const [what, bytes, says] of refused) {
  Deno.test(`TarReader refuses a sparse file with ${what}`, () => {
    assertThrows(() => readAll(archive(bytes)), ArchiveError, says);
  });
}
