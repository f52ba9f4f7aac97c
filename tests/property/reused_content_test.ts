/**
 * Content is found again by its digest, large files are lists of chunks, indexes are patches and layers are
 * rewritten, in whatever order and together: every image is exactly the tree that was saved.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import fc from "fast-check";
import { indexBlobs } from "../../src/image/mod.ts";
import { describeImage, parseManifest } from "../../src/snapshot/manifest.ts";
import type { PackResult } from "../../src/content/pack/pack_result.ts";
import type { Tree } from "../../src/content/tree.ts";
import { canMountBtrfs, mountBtrfs } from "../fixtures/btrfs.ts";
import { settle } from "../fixtures/settle.ts";
import { runs, soaking } from "../fixtures/soak.ts";
import { assertSameTree, readTree } from "../fixtures/tree.ts";
import { ME } from "../content/fixture.ts";
import { type ImageFixture, withoutExtents } from "../content/image_fixture.ts";
import { mergingFixture } from "../content/merging_fixture.ts";

interface Edit {
  readonly op: string;
  readonly a: number;
  readonly b: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  op: fc.constantFrom(
    "write",
    "write",
    "move",
    "move",
    "copy",
    "link",
    "remove",
    "chmod",
    "touch",
    "mkdir",
    "hole",
    "swap",
    "overwrite",
    "shorten",
    "beside",
    "beside",
  ),
  a: fc.nat(7),
  b: fc.nat(7),
});

/** Edits and the save that follows them. */
interface Save {
  readonly edits: readonly Edit[];
  readonly isSettled: boolean;
  /** Whether large files are stored as chunks. */
  readonly hasChunks: boolean;
  /** Which blob of the last image the store has lost by then; more than it has for none. */
  readonly loses: number;
  /** Whether the save is of what is restored from the last image, and edited there. */
  readonly isElsewhere: boolean;
  /** Edits between what the parts of the pack have read and the merge. */
  readonly meanwhile: readonly Edit[];
  /** Whether the next one may be of a clone of what was packed, where that can be. */
  readonly keepsBase: boolean;
}

const script: fc.Arbitrary<Save[]> = fc.array(
  fc.record({
    edits: fc.array(edit, { maxLength: 8 }),
    isSettled: fc.boolean(),
    hasChunks: fc.boolean(),
    loses: fc.nat(40),
    isElsewhere: fc.nat(3).map((n) => n === 0),
    keepsBase: fc.boolean(),
    meanwhile: soaking()
      ? fc.oneof(fc.constant([]), fc.array(edit, { maxLength: 6 }))
      : fc.constant([]),
  }),
  { minLength: 2, maxLength: soaking() ? 16 : 2 },
);

const plainly = {
  isSettled: true,
  loses: Infinity,
  isElsewhere: false,
  keepsBase: false,
  meanwhile: [],
};
/** Moves, chunks, patches and a rewritten layer, one on the other. */
const TOGETHER: Save[] = [
  {
    ...plainly,
    hasChunks: true,
    edits: [
      { op: "move", a: 6, b: 3 },
      { op: "write", a: 6, b: 4 },
      { op: "beside", a: 1, b: 1 },
    ],
  },
  {
    ...plainly,
    hasChunks: true,
    edits: [{ op: "overwrite", a: 6, b: 7 }, { op: "beside", a: 2, b: 2 }],
  },
];

const NAMES = ["p", "q", "p/r", "p/s", "q/t", "p/r/u", "v", "q/t/w"];
const CHUNK_MIN_BYTES = 1 << 20;
/** Each more than is stored again without a look; the last ones are stored as chunks where that is wanted. */
const CONTENTS = [180, 180, 260, 1400, 3300].map((kib) => {
  const bytes = new Uint8Array(kib << 10);
  for (let at = 0; at < bytes.length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return bytes;
});
/** The id of a base. */
const BASE = "0".repeat(64);
/** Folders that stay as they are, mostly: what changes is then so little of the index that it is patched. */
const BESIDE = 24;

/** Does an edit in a tree; what cannot be done is not. */
function doEdit(path: string, { op, a, b }: Edit): void {
  const from = `${path}/${NAMES[a]}`;
  const to = `${path}/${NAMES[b]}`;
  const content = CONTENTS[b % CONTENTS.length]!;
  try {
    if (op === "write") Deno.writeFileSync(from, content);
    else if (op === "move") Deno.renameSync(from, to);
    else if (op === "copy") new Deno.Command("cp", { args: ["-aT", from, to] }).outputSync();
    else if (op === "link") Deno.linkSync(from, to);
    else if (op === "remove") Deno.removeSync(from, { recursive: true });
    else if (op === "chmod") {
      new Deno.Command("chmod", { args: ["-R", `70${b}`, from] }).outputSync();
    } else if (op === "touch") Deno.utimeSync(from, b, b);
    else if (op === "mkdir") Deno.mkdirSync(from);
    else if (op === "hole") writeAt(from, 1 << 20, content);
    else if (op === "overwrite") writeAt(from, b * 300_000, CONTENTS[a % 2]!);
    else if (op === "shorten") Deno.truncateSync(from, b * 300_000);
    else if (op === "beside") Deno.writeTextFileSync(`${path}/beside/${a}/${b}`, `${a} ${b}`);
    else if (op === "swap") {
      Deno.renameSync(from, `${path}/swap`);
      Deno.renameSync(to, from);
      Deno.renameSync(`${path}/swap`, to);
    }
  } catch (error) {
    // The file system says what it makes of it.
    assert(error instanceof Error);
  }
}

function writeAt(path: string, at: number, content: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(content);
}

function makeFirst(path: string): void {
  for (const name of ["p", "q"]) Deno.mkdirSync(`${path}/${name}`);
  for (const [n, name] of ["p/r", "p/s", "q/t", "v"].entries()) {
    Deno.writeFileSync(`${path}/${name}`, CONTENTS[n]!);
  }
  for (let n = 0; n < BESIDE; n++) {
    Deno.mkdirSync(`${path}/beside/${n}`, { recursive: true });
    for (let file = 0; file < 8; file++) Deno.writeTextFileSync(`${path}/beside/${n}/${file}`, "");
  }
}

type Merging = ReturnType<typeof mergingFixture>;

/** Saves of one workspace after the other, and what was seen of them. */
class Saves {
  readonly seen = new Set<string>();
  #trees = 0;
  #hasBase = false;

  constructor(private readonly fixture: ImageFixture, private readonly hook: Merging["hook"]) {}

  async run(saves: readonly Save[]): Promise<void> {
    const { content, areas } = this.fixture;
    const tree = await content.create(ME);
    let id = await this.#publish(tree);
    makeFirst(join(areas.workspaces, id));
    await settle(areas.scratch);
    let last = await this.fixture.pack(id);
    const first = { image: last, wanted: await this.#treeOf(id) };
    let isFirstWhole = true;
    for (const { edits, isSettled, hasChunks, loses, isElsewhere, keepsBase, meanwhile } of saves) {
      if (isElsewhere) id = await this.#goOnFrom(last);
      for (const edit of edits) doEdit(join(areas.workspaces, id), edit);
      const lost = [...last.layers, ...indexBlobs(last.index)][loses];
      if (lost) {
        Deno.removeSync(this.fixture.blobPath(lost.digest));
        this.seen.add("a blob that was lost");
        isFirstWhole = false;
      }
      if (isSettled) await settle(areas.scratch);
      this.hook.beforeMerge = () => {
        for (const edit of meanwhile) doEdit(join(areas.workspaces, id), edit);
      };
      const image = await this.fixture.pack(id, {
        ...(hasChunks ? { chunkMinBytes: CHUNK_MIN_BYTES } : {}),
        keepFrozen: keepsBase && meanwhile.length === 0,
      });
      await this.#keepBase(id, image);
      this.hook.beforeMerge = () => {};
      await this.#check(id, image, meanwhile.length === 0);
      this.#note(last, image);
      last = image;
    }
    if (isFirstWhole) await this.#restores(first.image, first.wanted);
    await this.#clear();
  }

  /** Removes all that was made, so that a soak does not fill the disk. */
  async #clear(): Promise<void> {
    const { content, areas } = this.fixture;
    this.#hasBase = false;
    await content.bases.remove(BASE);
    for (const { name } of [...Deno.readDirSync(areas.workspaces)]) {
      await content.remove({ area: "workspaces", name });
      await content.dropBaseline(name);
    }
    for (const { name } of [...Deno.readDirSync(areas.blobs)]) {
      Deno.removeSync(join(areas.blobs, name));
    }
  }

  async #publish(tree: Tree): Promise<string> {
    const id = `w${this.#trees++}`;
    await this.fixture.content.publish(tree, id);
    return id;
  }

  /** Makes the tree that was packed the only base, of which the next one may be a clone. */
  async #keepBase(id: string, { frozen, stats }: PackResult): Promise<void> {
    const { bases } = this.fixture.content;
    await bases.remove(BASE);
    this.#hasBase = false;
    if (!frozen) return;
    const { files, contentBytes } = stats;
    const facts = { files, contentBytes, omitted: { counts: {}, examples: [] } };
    this.#hasBase = await bases.adopt(frozen, { id: BASE, facts, baseline: id });
  }

  /** Restores an image, or clones what was packed, and goes on there. */
  async #goOnFrom(image: PackResult): Promise<string> {
    const { content } = this.fixture;
    const isCloned = this.#hasBase;
    let tree: Tree;
    let newBaseline: string | undefined;
    if (isCloned) {
      tree = await content.create(ME);
      ({ newBaseline } = await content.bases.clone(BASE, tree));
    } else ({ tree, newBaseline } = await this.fixture.restore(image));
    const id = await this.#publish(tree);
    await content.commitBaseline(newBaseline!, id);
    this.seen.add(isCloned ? "a clone" : "a restored tree");
    return id;
  }

  async #treeOf(id: string) {
    return withoutExtents(await readTree(join(this.fixture.areas.workspaces, id)));
  }

  async #restores(image: PackResult, wanted: ReturnType<typeof withoutExtents>) {
    assertSameTree(withoutExtents(await this.fixture.restored(image)), wanted);
  }

  /** @param isStill whether nothing changed while it was packed: else it has to be readable */
  async #check(id: string, image: PackResult, isStill: boolean): Promise<void> {
    const wanted = isStill
      ? await this.#treeOf(id)
      : withoutExtents(await this.fixture.restored(image));
    if (isStill) await this.#restores(image, wanted);
    assertEquals(this.fixture.entries(image).length, wanted.length);
    const { layers, index, isNative } = image;
    const parsed = parseManifest(describeImage({ layers, index, isNative }).manifest);
    assertEquals(parsed.index, index);
    if (isNative) return;
    const byLayers = await this.fixture.restored(image, { index: false });
    assertSameTree(withoutExtents(byLayers), wanted);
  }

  #note(last: PackResult, image: PackResult): void {
    const hasChunks = image.layers.some(({ isChunks }) => isChunks);
    const kept = new Set(image.layers.map(({ digest }) => digest));
    const isRewritten = last.layers.slice(0, -1).some(({ digest }) => !kept.has(digest));
    const parts = [
      image.index.below ? "patch" : "",
      this.fixture.hasDisplaced(image) ? "moved" : "",
      hasChunks ? "chunks" : "",
      isRewritten ? "rewritten" : "",
    ].filter((part) => part !== "");
    for (const part of parts) this.seen.add(part);
    this.seen.add(parts.join(" "));
  }
}

const ALL = "patch moved chunks rewritten";
/** What a soak has surely seen: each on its own, and all of them in one save. */
const IN_SOAK = [
  "patch",
  "moved",
  "chunks",
  "rewritten",
  ALL,
  "a blob that was lost",
  "a restored tree",
];

/** Fixtures to try it on: where trees are walked, and in a soak where btrfs says what has changed, too. */
async function* fixtures(): AsyncGenerator<Merging & { inSoak: string[] }> {
  yield { ...mergingFixture(), inSoak: IN_SOAK };
  if (!soaking() || !canMountBtrfs()) return;
  const merging = mergingFixture(mountBtrfs(1 << 30));
  await merging.fixture.content.chooseVolume("auto");
  yield { ...merging, inSoak: [...IN_SOAK, "a clone"] };
}

Deno.test("whatever is moved, copied and changed, each image is the tree that was saved", async () => {
  for await (const { fixture: one, hook, inSoak } of fixtures()) {
    await using fixture = one;
    const saves = new Saves(fixture, hook);
    await fc.assert(
      fc.asyncProperty(script, (one) => saves.run(one)),
      { numRuns: runs(2, 40), verbose: 1, examples: [[TOGETHER]] },
    );
    const wanted = soaking() ? inSoak : [ALL];
    assertEquals(wanted.filter((part) => !saves.seen.has(part)), []);
  }
});
