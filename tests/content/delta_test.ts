/** Deltas: nothing fools them, and chains of them stay short. */

import { assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import {
  assertSameTree,
  directory,
  file,
  hardlink,
  makeTree,
  readTree,
  symlink,
  type TreeTable,
} from "../fixtures/tree.ts";
import { anyEdit, doEdit } from "./edits.ts";
import { assertPeersAgree } from "../fixtures/peers.ts";
import { settle } from "../fixtures/settle.ts";
import { runs, soaking } from "../fixtures/soak.ts";
import { ImageFixture, withoutExtents } from "./image_fixture.ts";

async function assertRestores(
  fixture: ImageFixture,
  image: PackResult,
  path: string,
): Promise<void> {
  const wanted = withoutExtents(await readTree(path));
  for (const index of [true, false]) {
    assertSameTree(withoutExtents(await fixture.restored(image, { index })), wanted);
  }
  await assertPeersAgree(fixture, image);
}

const TREE: TreeTable = [
  ["a", directory()],
  ["a/x", file("first")],
  ["a/y", file("same size")],
  ["b", directory()],
  ["b/x", file("other")],
  ["b/y", file("SAME SIZE")],
  ["linked", file("linked")],
  ["linked-2", hardlink("linked")],
  ["link", symlink("a")],
  ["n", directory()],
  ["n/deep", directory()],
  ["n/deep/er", directory()],
  ["n/deep/er/file", file("down here")],
];

interface Edit {
  name: string;
  /** Does it, in the tree's folder. */
  edit(path: string): void | Promise<void>;
}

const text = (path: string, content: string) => Deno.writeTextFileSync(path, content);
const stat = (path: string) => Deno.statSync(path);

const EDITS: Edit[] = [
  {
    name: "a same-size edit with its mtime put back",
    edit(path) {
      const { mtime } = stat(`${path}/a/y`);
      text(`${path}/a/y`, "SaMe SiZe");
      Deno.utimeSync(`${path}/a/y`, mtime!, mtime!);
    },
  },
  {
    name: "two directories swapped",
    edit(path) {
      Deno.renameSync(`${path}/a`, `${path}/c`);
      Deno.renameSync(`${path}/b`, `${path}/a`);
      Deno.renameSync(`${path}/c`, `${path}/b`);
    },
  },
  {
    name: "two files swapped",
    edit(path) {
      Deno.renameSync(`${path}/a/y`, `${path}/t`);
      Deno.renameSync(`${path}/b/y`, `${path}/a/y`);
      Deno.renameSync(`${path}/t`, `${path}/b/y`);
    },
  },
  {
    name: "a rename over another file",
    edit: (path) => Deno.renameSync(`${path}/a/x`, `${path}/b/x`),
  },
  {
    name: "a write through the other name of a file",
    edit: (path) => text(`${path}/linked-2`, "LINKED"),
  },
  {
    name: "a name replaced by a copy",
    edit(path) {
      Deno.removeSync(`${path}/linked-2`);
      text(`${path}/linked-2`, "linked");
    },
  },
  {
    name: "the name with the content removed",
    edit: (path) => Deno.removeSync(`${path}/linked`),
  },
  {
    name: "a third name",
    edit: (path) => Deno.linkSync(`${path}/linked-2`, `${path}/a/linked-3`),
  },
  {
    name: "a third name that sorts first",
    edit: (path) => Deno.linkSync(`${path}/linked-2`, `${path}/Linked`),
  },
  {
    name: "a name moved to another directory",
    edit: (path) => Deno.renameSync(`${path}/linked`, `${path}/n/deep/linked`),
  },
  { name: "a mode alone", edit: (path) => Deno.chmodSync(`${path}/a/x`, 0o600) },
  {
    name: "a directory's mode and time alone",
    edit(path) {
      Deno.chmodSync(`${path}/n/deep`, 0o711);
      Deno.utimeSync(`${path}/n/deep/er`, 5, 6);
    },
  },
  {
    name: "a directory replaced by a file",
    edit(path) {
      Deno.removeSync(`${path}/n`, { recursive: true });
      text(`${path}/n`, "now a file");
    },
  },
  {
    name: "a file replaced by a directory with files",
    edit(path) {
      Deno.removeSync(`${path}/a/x`);
      Deno.mkdirSync(`${path}/a/x`);
      text(`${path}/a/x/file`, "f");
    },
  },
  {
    name: "a file replaced by an empty directory",
    edit(path) {
      Deno.removeSync(`${path}/a/x`);
      Deno.mkdirSync(`${path}/a/x`);
    },
  },
  {
    name: "a directory replaced by a link",
    edit(path) {
      Deno.removeSync(`${path}/n`, { recursive: true });
      Deno.symlinkSync("a", `${path}/n`);
    },
  },
  {
    name: "a link replaced by a directory",
    edit(path) {
      Deno.removeSync(`${path}/link`);
      Deno.mkdirSync(`${path}/link`);
      text(`${path}/link/x`, "x");
    },
  },
  {
    name: "a link that leads elsewhere",
    edit(path) {
      Deno.removeSync(`${path}/link`);
      Deno.symlinkSync("b", `${path}/link`);
    },
  },
  {
    name: "everything removed",
    edit(path) {
      for (const { name } of Deno.readDirSync(path)) {
        Deno.removeSync(`${path}/${name}`, { recursive: true });
      }
    },
  },
  { name: "nothing", edit() {} },
];

Deno.test("a delta has what was edited and reads little else", async (t) => {
  await using fixture = new ImageFixture();
  const bulk = crypto.getRandomValues(new Uint8Array(65536));
  for (const [n, { name, edit }] of EDITS.entries()) {
    await t.step(name, async () => {
      const path = await fixture.publish(`w${n}`, TREE);
      // So much beside what is edited that it is worth keeping, and costly to read.
      for (let part = 0; part < 20; part++) Deno.writeFileSync(`${path}/bulk${part}`, bulk);
      await settle(fixture.areas.workspaces);
      await fixture.pack(`w${n}`);
      await edit(path);
      const image = await fixture.pack(`w${n}`);
      await assertRestores(fixture, image, path);
      // What is in the way of something else costs its layer.
      if (/^a (file|directory) replaced by an? (file|directory|empty)/.test(name)) return;
      assertLess(image.stats.bytesRead, 10_000);
    });
  }
});

/** Does something in a folder, and puts the folder's time back. */
function withoutTrace(folder: string, edit: () => void): void {
  const { mtime } = stat(folder);
  edit();
  Deno.utimeSync(folder, mtime!, mtime!);
}

/** Edits, and whether the image has the metadata layer of the one before. */
const KEEPING_METADATA: readonly (Edit & { isKept: boolean })[] = [
  { name: "in place", isKept: true, edit: (path) => text(`${path}/a/x`, "FIRST") },
  { name: "through another name", isKept: false, edit: (path) => text(`${path}/linked-2`, "edit") },
  { name: "a file removed", isKept: false, edit: (path) => Deno.removeSync(`${path}/b/x`) },
  { name: "in place, with a whiteout", isKept: true, edit: (path) => text(`${path}/a/x`, "other") },
  {
    name: "a file removed without a trace",
    isKept: false,
    edit: (path) => withoutTrace(`${path}/b`, () => Deno.removeSync(`${path}/b/y`)),
  },
  {
    name: "a file renamed without a trace",
    isKept: false,
    edit: (path) => withoutTrace(`${path}/a`, () => Deno.renameSync(`${path}/a/y`, `${path}/a/z`)),
  },
  {
    name: "a link that leads elsewhere without a trace",
    isKept: false,
    edit: (path) =>
      withoutTrace(path, () => {
        Deno.removeSync(`${path}/link`);
        Deno.symlinkSync("b", `${path}/link`);
      }),
  },
  {
    name: "a folder's mode",
    isKept: false,
    edit: (path) => Deno.chmodSync(`${path}/n/deep`, 0o711),
  },
  {
    name: "a folder moved without a trace",
    isKept: false,
    edit: (path) =>
      withoutTrace(`${path}/n`, () => Deno.renameSync(`${path}/n/deep`, `${path}/n/deeper`)),
  },
];

Deno.test("the metadata layer is that of the last image where only files have changed", async (t) => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  Deno.writeFileSync(`${path}/bulk`, crypto.getRandomValues(new Uint8Array(65536)));
  await settle(fixture.areas.workspaces);
  let last = await fixture.pack("w");
  for (const { name, edit, isKept } of KEEPING_METADATA) {
    await t.step(name, async () => {
      await edit(path);
      const image = await fixture.pack("w");
      assertEquals(image.layers.at(-1)!.digest === last.layers.at(-1)!.digest, isKept);
      await assertRestores(fixture, image, path);
      last = image;
    });
  }
});

Deno.test("layers that the store has lost are read again", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  await settle(fixture.areas.workspaces);
  const first = await fixture.pack("w");
  for (const { digest } of first.layers) Deno.removeSync(fixture.blobPath(digest));
  const second = await fixture.pack("w");
  assertGreater(second.stats.filesRead, 0);
  await assertRestores(fixture, second, path);
  // The metadata layer alone: nothing is read for it, and it is stored again.
  const { digest } = second.layers.at(-1)!;
  Deno.removeSync(fixture.blobPath(digest));
  const third = await fixture.pack("w");
  assertEquals([third.layers.at(-1)!.digest, third.stats.filesRead], [digest, 0]);
  await assertRestores(fixture, third, path);
});

Deno.test("a damaged baseline costs reading everything, and nothing else", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w", TREE);
  await settle(fixture.areas.workspaces);
  await fixture.pack("w");
  const baseline = join(fixture.areas.baselines, "w");
  const bytes = Deno.readFileSync(baseline);
  for (const at of [9, Math.floor(bytes.length / 2), bytes.length - 1]) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0x40;
    Deno.writeFileSync(baseline, damaged);
    const image = await fixture.pack("w");
    assertEquals(image.stats.filesRead, image.stats.files - 1, `byte ${at}`);
    await assertRestores(fixture, image, path);
  }
  Deno.writeFileSync(baseline, bytes.subarray(0, 50));
  await assertRestores(fixture, await fixture.pack("w"), path);
});

Deno.test("after 200 backups of a changing tree, the chain is as short and small as a fresh one", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("w");
  let state = 7;
  const random = (below: number) => {
    state = Math.imul(state, 1103515245) + 12345 >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const write = (n: number) => {
    const bytes = new Uint8Array(200 + random(4000));
    for (let i = 0; i < bytes.length; i++) bytes[i] = random(256);
    Deno.mkdirSync(`${path}/d${n % 17}`, { recursive: true });
    Deno.writeFileSync(`${path}/d${n % 17}/f${n}`, bytes);
  };
  for (let n = 0; n < 300; n++) write(n);
  let image = await fixture.pack("w");
  for (let backup = 0; backup < 200; backup++) {
    for (let edit = 0; edit < 6; edit++) write(random(300));
    if (backup % 9 === 0) Deno.removeSync(`${path}/d${random(17)}`, { recursive: true });
    image = await fixture.pack("w");
  }
  await fixture.content.dropBaseline("w");
  const fresh = await fixture.pack("w");
  assertLessOrEqual(image.layers.length, 2 * fresh.layers.length);
  assertLessOrEqual(fixture.storedBytes(image), 2 * fixture.storedBytes(fresh));
  await assertRestores(fixture, image, path);
});

const RUNS = runs(3, 20);

Deno.test("any script of edits restores as the tree is, after every delta", async () => {
  await using fixture = new ImageFixture();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anyEdit, { maxLength: 12 }), { maxLength: soaking() ? 50 : 3 }),
      async (script) => {
        const id = `w${run++}`;
        const path = await fixture.publish(id);
        await makeTree(path, [["p", directory()], ["q", file("q")]]);
        await fixture.pack(id);
        for (const edits of script) {
          for (const edit of edits) doEdit(path, edit);
          await assertRestores(fixture, await fixture.pack(id), path);
        }
      },
    ),
    { numRuns: RUNS, verbose: 1 },
  );
});

Deno.test("what was written just before a backup is neither read nor stored again by the next", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("fresh");
  const content = new Uint8Array(1 << 20);
  const write = (name: string, pieces: number) => {
    using file = Deno.openSync(join(path, name), { write: true, create: true });
    for (let n = 0; n < pieces; n++) {
      crypto.getRandomValues(content.subarray(0, 65536));
      file.writeSync(content);
    }
  };
  for (let n = 0; n < 8; n++) write(`piece-${n}`, 2);
  Deno.linkSync(join(path, "piece-0"), join(path, "another-name"));
  write("large", 17);
  await fixture.pack("fresh");
  Deno.writeTextFileSync(join(path, "small"), "edited");
  const image = await fixture.pack("fresh");
  assertLess(image.stats.bytesRead, 4 << 20);
  await assertRestores(fixture, image, path);
});

Deno.test("a change in the moment after a fresh file was read is seen by the next backup", async () => {
  await using fixture = new ImageFixture();
  const path = await fixture.publish("busy");
  for (let round = 0; round < 5; round++) {
    // Large enough for the first backup to wait until changes show.
    Deno.writeFileSync(join(path, "file"), new Uint8Array(2 << 20).fill(round));
    await fixture.pack("busy");
    using file = Deno.openSync(join(path, "file"), { write: true });
    file.writeSync(Uint8Array.of(100 + round));
    const image = await fixture.pack("busy");
    await assertRestores(fixture, image, path);
  }
});
