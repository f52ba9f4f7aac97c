/** Extraction compared with GNU tar's, entry by entry. */

import { assertEquals } from "@std/assert";
import type { ExtractStats } from "../../src/content/extract/extract_archive.ts";
import { joinBytes } from "../../src/archive/bytes.ts";
import { archive, base256, entry, GNU_MAGIC, header, pax } from "../archive/build.ts";
import { testFolder } from "../fixtures/folder.ts";
import {
  device,
  directory,
  fifo,
  file,
  hardlink,
  makeTree,
  readTree,
  sparse,
  symlink,
  type TreeEntry,
  type TreeTable,
} from "../fixtures/tree.ts";
import {
  expected,
  extractTo,
  folderIn,
  gnuExtract,
  isRoot,
  ROOT_ONLY,
  withoutTimes,
} from "./extract_fixture.ts";
import { PYTHON } from "../fixtures/python.ts";
import { run } from "../fixtures/tools.ts";

const owner = { uid: 3_000_000, gid: 70_000 };
const mtime = 1_234_567_890_123_456_789n;

/** What every format can hold. */
const plain: TreeTable = [
  [".", directory({ mode: 0o750, mtime: 1_000_000_000_000_000_000n })],
  ["empty", directory({ mode: 0o700, mtime })],
  ["readonly", directory({ mode: 0o555, mtime })],
  ["readonly/file", file("in a read-only directory", { mode: 0o400, mtime })],
  ["nothing", file("", { mtime: 0n })],
  ["suid", file("#!", { mode: 0o6755, mtime })],
  ["sticky", directory({ mode: 0o1777, mtime })],
  ["big", file(new Uint8Array(300_000).map((_, i) => i % 251), { mtime })],
  ["link", symlink("nothing", { mtime })],
  ["dangling", symlink("/does/not/exist", { mtime })],
  ["self", symlink("self", { mtime })],
  ["hard", hardlink("big")],
  ["a", directory({ mtime })],
  ["a/b", directory({ mtime })],
  ["a/b/c", file("deep", { mtime })],
];

/** What all but the oldest formats can. */
const rich: TreeTable = [
  ...plain,
  ["owned", file("theirs", { owner, mtime })],
  ["pipe", fifo({ mode: 0o620, mtime })],
  ["null", device(1, 3)],
  ["n".repeat(200), file("long name", { mtime })],
  ["far", directory({ mtime })],
  [`far/${"d".repeat(120)}`, directory({ mtime })],
  [`far/${"d".repeat(120)}/${"f".repeat(150)}`, file("long path", { mtime })],
  ["to far", symlink("x".repeat(300), { mtime })],
  [Uint8Array.of(0xff, 0x0a, 0x20, 0x22), file("odd bytes", { mtime })],
  ["holes", sparse(1 << 20, [[65536, "one"], [524288, "two".repeat(2000)]], { mtime })],
  [
    "many holes",
    sparse(60 << 13, Array.from({ length: 60 }, (_, i) => [i << 13, `${i}`] as const), { mtime }),
  ],
  ["all hole", sparse(1 << 20, [], { mtime })],
];

const attributes: TreeTable = [
  ...rich,
  [
    "tagged",
    file("x", {
      mtime,
      xattrs: { "user.a=b%c": "v", "user.empty": "", "user.bin": Uint8Array.of(0, 255, 10) },
    }),
  ],
  ["tagged dir", directory({ mtime, xattrs: { "user.dir": "d" } })],
];

const formats: [name: string, table: TreeTable, command: string[]][] = [
  ["GNU tar v7", plain, ["tar", "--format=v7"]],
  ["GNU tar ustar", plain, ["tar", "--format=ustar"]],
  ["GNU tar oldgnu", rich, ["tar", "--format=oldgnu"]],
  ["GNU tar oldgnu sparse", rich, ["tar", "--format=oldgnu", "-S"]],
  ["GNU tar gnu", rich, ["tar", "--format=gnu"]],
  ["GNU tar gnu sparse", rich, ["tar", "--format=gnu", "-S"]],
  ["GNU tar posix", attributes, ["tar", "--format=posix", "--xattrs"]],
  ["GNU tar posix sparse 0.0", rich, ["tar", "--format=posix", "-S", "--sparse-version=0.0"]],
  ["GNU tar posix sparse 0.1", rich, ["tar", "--format=posix", "-S", "--sparse-version=0.1"]],
  ["GNU tar posix sparse 1.0", attributes, [
    "tar",
    "--format=posix",
    "--xattrs",
    "-S",
    "--sparse-version=1.0",
  ]],
  ["GNU tar with global records", rich, [
    "tar",
    "--format=posix",
    "--pax-option=uid=12345,comment=global,mtime=981173106.5",
  ]],
  ["bsdtar pax", attributes, ["bsdtar", "--format=pax"]],
  ["bsdtar gnutar", rich, ["bsdtar", "--format=gnutar"]],
  ["bsdtar restricted pax", rich, ["bsdtar", "--format=paxr"]],
  ["bsdtar ustar", plain, ["bsdtar", "--format=ustar"]],
];

interface Case {
  what: string;
  bytes: Uint8Array;
  /** Paths whose times are not GNU tar's, or nobody's. */
  untimed: readonly string[];
}

/**
 * Extracts each case by both and compares, reading all trees at once because that costs most.
 * @returns our trees, by case
 */
async function compare(t: Deno.TestContext, folder: string, cases: readonly Case[]) {
  const theirs = await folderIn(folder, "theirs");
  const ours = await folderIn(folder, "ours");
  const stats = new Map<string, ExtractStats>();
  for (const { what, bytes } of cases) {
    await gnuExtract(await folderIn(theirs, what), bytes);
    const { files, contentBytes } = await extractTo(await folderIn(ours, what), bytes);
    stats.set(what, { files, contentBytes });
  }
  const [theirTree, ourTree] = [await readTree(theirs), await readTree(ours)];
  const trees = new Map<string, TreeEntry[]>();
  for (const { what, untimed } of cases) {
    await t.step(what, () => {
      const found = subtree(ourTree, what);
      assertEquals(withoutTimes(found, untimed), expected(subtree(theirTree, what), untimed));
      assertEquals(stats.get(what), statsOf(found));
      trees.set(what, found);
    });
  }
  return trees;
}

/** What is in a folder of a tree, as if it were read by itself. */
function subtree(tree: readonly TreeEntry[], folder: string): TreeEntry[] {
  const inner = (path: string) => path === folder ? "." : path.slice(folder.length + 1);
  return tree.filter(({ path }) => path === folder || path.startsWith(`${folder}/`))
    .map((entry) => ({
      ...entry,
      path: inner(entry.path),
      ...(entry.sameAs === undefined ? {} : { sameAs: inner(entry.sameAs) }),
    }));
}

function statsOf(tree: readonly TreeEntry[]): ExtractStats {
  const inodes = tree.filter(({ type, path, sameAs }) =>
    type === "file" && (sameAs === undefined || sameAs === path)
  );
  return {
    files: inodes.length,
    contentBytes: inodes.reduce((sum, { size }) => sum + (size ?? 0), 0),
  };
}

Deno.test({
  name: `extract makes what GNU tar makes of archives in every format by every tool${ROOT_ONLY}`,
  ignore: !isRoot,
  async fn(t) {
    using folder = testFolder();
    const sources = new Map<TreeTable, string>();
    for (const [name, table] of Object.entries({ plain, rich, attributes })) {
      const source = await folderIn(folder.path, name);
      await makeTree(source, table);
      sources.set(table, source);
    }
    const cases: Case[] = [];
    for (const [what, table, [command, ...options]] of formats) {
      const bytes = await run(sources.get(table)!, command!, ...options, "-cf", "-", ".");
      // GNU tar spoils the times of directories that bsdtar's order comes back to; ours are right.
      cases.push({ what, bytes, untimed: command === "bsdtar" ? parents(table) : [] });
    }
    for (const [format, table] of [["USTAR", plain], ["GNU", rich], ["PAX", rich]] as const) {
      const script = `import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.${format}_FORMAT) as tar:
    tar.add(".")`;
      const bytes = await run(sources.get(table)!, PYTHON, "-c", script);
      cases.push({ what: `Python's tarfile ${format}`, bytes, untimed: [] });
    }
    const trees = await compare(t, folder.path, cases);
    const seconds = (entries: readonly TreeEntry[]) =>
      entries.filter(({ type }) => type === "directory")
        .map(({ path, mtime }) => [path, BigInt(mtime) / 1_000_000_000n]);
    for (const [table, source] of sources) {
      const right = seconds(await readTree(source));
      for (const [what, of] of formats) {
        if (of === table && !what.includes("global")) {
          assertEquals(seconds(trees.get(what)!), right, what);
        }
      }
    }
  },
});

/** The directories of a table that have something in them. */
function parents(table: TreeTable): string[] {
  const paths = table.flatMap(([path]) => typeof path === "string" ? [path] : []);
  return paths.filter((path) => paths.some((other) => other.startsWith(`${path}/`)));
}

const file0 = (name: string, content = "x") => entry({ name, uid: 0, gid: 0, mtime: 1 }, content);
const dir0 = (name: string, mode = 0o755) => entry({ name, type: "5", mode, mtime: 1 });
const link0 = (name: string, link: string) => entry({ name, type: "2", link, mtime: 1 });
const hard0 = (name: string, link: string) => entry({ name, type: "1", link, mtime: 1 });

/** Archives that no tool writes, but GNU tar reads; the directories that get no time of their own. */
const odd: [what: string, bytes: Uint8Array, untimed: string[]][] = [
  ["a file that a directory replaces", archive(file0("a"), dir0("a"), file0("a/f")), ["."]],
  ["an empty directory that a file replaces", archive(dir0("a"), file0("a")), ["."]],
  ["an empty directory that a link replaces", archive(dir0("a"), link0("a", "x")), ["."]],
  [
    "a link that a directory replaces",
    archive(dir0("d"), link0("a", "d"), dir0("a"), file0("a/f")),
    ["."],
  ],
  ["a link that a file replaces", archive(file0("d"), link0("a", "d"), file0("a", "new")), ["."]],
  ["a FIFO that a directory replaces", archive(entry({ name: "a", type: "6" }), dir0("a")), ["."]],
  ["a file that a FIFO replaces", archive(file0("a"), entry({ name: "a", type: "6" })), ["."]],
  ["repeated entries", archive(file0("a", "one"), file0("b"), file0("a", "three")), ["."]],
  [
    "a repeated file with another name",
    archive(file0("a", "one"), hard0("b", "a"), file0("a", "2")),
    ["."],
  ],
  ["a hard link over a file", archive(file0("a", "one"), file0("b"), hard0("b", "a")), ["."]],
  ["a hard link to itself", archive(file0("a", "one"), hard0("a", "a")), ["."]],
  ["a hard link to a symbolic link", archive(link0("a", "/etc/passwd"), hard0("b", "a")), ["."]],
  ["a hard link with a leading slash", archive(file0("a"), hard0("b", "/a")), ["."]],
  [
    "directories after what is in them",
    archive(file0("p/q"), dir0("p", 0o500), dir0(".", 0o711)),
    [],
  ],
  ["a directory twice", archive(dir0("p", 0o700), file0("p/q"), dir0("p", 0o711)), ["."]],
  ["parents that no entry makes", archive(file0("p/q/r")), [".", "p", "p/q"]],
  ["leading slashes and dots", archive(file0("/abs/f"), file0("./rel"), file0("x/./y//z")), [
    ".",
    "abs",
    "x",
    "x/y",
  ]],
  ["an unknown type", archive(entry({ name: "a", type: "Z", mtime: 1 }, "text")), ["."]],
  ["an old directory", archive(entry({ name: "a/", type: "\0", mtime: 1, mode: 0o711 })), ["."]],
  ["negative times", archive(entry({ name: "a", magic: GNU_MAGIC, mtime: base256(-5n, 12) })), [
    ".",
  ]],
  [
    "a PAX size over the header's",
    archive(
      pax({ size: "3" }),
      joinBytes(
        header({ name: "a" }),
        file0("").subarray(0, 0),
        new TextEncoder().encode("abc"),
        new Uint8Array(509),
      ),
      file0("b"),
    ),
    ["."],
  ],
];

Deno.test({
  name: `extract makes what GNU tar makes of archives that no tool writes${ROOT_ONLY}`,
  ignore: !isRoot,
  async fn(t) {
    using folder = testFolder();
    await compare(t, folder.path, odd.map(([what, bytes, untimed]) => ({ what, bytes, untimed })));
  },
});
