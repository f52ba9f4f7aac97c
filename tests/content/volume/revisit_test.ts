/**
 * Saves that ask btrfs what changed instead of walking the tree: nothing fools them, and what is in
 * doubt is walked.
 */

import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import type { PackResult } from "../../../src/content/pack/pack_result.ts";
import { btrfs, canMountBtrfs, mountBtrfs } from "../../fixtures/btrfs.ts";
import { PYTHON } from "../../fixtures/python.ts";
import { settle } from "../../fixtures/settle.ts";
import { runs, soaking } from "../../fixtures/soak.ts";
import { assertSameTree, directory, file, readTree, type TreeTable } from "../../fixtures/tree.ts";
import { packable, withoutExtents } from "../image_fixture.ts";
import { BtrfsFixture } from "./btrfs_fixture.ts";
import { anyBtrfsEdit, doBtrfsEdit } from "./edits.ts";

const ignore = !canMountBtrfs();

const text = (path: string, content: string) => Deno.writeTextFileSync(path, content);

/** Runs Python in a folder. */
function python(path: string, code: string): void {
  const { success, stderr } = new Deno.Command(PYTHON, {
    args: ["-c", `import ctypes, mmap, os, socket\nos.chdir(${JSON.stringify(path)})\n${code}`],
  }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

/** Counts that do not depend on what was read. */
function counts({ stats }: PackResult) {
  const { files, directories, otherEntries, contentBytes, skippedSockets } = stats;
  return { files, directories, otherEntries, contentBytes, skippedSockets };
}

/** Asserts that an image of a workspace is the tree, and what a save without a baseline would be. */
async function assertIsTree(fixture: BtrfsFixture, id: string, image: PackResult): Promise<void> {
  const whole = await fixture.packWhole(id);
  const entries = (lines: readonly string[]) => steady(lines.map((path) => ({ path })));
  assertSameTree(entries(fixture.entries(image)), entries(whole.entries));
  assertEquals(counts(image), counts(whole));
  assertSameTree(
    steady(withoutExtents(await fixture.restored(image))),
    steady(withoutExtents(packable(await readTree(join(fixture.areas.workspaces, id))))),
  );
}

/**
 * A tree without the empty folder that a snapshot has in the place of the subvolume `within`: it shows
 * the time at which it was looked at.
 */
function steady<T extends { path: string }>(entries: readonly T[]): T[] {
  return entries.filter(({ path }) => !/frozen\/within/.test(path));
}

interface Case {
  readonly name: string;
  /** Makes what is there before, in an empty folder. */
  before(path: string): void;
  edit(path: string): void;
  /** Whether it costs a layer: what is in the way of something else does. */
  readonly costsLayer?: true;
}

/** A folder with two files and a folder with one. */
function makeFolder(path: string, content = "content"): void {
  Deno.mkdirSync(join(path, "inner"), { recursive: true });
  for (const name of ["x", "y", "inner/z"]) text(join(path, name), `${content} ${name}`);
}

const make = (path: string) => makeFolder(join(path, "a"));

/** Two folders that differ in their files' content only, not in names or sizes. */
function makeTwo(path: string): void {
  makeFolder(join(path, "a"), "first..");
  makeFolder(join(path, "b"), "second.");
}

/** A file, and another name of it in another folder. */
function makeLinked(path: string): void {
  makeTwo(path);
  Deno.linkSync(`${path}/a/x`, `${path}/b/linked`);
}

/** A link and a FIFO, and another name of each in another folder. */
function makeLinkedOthers(path: string): void {
  makeTwo(path);
  python(
    path,
    'os.symlink("x", "a/link"); os.mkfifo("a/fifo")\n' +
      'for n in ("link", "fifo"): os.link("a/" + n, "b/" + n, follow_symlinks=False)',
  );
}

/** A subvolume with a file, and one within it. */
function makeSubvolumes(path: string): void {
  make(path);
  for (const name of ["one", "a/two", "one/within"]) {
    btrfs("subvolume", "create", join(path, name));
    makeFolder(join(path, name, "a"), name.at(-1));
  }
}

const CASES: readonly Case[] = [
  {
    name: "a same-size edit with its mtime put back",
    before: make,
    edit(path) {
      const { mtime } = Deno.statSync(`${path}/a/x`);
      text(`${path}/a/x`, "CONTENT x");
      Deno.utimeSync(`${path}/a/x`, mtime!, mtime!);
    },
  },
  {
    name: "a mapped page",
    before: make,
    edit: (path) =>
      python(
        path,
        'f = open("a/x", "r+b"); m = mmap.mmap(f.fileno(), 5); m[0:1] = b"C"; m.close()',
      ),
  },
  {
    name: "an attribute alone",
    before: make,
    edit: (path) => python(path, 'os.setxattr("a/x", "user.a", b"b")'),
  },
  {
    name: "a folder's attribute alone",
    before: make,
    edit: (path) => python(path, 'os.setxattr("a", "user.a", b"b")'),
  },
  {
    name: "a mode alone",
    before: make,
    edit: (path) => Deno.chmodSync(`${path}/a/inner/z`, 0o600),
  },
  {
    name: "an owner alone",
    before: make,
    edit: (path) => Deno.chownSync(`${path}/a/inner`, 1234, 1234),
  },
  { name: "a time alone", before: make, edit: (path) => Deno.utimeSync(`${path}/a/inner`, 1, 1) },
  { name: "a ctime alone", before: make, edit: (path) => Deno.chmodSync(`${path}/a/x`, 0o644) },
  {
    name: "two folders swapped",
    before: makeTwo,
    edit(path) {
      Deno.renameSync(`${path}/a`, `${path}/c`);
      Deno.renameSync(`${path}/b`, `${path}/a`);
      Deno.renameSync(`${path}/c`, `${path}/b`);
    },
  },
  {
    name: "two files swapped",
    before: makeTwo,
    edit(path) {
      Deno.renameSync(`${path}/a/x`, `${path}/c`);
      Deno.renameSync(`${path}/b/x`, `${path}/a/x`);
      Deno.renameSync(`${path}/c`, `${path}/b/x`);
    },
  },
  {
    name: "a folder moved as a whole",
    before: makeTwo,
    edit: (path) => Deno.renameSync(`${path}/a`, `${path}/b/inner/a`),
  },
  {
    name: "a folder moved, and its folder put back in another one at its path",
    before: makeTwo,
    edit(path) {
      text(`${path}/a/inner/z`, "edited");
      Deno.renameSync(`${path}/a`, `${path}/old`);
      Deno.mkdirSync(`${path}/a`);
      Deno.renameSync(`${path}/old/inner`, `${path}/a/inner`);
    },
  },
  {
    name: "a folder deleted, and made again with other content of the same size",
    before: make,
    edit(path) {
      Deno.removeSync(`${path}/a`, { recursive: true });
      makeFolder(`${path}/a`, "CONTENT");
    },
  },
  {
    name: "a folder deleted",
    before: makeTwo,
    edit: (path) => Deno.removeSync(`${path}/a`, { recursive: true }),
  },
  {
    name: "a folder replaced by a file, and a file by a folder",
    costsLayer: true,
    before: makeTwo,
    edit(path) {
      Deno.removeSync(`${path}/a/inner`, { recursive: true });
      text(`${path}/a/inner`, "a file");
      Deno.removeSync(`${path}/b/x`);
      makeFolder(`${path}/b/x`);
    },
  },
  {
    name: "a folder replaced by a link to it",
    costsLayer: true,
    before: make,
    edit(path) {
      Deno.renameSync(`${path}/a`, `${path}/moved`);
      Deno.symlinkSync("moved", `${path}/a`);
    },
  },
  {
    name: "a write through another name",
    before: makeLinked,
    edit: (path) => text(`${path}/b/linked`, "FIRST.. x"),
  },
  {
    name: "the name with the content deleted",
    before: makeLinked,
    edit: (path) => Deno.removeSync(`${path}/a/x`),
  },
  {
    name: "the other name deleted",
    before: makeLinked,
    edit: (path) => Deno.removeSync(`${path}/b/linked`),
  },
  {
    name: "a third name",
    before: makeLinked,
    edit: (path) => Deno.linkSync(`${path}/b/linked`, `${path}/a/inner/third`),
  },
  {
    name: "the folder of a name moved",
    before: makeLinked,
    edit: (path) => Deno.renameSync(`${path}/a`, `${path}/b/moved`),
  },
  {
    name: "the folder of the other name moved",
    before: makeLinked,
    edit: (path) => Deno.renameSync(`${path}/b`, `${path}/B`),
  },
  {
    name: "the folder of one name moved, and a file beside the other edited",
    before(path) {
      for (const name of ["1", "2"]) {
        Deno.mkdirSync(join(path, name));
        makeLinked(join(path, name));
      }
    },
    edit(path) {
      // Whichever of them has the content.
      Deno.renameSync(`${path}/1/a`, `${path}/1/moved`);
      text(`${path}/1/b/y`, "edited");
      Deno.renameSync(`${path}/2/b`, `${path}/2/moved`);
      text(`${path}/2/a/y`, "edited");
    },
  },
  {
    name: "another file beside a name",
    before: makeLinked,
    edit: (path) => text(`${path}/b/y`, "edited"),
  },
  {
    name: "another entry beside names of a link and of a FIFO",
    before: makeLinkedOthers,
    edit: (path) => text(`${path}/a/y`, "edited"),
  },
  {
    name: "names of a link and of a FIFO deleted",
    before: makeLinkedOthers,
    edit(path) {
      for (const name of ["a/link", "b/fifo"]) Deno.removeSync(join(path, name));
    },
  },
  {
    name: "a file beside a socket, and a socket more",
    before(path) {
      makeTwo(path);
      for (const name of ["a", "b", "b/inner"]) {
        python(join(path, name), 'socket.socket(socket.AF_UNIX).bind("socket")');
      }
    },
    edit(path) {
      text(`${path}/a/x`, "edited");
      python(join(path, "b"), 'socket.socket(socket.AF_UNIX).bind("more")');
    },
  },
  {
    name: "names that are no text",
    before: (path) => python(path, 'os.mkdir(b"\\xff"); open(b"\\xff/\\xfe", "w").write("x")'),
    edit: (path) => python(path, 'open(b"\\xff/\\xfe", "w").write("y"); open(b"\\xff/\\xfd", "w")'),
  },
  {
    name: "a byte of a large file",
    before(path) {
      makeTwo(path);
      Deno.writeFileSync(`${path}/a/large`, new Uint8Array(17 << 20).fill(1));
    },
    edit: (path) => python(path, 'f = open("a/large", "r+b"); f.seek(9 << 20); f.write(b"x")'),
  },
  {
    name: "a reflink in the place of content",
    before: makeTwo,
    edit(path) {
      const args = ["--reflink=always", `${path}/a/x`, `${path}/b/x`];
      assert(new Deno.Command("cp", { args }).outputSync().success);
    },
  },
  {
    name: "content moved by defragmenting",
    before: makeTwo,
    edit(path) {
      text(`${path}/a/x`, "edited");
      btrfs("filesystem", "defragment", "-r", "-f", path);
    },
  },
  {
    name: "content compressed by defragmenting",
    before(path) {
      makeTwo(path);
      text(`${path}/a/long`, "long ".repeat(50_000));
    },
    edit: (path) => void btrfs("filesystem", "defragment", "-czstd", "-f", `${path}/a/long`),
  },
  {
    name: "a byte of a compressed file",
    before(path) {
      makeTwo(path);
      btrfs("property", "set", `${path}/a`, "compression", "zstd");
      text(`${path}/a/long`, "long ".repeat(50_000));
    },
    edit: (path) => python(path, 'f = open("a/long", "r+b"); f.seek(99_999); f.write(b"x")'),
  },
  {
    name: "files in subvolumes, and another beside one",
    before: makeSubvolumes,
    edit(path) {
      for (const name of ["one/a/x", "one/within/a/inner/z", "a/y"]) {
        text(join(path, name), "edited");
      }
    },
  },
  {
    name: "a subvolume made again under its name",
    before: makeSubvolumes,
    edit(path) {
      btrfs("subvolume", "delete", `${path}/a/two`);
      btrfs("subvolume", "create", `${path}/a/two`);
      makeFolder(`${path}/a/two/a`, "O");
    },
  },
  {
    name: "a subvolume replaced by a snapshot of it",
    before: makeSubvolumes,
    edit(path) {
      btrfs("subvolume", "snapshot", `${path}/a/two`, `${path}/copy`);
      text(`${path}/copy/a/x`, "O x");
      btrfs("subvolume", "delete", `${path}/a/two`);
      Deno.renameSync(`${path}/copy`, `${path}/a/two`);
    },
  },
  {
    name: "two subvolumes swapped",
    before: makeSubvolumes,
    edit(path) {
      Deno.renameSync(`${path}/one`, `${path}/a/three`);
      Deno.renameSync(`${path}/a/two`, `${path}/one`);
      Deno.renameSync(`${path}/a/three`, `${path}/a/two`);
    },
  },
  {
    name: "a subvolume deleted, and one made within another",
    before: makeSubvolumes,
    edit(path) {
      btrfs("subvolume", "delete", `${path}/one/within`);
      btrfs("subvolume", "create", `${path}/a/two/a/inner/new`);
      makeFolder(`${path}/a/two/a/inner/new`);
    },
  },
  {
    name: "a read-only subvolume beside an edit",
    before(path) {
      makeSubvolumes(path);
      btrfs("subvolume", "snapshot", "-r", `${path}/one`, `${path}/a/frozen`);
    },
    edit: (path) => text(`${path}/a/x`, "edited"),
  },
  { name: "nothing", before: makeLinked, edit() {} },
];

async function seesEveryKind(fixture: BtrfsFixture): Promise<void> {
  const path = await fixture.make("kinds");
  const folder = (n: number) => join(path, `${n} ${CASES[n]!.name}`);
  Deno.writeFileSync(join(path, "bulk"), new Uint8Array(40 << 20));
  for (const [n, { before }] of CASES.entries()) {
    Deno.mkdirSync(folder(n));
    before(folder(n));
  }
  assertEquals((await fixture.pack("kinds")).walkReason, undefined);
  for (const costsLayer of [undefined, true]) {
    for (const [n, one] of CASES.entries()) {
      if (one.costsLayer === costsLayer) one.edit(folder(n));
    }
    await settle(fixture.areas.workspaces);
    const edited = await fixture.pack("kinds");
    assertEquals(edited.walkReason, undefined);
    if (!costsLayer) assertLess(edited.stats.bytesRead, 20 << 20);
    await assertIsTree(fixture, "kinds", edited);
  }

  // Blocks of the file system are written anew, and nothing has changed.
  btrfs("balance", "start", "--full-balance", fixture.mount.path);
  const again = await fixture.pack("kinds");
  assertEquals(again.walkReason, undefined);
  assertEquals(again.stats.filesRead, 0);
  await assertIsTree(fixture, "kinds", again);
}

const TREE: TreeTable = [["a", directory()], ["a/x", file("first")], ["b", directory()], [
  "b/y",
  file("other"),
]];

async function seesWhatIsWrittenMeanwhile(fixture: BtrfsFixture): Promise<void> {
  const path = await fixture.make("meanwhile", TREE);
  await fixture.pack("meanwhile");
  text(join(path, "a/x"), "FIRST");
  let count = 0;
  const meanwhile = await fixture.pack("meanwhile", {
    onLayer() {
      count++;
      text(join(path, "a/x"), "after");
      text(join(path, "b/y"), "OTHER");
      text(join(path, "b/new"), "new");
    },
  });
  assert(count > 0);
  assertEquals(meanwhile.walkReason, undefined);
  const next = await fixture.pack("meanwhile");
  assertEquals([next.walkReason, next.stats.filesRead], [undefined, 3]);
  await assertIsTree(fixture, "meanwhile", next);
}

async function readsLostLayers(fixture: BtrfsFixture): Promise<void> {
  const path = await fixture.make("lost", TREE);
  // Too much to be packed again together with the next layer.
  Deno.writeFileSync(join(path, "b/large"), new Uint8Array(65536));
  const [lost] = (await fixture.pack("lost")).layers;
  text(join(path, "a/x"), "edit");
  const { layers } = await fixture.pack("lost");
  assertEquals(layers.length, 3);
  Deno.removeSync(fixture.blobPath(lost!.digest));
  const image = await fixture.pack("lost");
  assertEquals(image.walkReason, undefined);
  await assertIsTree(fixture, "lost", image);
}

async function isAlwaysWhole(fixture: BtrfsFixture): Promise<void> {
  let count = 0;
  let asked = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anyBtrfsEdit, { maxLength: 8 }), {
        minLength: 1,
        maxLength: soaking() ? 50 : 4,
      }),
      async (saves) => {
        const id = `edited-${count++}`;
        const path = await fixture.make(id, TREE);
        let image = await fixture.pack(id);
        for (const edits of saves) {
          for (const edit of edits) doBtrfsEdit(path, edit);
          image = await fixture.pack(id);
          if (image.walkReason === undefined) asked++;
          await assertIsTree(fixture, id, image);
        }
        assertSameTree(
          steady(withoutExtents(await fixture.restored(image, { index: false }))),
          steady(withoutExtents(packable(await readTree(path)))),
        );
        await fixture.content.remove({ area: "workspaces", name: id });
      },
    ),
    { numRuns: runs(4, 20), verbose: 1 },
  );
  assert(asked > 0, "no save asked for changes");
}

/** What is in doubt, and the words that say why. */
const DOUBTS: readonly {
  name: string;
  doubt(fixture: BtrfsFixture, id: string): void | Promise<void>;
  reason: string;
}[] = [
  {
    name: "a writable snapshot in the tree's place",
    doubt({ areas }, id) {
      const path = join(areas.workspaces, id);
      btrfs("subvolume", "snapshot", path, `${path}.other`);
      btrfs("subvolume", "delete", path);
      Deno.renameSync(`${path}.other`, path);
    },
    reason: "another subvolume",
  },
  {
    name: "a tree made again under its name",
    async doubt(fixture, id) {
      await fixture.content.remove({ area: "workspaces", name: id });
      makeFolder(join(await fixture.make(id), "a"));
    },
    reason: "another subvolume",
  },
  {
    name: "a tree that was restored",
    async doubt(fixture, id) {
      const image = await fixture.pack(id);
      await fixture.content.remove({ area: "workspaces", name: id });
      const { tree, newBaseline } = await fixture.restore(image);
      await fixture.content.publish(tree, id);
      await fixture.content.commitBaseline(newBaseline!, id);
    },
    reason: "not that of a frozen tree",
  },
  {
    name: "a baseline that was put back from a copy",
    doubt({ areas }, id) {
      const baseline = join(areas.baselines, id);
      Deno.copyFileSync(baseline, `${baseline}.copy`);
      Deno.renameSync(`${baseline}.copy`, baseline);
    },
    reason: "a copy",
  },
  {
    name: "a generation that went back",
    doubt({ areas }, id) {
      // In place, as on a disk that was put back, and that had been saved from at a later time.
      const path = join(areas.baselines, id);
      const bytes = Buffer.from(Deno.readFileSync(path));
      const state = bytes.lastIndexOf("wsdfrzn1");
      const generation = state + 32 + 16;
      bytes.writeBigUInt64LE(bytes.readBigUInt64LE(generation) + 1000n, generation);
      const end = bytes.length - 24;
      bytes.writeUInt32LE(crc32(bytes.subarray(0, end + 12)), end + 12);
      Deno.writeFileSync(path, bytes);
    },
    reason: "went back",
  },
  {
    name: "more changes than are worth a list",
    doubt({ areas }, id) {
      for (let n = 0; n < 1100; n++) text(join(areas.workspaces, id, `new${n}`), "");
    },
    reason: "more than 1000 inodes",
  },
];

async function walksInDoubt(fixture: BtrfsFixture, t: Deno.TestContext): Promise<void> {
  const id = "doubted";
  const path = await fixture.make(id);
  makeFolder(join(path, "a"));
  for (const { name, doubt, reason } of DOUBTS) {
    await t.step(name, async () => {
      await fixture.pack(id);
      await doubt(fixture, id);
      const image = await fixture.pack(id);
      assertStringIncludes(image.walkReason ?? "", reason);
      assertEquals((await fixture.pack(id)).walkReason, undefined);
      await assertIsTree(fixture, id, image);
    });
  }
}

Deno.test({
  name: "a save asks what changed instead of walking the tree, and nothing fools it",
  ignore,
  async fn(t) {
    // A balance needs room to write all blocks anew.
    await using fixture = new BtrfsFixture(mountBtrfs(1 << 30));
    await t.step(
      "every kind of change is seen, and little else is read",
      () => seesEveryKind(fixture),
    );
    await t.step(
      "what is written after a tree was frozen, while it is packed, is in the next save",
      () => seesWhatIsWrittenMeanwhile(fixture),
    );
    await t.step(
      "unchanged files of a layer that the store has lost are read again",
      () => readsLostLayers(fixture),
    );
    await t.step(
      "whatever is in doubt, the tree is walked, and why is told",
      (inner) => walksInDoubt(fixture, inner),
    );
    await t.step(
      "whatever is edited, each save is what a save of everything would be (property)",
      () => isAlwaysWhole(fixture),
    );
  },
});
