/**
 * Archives that want out: the families of what container runtimes, package managers and tar itself
 * had CVEs for. Each is refused, naming its entry, or contained; never is anything outside touched.
 */

import {
  DIRECTORY_BYTES,
  fileBytes,
  LINK_BYTES,
  symlinkBytes,
} from "../../src/content/disk_usage.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { joinBytes } from "../../src/archive/bytes.ts";
import { bytesSource } from "../../src/archive/byte_source.ts";
import { TarReader } from "../../src/archive/tar_reader.ts";
import { Abilities } from "../../src/content/abilities.ts";
import { extractArchive } from "../../src/content/extract/extract_archive.ts";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import { Directory, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import {
  archive,
  base256,
  entry,
  GNU_MAGIC,
  header,
  long,
  padded,
  pax,
  record,
  utf8,
} from "../archive/build.ts";
import { testFolder } from "../fixtures/folder.ts";
import { readTree } from "../fixtures/tree.ts";
import { extractTo, folderIn, isRoot, ROOT_ONLY } from "./extract_fixture.ts";
import { PYTHON } from "../fixtures/python.ts";

const file = (name: string, content = "hostile") => entry({ name }, content);
const dir = (name: string, mode = 0o755) => entry({ name, type: "5", mode });
const link = (name: string, target: string) => entry({ name, type: "2", link: target });
const hard = (name: string, target: string) => entry({ name, type: "1", link: target });
/** Where {@link withSentinel} puts what must not be touched, from the trees of the refusals. */
const outside = "../../sentinel";

interface Refusal {
  what: string;
  bytes: Uint8Array;
  code?: ErrorCode;
  /** What the message says, the entry's name first of all. */
  says: string[];
  limitBytes?: number;
}

const HUGE = "a sparse file larger than any file system";

const refusals: Refusal[] = [
  // Traversal by name.
  {
    what: "a name with ..",
    bytes: archive(file(`${outside}/f`)),
    says: [`"${outside}/f"`, '".."'],
  },
  {
    what: "a name with .. in its midst",
    bytes: archive(dir("a"), file("a/../../../sentinel/f")),
    says: ['".."'],
  },
  { what: "a name that is ..", bytes: archive(dir("..", 0o777)), says: ['entry ".."'] },
  {
    what: "a name that ends in ..",
    bytes: archive(dir("a"), dir("a/..", 0o777)),
    says: ['"a/.."'],
  },
  { what: "an absolute name with ..", bytes: archive(file("/../../sentinel/f")), says: ['".."'] },
  {
    what: "a PAX path with ..",
    bytes: archive(pax({ path: `${outside}/f` }), file("ok")),
    says: [outside],
  },
  {
    what: "a GNU long name with ..",
    bytes: archive(long("L", `${outside}/f`), entry({ name: "ok", magic: GNU_MAGIC })),
    says: [outside],
  },
  {
    what: "a prefix with ..",
    bytes: archive(entry({ name: "f", prefix: outside })),
    says: [outside],
  },
  {
    what: "a GNU sparse name with ..",
    bytes: archive(
      pax({
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": `${outside}/f`,
        "GNU.sparse.realsize": "0",
      }),
      entry({ name: "ok" }, padded("0\n")),
    ),
    says: [outside],
  },
  {
    what: "a global PAX path with ..",
    bytes: archive(pax({ path: `${outside}/f` }, "g"), file("ok")),
    says: [outside],
  },
  // Through links.
  {
    what: "a file through a link out",
    bytes: archive(link("a", outside), file("a/f")),
    says: ['"a/f"', "symbolic link"],
  },
  {
    what: "a file through an absolute link",
    bytes: archive(link("a", "/tmp"), file("a/wsdaemon-hostile")),
    says: ['"a/wsdaemon-hostile"'],
  },
  {
    what: "a file through a link to the top",
    bytes: archive(link("a", "."), file("a/f")),
    says: ["symbolic link"],
  },
  {
    what: "a directory through a link",
    bytes: archive(link("a", outside), dir("a/d")),
    says: ["symbolic link"],
  },
  {
    what: "a link through a link",
    bytes: archive(link("a", outside), link("a/l", "x")),
    says: ["symbolic link"],
  },
  {
    what: "a FIFO through a link",
    bytes: archive(link("a", outside), entry({ name: "a/p", type: "6" })),
    says: ["symbolic link"],
  },
  {
    what: "a device through a link",
    bytes: archive(link("a", outside), entry({ name: "a/d", type: "3" })),
    says: ["symbolic link"],
  },
  {
    what: "a file through a chain of links",
    bytes: archive(dir("d"), link("d/up", ".."), link("top", "d/up/../.."), file("top/sentinel/f")),
    says: ["symbolic link"],
  },
  {
    what: "a file through a link made late in its path",
    bytes: archive(dir("a/b"), link("a/b/c", "../../../../../sentinel"), file("a/b/c/d/f")),
    says: ['"a/b/c"'],
  },
  {
    what: "a file through a link that replaced a directory",
    bytes: archive(dir("a"), link("a", outside), file("a/f")),
    says: ["symbolic link"],
  },
  {
    what: "a file through a hard link to a link",
    bytes: archive(link("a", outside), hard("b", "a"), file("b/f")),
    says: ["symbolic link"],
  },
  {
    what: "a link with a trailing slash, gone through",
    bytes: archive(link("a/", outside), file("a/f")),
    says: ["symbolic link"],
  },
  {
    what: "the same through Unicode-odd and doubled names",
    bytes: archive(link("./a//", outside), file(".//a/./f")),
    says: ["symbolic link"],
  },
  { what: "a file through a file", bytes: archive(file("a"), file("a/f")), says: ["no directory"] },
  // Hard links.
  {
    what: "a hard link to ..",
    bytes: archive(hard("h", `${outside}/secret`)),
    says: ['"h"', '".."'],
  },
  {
    what: "a hard link to an absolute path",
    bytes: archive(hard("h", "/etc/passwd")),
    says: ["no earlier entry"],
  },
  {
    what: "a hard link through a link",
    bytes: archive(link("a", outside), hard("h", "a/secret")),
    says: ['"h"', "symbolic link"],
  },
  {
    what: "a PAX hard link with ..",
    bytes: archive(pax({ linkpath: `${outside}/secret` }), hard("h", "ok")),
    says: ['"h"'],
  },
  {
    what: "a GNU long hard link with ..",
    bytes: archive(
      long("K", `${outside}/secret`),
      entry({ name: "h", type: "1", magic: GNU_MAGIC }),
    ),
    says: ['"h"'],
  },
  {
    what: "a hard link to what is not there",
    bytes: archive(hard("h", "missing")),
    says: ['"h"', '"missing"', "no earlier entry"],
  },
  {
    what: "a hard link to what comes later",
    bytes: archive(hard("h", "f"), file("f")),
    says: ["no earlier entry"],
  },
  {
    what: "a hard link to a directory",
    bytes: archive(dir("d"), hard("h", "d")),
    says: ["a directory"],
  },
  { what: "a hard link to the top", bytes: archive(hard("h", "./")), says: ["top directory"] },
  { what: "a hard link without a target", bytes: archive(hard("h", "")), says: ["empty"] },
  // Shapes that cannot be.
  { what: "an empty name", bytes: archive(file("")), says: ["empty"] },
  {
    what: "a FIFO with the top's name",
    bytes: archive(entry({ name: "./", type: "6" })),
    says: ["top directory"],
  },
  {
    what: "a link with the top's name",
    bytes: archive(link(".", outside)),
    says: ["top directory"],
  },
  { what: "a link without a target", bytes: archive(link("l", "")), says: ["without a target"] },
  {
    what: "a file in place of a full directory",
    bytes: archive(file("a/f"), file("a")),
    says: ["not empty"],
  },
  {
    what: "a component that is too long",
    bytes: archive(pax({ path: "n".repeat(256) }), file("x")),
    says: ["255 bytes"],
  },
  {
    what: "a link target that is too long",
    bytes: archive(pax({ linkpath: "n".repeat(5000) }), link("l", "x")),
    says: ['"l"'],
  },
  {
    what: "a path that is too deep",
    bytes: archive(pax({ path: "d/".repeat(1000) + "f" }), file("x")),
    says: ['"d/d/', "1000 directories deep"],
  },
  {
    what: "a hard link's target that is too deep",
    bytes: archive(pax({ linkpath: "d/".repeat(1000) + "f" }), hard("h", "x")),
    says: ['"h"', "1000 directories deep"],
  },
  // Sizes and bombs.
  {
    what: "more than the limit",
    bytes: archive(file("a", "x".repeat(600)), file("b", "x".repeat(600))),
    limitBytes: 5000,
    code: "RESOURCE_EXHAUSTED",
    says: ['"b"', "5000", "2 entries with 1200 bytes"],
  },
  {
    what: "a size beyond the limit without the bytes",
    bytes: header({ name: "a", size: base256(1n << 50n, 12) }),
    limitBytes: 1 << 20,
    code: "RESOURCE_EXHAUSTED",
    says: ['"a"'],
  },
  {
    what: "a PAX size beyond the limit",
    bytes: archive(pax({ size: "9000000000000000" }), file("a")),
    limitBytes: 1 << 20,
    code: "RESOURCE_EXHAUSTED",
    says: ['"a"'],
  },
  {
    what: "the same file again and again",
    bytes: archive(...Array.from({ length: 20 }, () => file("a", "x".repeat(100)))),
    limitBytes: 20_000,
    code: "RESOURCE_EXHAUSTED",
    says: ["20000"],
  },
  {
    what: "a body on what has none",
    bytes: archive(entry({ name: "d", type: "5" }, "x".repeat(5000))),
    limitBytes: DIRECTORY_BYTES + 4999,
    code: "RESOURCE_EXHAUSTED",
    says: ['"d"'],
  },
  {
    what: HUGE,
    bytes: archive(
      pax({
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": String(Number.MAX_SAFE_INTEGER),
        "GNU.sparse.numblocks": "1",
        "GNU.sparse.map": "0,1",
      }),
      file("huge", "x"),
    ),
    code: "RESOURCE_EXHAUSTED",
    says: ['"huge"', "too large"],
  },
  // Malformed.
  {
    what: "a dangling PAX header",
    bytes: archive(file("a"), pax({ path: "b" })),
    says: ["belongs to no entry"],
  },
  {
    what: "an end in a file",
    bytes: file("a", "x".repeat(2000)).subarray(0, 1024),
    says: ["ends early", '"a"'],
  },
  { what: "an end in a header", bytes: file("a").subarray(0, 400), says: ["ends early"] },
  {
    what: "a sparse map out of order",
    bytes: archive(sparse01("5,1,0,1", 10, "xy")),
    says: ['"s"', "out of order"],
  },
  {
    what: "a sparse map that leaves its file",
    bytes: archive(sparse01("0,1,20,1", 10, "xy")),
    says: ["leaves the file"],
  },
  {
    what: "a sparse map of other data than there is",
    bytes: archive(sparse01("0,1", 10, "xy")),
    says: ["describes 1 bytes"],
  },
  {
    what: "a sparse map of odd length",
    bytes: archive(sparse01("0,1,5", 10, "x")),
    says: ["within an extent"],
  },
];

function sparse01(map: string, size: number, data: string): Uint8Array {
  return joinBytes(
    pax({
      "GNU.sparse.major": "0",
      "GNU.sparse.minor": "1",
      "GNU.sparse.size": String(size),
      "GNU.sparse.map": map,
    }),
    file("s", data),
  );
}

/** Whether a file can have more bytes than exist: btrfs and tmpfs know no limit below. */
function takesAnySize(folder: string): boolean {
  const path = join(folder, "huge");
  try {
    Deno.writeTextFileSync(path, "");
    Deno.truncateSync(path, Number.MAX_SAFE_INTEGER);
    return true;
  } catch {
    return false;
  } finally {
    Deno.removeSync(path);
  }
}

/** A folder with something that must not change beside the tree that is extracted into. */
async function withSentinel(folder: string, act: (tree: string) => Promise<void>): Promise<void> {
  const sentinel = await folderIn(folder, "sentinel");
  await Deno.writeTextFile(join(sentinel, "secret"), "untouched");
  await Deno.utime(sentinel, 1, 1);
  const look = () => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const before = [look(), await readTree(sentinel)];
  await act(join(folder, "tree"));
  assertEquals([look(), await readTree(sentinel)], before);
}

Deno.test("extract refuses hostile archives, naming the entry, and touches nothing outside", async (t) => {
  using folder = testFolder();
  await folderIn(folder.path, "tree");
  await withSentinel(folder.path, async (tree) => {
    for (const [i, { what, bytes, code, says, limitBytes }] of refusals.entries()) {
      const isTaken = what === HUGE && takesAnySize(folder.path);
      const name = isTaken ? `${what} (ignored: this one takes any)` : what;
      await t.step({
        name,
        ignore: isTaken,
        fn: async () => {
          // Trust is in what files may be, not in where they lie.
          for (const trusted of [false, true]) {
            const into = await folderIn(tree, `${i}-${trusted}`);
            const options = { trusted, ...(limitBytes === undefined ? {} : { limitBytes }) };
            const error = await assertRejects(
              () => extractTo(into, bytes, options),
              DaemonError,
            );
            assertEquals(error.code, code ?? "FAILED_PRECONDITION", error.message);
            for (const part of says) assertStringIncludes(error.message, part);
          }
        },
      });
    }
  });
  assertEquals(await exists("/tmp/wsdaemon-hostile"), false);
});

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

Deno.test("extract contains what it does not refuse", async () => {
  using folder = testFolder();
  await folderIn(folder.path, "tree");
  await withSentinel(folder.path, async (tree) => {
    const into = await folderIn(tree, "0");
    await extractTo(
      into,
      archive(
        file("/absolute"),
        file("//doubly/absolute"),
        file(".../three dots"),
        file("..a/b.."),
        file("back\\..\\slash"),
        link("out", outside),
        hard("also out", "out"),
        // Replaces the link rather than what it leads to.
        file("out2"),
        link("out2", `${outside}/secret`),
        file("out2", "replaced"),
        link("dir", outside),
        dir("dir", 0o700),
        file("dir/f"),
      ),
    );
    const names = (await readTree(into)).map(({ path, type, target }) => [path, target ?? type]);
    assertEquals(names, [
      [".", "directory"],
      ["...", "directory"],
      [".../three dots", "file"],
      ["..a", "directory"],
      ["..a/b..", "file"],
      ["absolute", "file"],
      ["also out", outside],
      ["back\\..\\slash", "file"],
      ["dir", "directory"],
      ["dir/f", "file"],
      ["doubly", "directory"],
      ["doubly/absolute", "file"],
      ["out", outside],
      ["out2", "file"],
    ]);
  });
});

Deno.test("extract follows no link that the tree had before", async () => {
  using folder = testFolder();
  await folderIn(folder.path, "tree");
  await withSentinel(folder.path, async (tree) => {
    await Deno.symlink("../sentinel", join(tree, "a"));
    await assertRejects(() => extractTo(tree, archive(file("a/f"))), DaemonError, "symbolic link");
    await extractTo(tree, archive(file("a", "mine")));
    assertEquals(await Deno.readTextFile(join(tree, "a")), "mine");
  });
});

Deno.test({
  name: `extract drops set-id bits, devices and privileged attributes, and counts them${ROOT_ONLY}`,
  ignore: !isRoot,
  async fn() {
    using folder = testFolder();
    const records = joinBytes(
      record("SCHILY.xattr.security.capability", Uint8Array.of(1, 0, 0, 2, 255)),
      record("SCHILY.xattr.trusted.overlay.opaque", "y"),
      record("LIBARCHIVE.xattr.security.selinux", "eA=="),
      record("LIBARCHIVE.xattr.user.other", "b3RoZXI="),
      record("SCHILY.xattr.user.kept", "kept"),
      record("SCHILY.xattr.userfoo", "no namespace"),
    );
    const { omitted } = await extractTo(
      folder.path,
      archive(
        pax(records),
        entry({ name: "f", mode: 0o6755 }, "x"),
        pax(records),
        entry({ name: "d", type: "5", mode: 0o7777 }),
        entry({ name: "null", type: "3", major: 1, minor: 3 }),
        entry({ name: "disk", type: "4", major: 8 }),
        hard("also null", "null"),
        file("was a file"),
        entry({ name: "was a file", type: "3", major: 1, minor: 3 }),
        entry({ name: "was a device", type: "3", major: 1, minor: 3 }),
        file("was a device"),
        hard("fine", "was a device"),
      ),
    );
    assertEquals(omitted.counts, { "device": 4, "link": 1, "set-id": 2, "xattr": 8 });
    assertEquals(omitted.examples.length, 10);
    const tree = await readTree(folder.path);
    assertEquals(tree.slice(1).map(({ path, mode }) => [path, mode]), [
      ["d", "1777"],
      ["f", "0755"],
      ["fine", "0644"],
      ["was a device", "0644"],
    ]);
    const xattrs = { "user.kept": "6b657074", "user.other": "6f74686572" };
    assertEquals([tree[1]!.xattrs, tree[2]!.xattrs], [xattrs, xattrs]);
  },
});

Deno.test("extract ends compressed bombs at the limit", async () => {
  using folder = testFolder();
  const zeros = new Uint8Array(64 << 20);
  const bomb = joinBytes(header({ name: "bomb", size: base256(1n << 40n, 12) }), zeros);
  const lying = joinBytes(entry({ name: "pad" }), new Uint8Array(1024), zeros);
  for (
    const [compression, bytes] of [
      ["gzip", gzipSync(bomb)],
      ["zstd", zstdCompressSync(bomb)],
    ] as const
  ) {
    const error = await assertRejects(
      () => extractTo(folder.path, bytes, { compression, limitBytes: 1 << 20 }),
      DaemonError,
      "bomb",
    );
    assertEquals(error.code, "RESOURCE_EXHAUSTED");
  }
  // Padding is no content: it is read, and limited by itself.
  await extractTo(folder.path, zstdCompressSync(lying), {
    compression: "zstd",
    limitBytes: 1 << 20,
  });
});

Deno.test("extract counts inodes, blocks, attributes and link targets among the bytes that are allowed", async () => {
  const attributes = { "SCHILY.xattr.user.a": "x".repeat(3000), "SCHILY.xattr.security.b": "y" };
  const named = "user.a".length + 3000;
  const kinds: Record<string, [one: (n: number) => Uint8Array[], bytes: number]> = {
    "attributes of files": [
      (n) => [pax(attributes), header({ name: `f${n}` })],
      fileBytes(0) + named,
    ],
    "attributes of folders": [
      (n) => [pax(attributes), header({ name: `d${n}/`, type: "5" })],
      DIRECTORY_BYTES + named,
    ],
    // Of a length that XFS takes.
    "targets of links": [
      (n) => [pax({ linkpath: "x".repeat(1002) }), header({ name: `l${n}`, type: "2" })],
      symlinkBytes(1002),
    ],
    "empty files": [(n) => [header({ name: `e${n}` })], fileBytes(0)],
    "small files": [(n) => [file(`s${n}`, "x")], fileBytes(1)],
  };
  for (const [kind, [one, bytes]] of Object.entries(kinds)) {
    const many = archive(...Array.from({ length: 100 }, (_, n) => one(n)).flat());
    using fits = testFolder();
    const { diskBytes } = await extractTo(fits.path, many, { limitBytes: 100 * bytes });
    assertEquals(diskBytes, 100 * bytes, kind);
    using folder = testFolder();
    const error = await assertRejects(
      () => extractTo(folder.path, many, { limitBytes: 100 * bytes - 1 }),
      DaemonError,
      `${100 * bytes - 1} bytes`,
      kind,
    );
    assertEquals(error.code, "RESOURCE_EXHAUSTED");
  }
});

Deno.test("extract ends entries that make nothing at the limit, too", async () => {
  using folder = testFolder();
  const many = archive(...Array.from({ length: 1000 }, () => dir("./")));
  const error = await assertRejects(
    () => extractTo(folder.path, many, { limitBytes: 900 * LINK_BYTES }),
    DaemonError,
    "901 entries",
  );
  assertEquals(error.code, "RESOURCE_EXHAUSTED");
});

Deno.test("extract takes about what it counts from the disk, and holes are free", async () => {
  using folder = testFolder();
  const into = await folderIn(folder.path, "tree");
  const small = Array.from({ length: 300 }, (_, n) => file(`d/${n}`, "x"));
  const hole = new Uint8Array(archive(sparse01("0,1", 1 << 30, "x"), ...small));
  const { diskBytes } = await extractTo(into, hole, { limitBytes: 2 << 20 });
  const { stdout } = await new Deno.Command("du", { args: ["-s", "-B1", into] }).output();
  const taken = parseInt(new TextDecoder().decode(stdout));
  assert(diskBytes >= taken * 0.9 && diskBytes <= taken * 1.2, `${diskBytes} for ${taken}`);
});

Deno.test("extract makes and times paths longer than one call takes", async () => {
  using folder = testFolder();
  const path = Array.from({ length: 60 }, (_, i) => `${"d".repeat(200)}${i}`).join("/");
  const deep = Array.from({ length: 500 }, () => "e").join("/");
  const stats = await extractTo(
    folder.path,
    archive(
      pax({ path: `${path}/f`, mtime: "7" }),
      file("x"),
      pax({ path: `${path}/g`, linkpath: `${path}/f` }),
      hard("x", "x"),
      pax({ path, mtime: "5" }),
      dir("x"),
      pax({ path: `${deep}/f` }),
      file("x"),
      pax({ path: deep, mtime: "5" }),
      dir("x"),
    ),
  );
  assertEquals([stats.files, stats.contentBytes], [2, 14]);
  const script = `import os, sys
for path in sys.argv[2:]:
    os.chdir(sys.argv[1])
    for name in path.split("/"): os.chdir(name)
    print(int(os.stat(".").st_mtime), sorted(os.listdir(".")), os.stat("f").st_nlink)`;
  const { stdout } = await new Deno.Command(PYTHON, {
    args: ["-c", script, folder.path, path, deep],
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "5 ['f', 'g'] 2\n5 ['f'] 1\n");
});

Deno.test("extract asks at every directory that an entry implies whether it is cancelled", async () => {
  using folder = testFolder();
  openLibc(libcPath());
  using top = Directory.open(folder.path, "tree");
  const bytes = archive(pax({ path: "d/".repeat(900) + "f" }), file("x"));
  let asked = 0;
  const throwIfCancelled = () => {
    if (++asked > 10) throw new DaemonError("ABORTED", "cancelled");
  };
  const error = await assertRejects(
    async () =>
      await extractArchive(new TarReader(bytesSource(bytes)), top, new Abilities(top), {
        trusted: false,
        throwIfCancelled,
      }),
    DaemonError,
  );
  assertEquals(error.code, "ABORTED");
  assertEquals((await readTree(folder.path)).length, 1 + 10);
});

Deno.test("extract makes what is missing of a path beneath what is there, whatever is missing", async () => {
  using folder = testFolder();
  const depths = [7, 3, 12, 13, 1, 40];
  const path = (depth: number) => "d/".repeat(depth);
  await extractTo(
    folder.path,
    archive(...depths.flatMap((depth) => [
      pax({ path: `${path(depth)}f${depth}`, mtime: "1" }),
      file("x"),
    ])),
  );
  for (const depth of depths) {
    assertEquals(await Deno.readTextFile(join(folder.path, `${path(depth)}f${depth}`)), "hostile");
  }
  assertEquals((await readTree(folder.path)).length, 1 + 40 + depths.length);
});

Deno.test("extract shows names of any bytes safely in its errors", async () => {
  using folder = testFolder();
  const error = await assertRejects(
    () => extractTo(folder.path, archive(entry({ name: utf8("../\x1b[31m\n\u202e") }))),
    DaemonError,
  );
  assertEquals(error.message.split(" at offset")[0], 'entry "../\\u001b[31m\\u000a\\u202e"');
});
