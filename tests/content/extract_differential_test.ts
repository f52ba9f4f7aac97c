/** Odd numbers, times and ends of archives, compared with GNU tar: what it takes is taken alike. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { gzipSync } from "node:zlib";
import { joinBytes } from "../../src/archive/bytes.ts";
import { DaemonError } from "../../src/errors.ts";
import {
  archive,
  base256,
  type Bytes,
  entry,
  type Fields,
  GNU_MAGIC,
  long,
  pax,
  record,
  utf8,
} from "../archive/build.ts";
import { testFolder } from "../fixtures/folder.ts";
import { readTree, type TreeEntry } from "../fixtures/tree.ts";
import { expected, extractTo, folderIn, isRoot, ROOT_ONLY } from "./extract_fixture.ts";

type Case = readonly [what: string, bytes: Uint8Array];

/**
 * Where we differ on purpose: encodings that nobody writes and an owner that is none are refused, and
 * extended headers add up, as POSIX has it.
 */
const BY_CHOICE = [/: '[-+]1'/, /^uid: \(uid_t\) -1/, /^two PAX headers$/, /^two global headers$/];

/** An entry whose mtime is not any that a table has, so that it shows what was taken. */
const named = (fields: Fields, content: Bytes = "x") =>
  entry({ name: "f", magic: GNU_MAGIC, mtime: 77, uid: 5, gid: 6, ...fields }, content);

/** How writers pad octal numbers, and how they do not. */
function spellings(field: "mode" | "uid" | "gid" | "mtime" | "size", width: number): Case[] {
  const texts = [
    "1".padStart(width, "0"),
    "1 ".padStart(width),
    "   1\0",
    " 1 \0",
    "\0 1 ",
    "\t1\0",
    "1\n",
    "1 2\0",
    "1\x002",
    "9\0",
    "18\0",
    "1-\0",
    "-1\0",
    "+1\0",
    "0x1\0",
  ];
  return texts.map((text): Case => [
    `${field}: '${text.replace(/\0+$/, "").replaceAll("\0", "NUL")}'`,
    archive(named({ [field]: text.padEnd(width, "\0") })),
  ]);
}

const numbers: readonly Case[] = [
  ...spellings("mode", 8),
  ...spellings("uid", 8),
  ...spellings("gid", 8),
  ...spellings("mtime", 12),
  ...spellings("size", 12),
  ...[1n, 2n ** 31n, 2n ** 32n - 2n, 2n ** 32n, -1n].map((uid): Case => [
    `uid: base-256 ${uid}`,
    archive(named({ uid: base256(uid, 8) })),
  ]),
  ["uid: (uid_t) -1", archive(named({ uid: base256(2n ** 32n - 1n, 8) }))],
  ...[-1n, 2n ** 20n].map((mode): Case => [
    `mode: base-256 ${mode}`,
    archive(named({ mode: base256(mode, 8) })),
  ]),
  ["mode: with the file's type", archive(named({ mode: "0100644\0" }))],
  ["size: base-256", archive(named({ size: base256(1n, 12) }))],
  ["size: negative", archive(named({ size: base256(-1n, 12) }))],
  ...[
    -(2n ** 63n) - 1n,
    -(2n ** 63n),
    -(2n ** 31n) - 1n,
    -(2n ** 31n),
    -5n,
    0n,
    2n ** 31n,
    2n ** 34n - 1n,
    2n ** 34n,
    2n ** 40n,
    2n ** 53n + 1n,
    2n ** 63n - 1n,
    2n ** 63n,
  ].map((mtime): Case => [
    `mtime: base-256 ${mtime}`,
    archive(named({ mtime: base256(mtime, 12) })),
  ]),
  ["mtime: twelve digits", archive(named({ mtime: "777777777777" }))],
];

const times: readonly Case[] = [
  "1e-05",
  "1e+18",
  "1.5e3",
  "1.abc",
  "1.",
  "-1.",
  "-1.5",
  "-0.5",
  "5 ",
  "007",
  "0x10",
  "1.123456789123",
  "-1.0000000001",
  "9007199254740993",
  "9223372036854775807",
  "9223372036854775807.999999999",
  "-9223372036854775808",
  "9223372036854775808",
  "99999999999999999999",
  "-99999999999999999999",
  "12345678901234567890.5",
  " 5",
  "+5",
  ".5",
  "abc",
  "--5",
  "-",
].map((mtime): Case => [`PAX mtime '${mtime}'`, archive(pax({ mtime }), named({}))]);

const repeated: readonly Case[] = [
  [
    "a record twice",
    archive(pax(joinBytes(record("mtime", "5"), record("mtime", "6"))), named({})),
  ],
  ["two PAX headers", archive(pax({ mtime: "5" }), pax({ uid: "9" }), named({}))],
  ["two PAX headers of one record", archive(pax({ mtime: "5" }), pax({ mtime: "6" }), named({}))],
  ["two long names", archive(long("L", "one"), long("L", "two"), named({}))],
  ["a long name and a PAX path", archive(long("L", "one"), pax({ path: "two" }), named({}))],
  ["a global mtime", archive(pax({ mtime: "5" }, "g"), named({}), named({ name: "g" }))],
  [
    "a global mtime that an entry overrides",
    archive(pax({ mtime: "5" }, "g"), pax({ mtime: "6.25" }), named({})),
  ],
  [
    "two global headers",
    archive(pax({ mtime: "5" }, "g"), pax({ uid: "9" }, "g"), named({})),
  ],
  ["a global header that is the last", archive(named({}), pax({ mtime: "5" }, "g"))],
];

const whole = named({}, "y".repeat(1000));
const zeros = (count: number) => new Uint8Array(count);

const ends: readonly Case[] = [
  ["no end marker", whole],
  ["one zero block", joinBytes(whole, zeros(512))],
  ["two zero blocks", joinBytes(whole, zeros(1024))],
  ["two zero blocks and padding", joinBytes(whole, zeros(102_400))],
  ["a part of a zero block", joinBytes(whole, zeros(300))],
  ["a zero block and a part of one", joinBytes(whole, zeros(812))],
  ["data after the end marker", joinBytes(whole, zeros(1024), utf8("junk".repeat(300)))],
  ["a lone zero block and data", joinBytes(whole, zeros(512), new Uint8Array(512).fill(1))],
  ["a lone zero block and an entry", joinBytes(whole, zeros(512), named({ name: "g" }))],
];

/** Cut short: GNU tar fails for these, and so do we. */
const cut: readonly Case[] = [
  ["in a header", joinBytes(whole, named({ name: "g" }).subarray(0, 300))],
  ["in content", whole.subarray(0, 1000)],
  ["in the padding of content", whole.subarray(0, 1520)],
  ["after an extension header", joinBytes(whole, pax({ path: "g" }))],
];

/** Extracts with GNU tar as root would. @returns whether it had nothing to complain of */
async function gnuTakes(into: string, bytes: Uint8Array): Promise<boolean> {
  const archive = `${into}.tar`;
  await Deno.writeFile(archive, bytes);
  const { success } = await new Deno.Command("tar", {
    args: ["-xpf", archive, "--numeric-owner"],
    cwd: into,
    stderr: "null",
  }).output();
  await Deno.remove(archive);
  return success;
}

/** The entries of a tree by the top folder that they are below. */
function byFolder(tree: readonly TreeEntry[]): Map<string, TreeEntry[]> {
  const folders = new Map<string, TreeEntry[]>();
  for (const entry of tree) {
    const [folder, ...rest] = entry.path.split("/");
    if (rest.length === 0) continue;
    folders.set(folder!, [...folders.get(folder!) ?? [], { ...entry, path: rest.join("/") }]);
  }
  return folders;
}

/** Extracts each case by both, and reads all trees at once because that costs most. */
async function compareWithTar(table: readonly Case[]): Promise<void> {
  using folder = testFolder();
  const theirs = await folderIn(folder.path, "theirs");
  const ours = await folderIn(folder.path, "ours");
  const taken: string[] = [];
  const refused: string[] = [];
  for (const [n, [what, bytes]] of table.entries()) {
    const takes = await gnuTakes(await folderIn(theirs, `${n}`), bytes);
    if (!takes || BY_CHOICE.some((choice) => choice.test(what))) continue;
    taken.push(`${n}`);
    const extraction = extractTo(await folderIn(ours, `${n}`), bytes);
    await extraction.catch((error: Error) => refused.push(`${what}: ${error.message}`));
  }
  assertEquals(refused, []);
  assert(taken.length > 5, `GNU tar took only ${taken.length} of ${table.length}`);
  const [theirTrees, ourTrees] = [await readTree(theirs), await readTree(ours)].map(byFolder);
  for (const n of taken) {
    const right = expected(theirTrees!.get(n)!, []);
    assertEquals(ourTrees!.get(n), right, table[Number(n)]![0]);
  }
}

for (const [what, table] of Object.entries({ numbers, times, repeated, ends })) {
  Deno.test({
    name: `extract takes ${what} as GNU tar does, where GNU tar takes them${ROOT_ONLY}`,
    ignore: !isRoot,
    fn: () => compareWithTar(table),
  });
}

Deno.test("extract refuses archives that are cut short anywhere but after an entry", async () => {
  using folder = testFolder();
  for (const [what, bytes] of [...cut, ["at its beginning", new Uint8Array()] as const]) {
    const error = await assertRejects(
      async () => await extractTo(await folderIn(folder.path, crypto.randomUUID()), bytes),
      DaemonError,
      undefined,
      what,
    );
    assertEquals(error.code, "FAILED_PRECONDITION", what);
  }
});

Deno.test("extract takes a compressed archive without an end marker, but none whose compression is cut", async () => {
  using folder = testFolder();
  const gzip = new Uint8Array(gzipSync(whole));
  const into = await folderIn(folder.path, "whole");
  await extractTo(into, gzip, { compression: "gzip" });
  assertEquals((await Deno.readTextFile(join(into, "f"))).length, 1000);
  for (const length of [gzip.length - 1, gzip.length - 8, gzip.length - 9]) {
    const half = await folderIn(folder.path, `cut at ${length}`);
    await assertRejects(
      () => extractTo(half, gzip.subarray(0, length), { compression: "gzip" }),
      DaemonError,
      "ends early",
    );
  }
});
