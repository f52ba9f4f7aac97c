/** What every volume promises, and what those promise that can do more. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { Directory, openLibc, SystemError } from "../../../src/linux/mod.ts";
import type { Volume } from "../../../src/content/volume/volume.ts";
import { libcPath } from "../../../src/process/libc.ts";
import {
  directory,
  file,
  makeTree,
  readTree,
  symlink,
  type TreeTable,
} from "../../fixtures/tree.ts";
import { writeAsTenant } from "../../fixtures/btrfs.ts";

/** A file system with an empty folder for trees and one for what is being deleted. */
export interface VolumeFixture extends Disposable {
  readonly path: string;
  readonly volume: Volume;
}

/** The fixture's folder, opened, and the folder for deletions. */
export class OpenFixture implements Disposable {
  readonly dir: Directory;
  readonly trash: Directory;

  constructor(readonly fixture: VolumeFixture) {
    openLibc(libcPath());
    for (const name of ["trees", "trash"]) Deno.mkdirSync(join(fixture.path, name));
    this.dir = Directory.open(join(fixture.path, "trees"), "trees");
    this.trash = Directory.open(join(fixture.path, "trash"), "trash");
  }

  get volume(): Volume {
    return this.fixture.volume;
  }

  pathOf(name: string): string {
    return join(this.fixture.path, "trees", name);
  }

  /** Makes a tree that everybody may write to. */
  make(name: string): Directory {
    this.volume.make(this.dir, name);
    const top = this.dir.openDirectory(name);
    top.chmod(0o777);
    return top;
  }

  remove(name: string): void {
    this.volume.remove(this.dir, name, this.trash);
    assertEquals([...Deno.readDirSync(join(this.fixture.path, "trash"))], []);
  }

  [Symbol.dispose](): void {
    this.dir.close();
    this.trash.close();
    this.fixture[Symbol.dispose]();
  }
}

const CONTENT: TreeTable = [
  ["folder", directory({ mode: 0o750, mtime: 1_500_000_000_123_456_789n })],
  ["folder/file", file("content", { mode: 0o640, mtime: 1_400_000_000_500_000_000n })],
  ["link", symlink("folder/file")],
];

/** What a volume can do besides making and deleting trees. */
export interface VolumeFeatures {
  readonly snapshots?: true;
  readonly limits?: true;
}

/** Registers the tests that a volume with these features must pass. */
export function testVolume(
  name: string,
  { ignore, open, features }: {
    ignore: boolean;
    open: () => VolumeFixture;
    features: VolumeFeatures;
  },
): void {
  const test: Register = (what, fn) =>
    Deno.test({
      name: `${name}: ${what}`,
      ignore,
      async fn() {
        using at = new OpenFixture(open());
        await fn(at);
      },
    });

  test("it says what it can do", ({ volume }) => {
    assertEquals(volume.snapshots !== undefined, features.snapshots ?? false);
    assertEquals(volume.limits !== undefined, features.limits ?? false);
  });

  test("a tree is made, refuses a name that is taken, and is deleted with all that it holds", async (at) => {
    using top = at.make("a");
    assertEquals([...top.entries()], []);
    assertThrows(() => at.volume.make(at.dir, "a"), SystemError, "EEXIST");
    await makeTree(at.pathOf("a"), CONTENT);
    at.remove("a");
    assertEquals([...at.dir.entries()], []);
    assertEquals(at.volume.remove(at.dir, "a", at.trash), "absent");
  });

  test("a tree with more levels than are opened at once is deleted", (at) => {
    using _top = at.make("a");
    let path = at.pathOf("a");
    for (let n = 0; n < 100; n++) Deno.mkdirSync(path = join(path, "d"));
    Deno.writeTextFileSync(join(path, "file"), "x");
    at.remove("a");
    assertEquals([...at.dir.entries()], []);
  });

  if (features.snapshots) testSnapshots(test);
  if (features.limits) testLimits(test);
}

type Register = (what: string, fn: (at: OpenFixture) => void | Promise<void>) => void;

function testSnapshots(test: Register): void {
  test("a clone has the tree's content and metadata, and neither changes with the other", async (at) => {
    const snapshots = at.volume.snapshots!;
    using top = at.make("a");
    await makeTree(at.pathOf("a"), CONTENT);
    const before = await readTree(at.pathOf("a"));
    snapshots.clone(top, at.dir, "b");
    assertEquals(await readTree(at.pathOf("b")), before);
    assertThrows(() => snapshots.clone(top, at.dir, "b"), SystemError, "EEXIST");
    Deno.writeTextFileSync(join(at.pathOf("b"), "folder/file"), "edited");
    assertEquals(await readTree(at.pathOf("a")), before);
    at.remove("a");
    assertEquals(Deno.readTextFileSync(join(at.pathOf("b"), "folder/file")), "edited");
  });

  test("a frozen tree stays as it was, cannot be written to, and can be cloned and deleted", async (at) => {
    const snapshots = at.volume.snapshots!;
    using top = at.make("a");
    await makeTree(at.pathOf("a"), CONTENT);
    const before = await readTree(at.pathOf("a"));
    snapshots.freeze(top, at.dir, "f");
    Deno.removeSync(join(at.pathOf("a"), "folder"), { recursive: true });
    assertEquals(await readTree(at.pathOf("f")), before);
    assertThrows(() => Deno.writeTextFileSync(join(at.pathOf("f"), "x"), ""), Error, "os error 30");
    using frozen = at.dir.openDirectory("f");
    snapshots.clone(frozen, at.dir, "c");
    Deno.writeTextFileSync(join(at.pathOf("c"), "x"), "");
    for (const name of ["a", "f", "c"]) at.remove(name);
    assertEquals([...at.dir.entries()], []);
  });

  test("what changed between two freezes is told, and of no other tree", async (at) => {
    const snapshots = at.volume.snapshots!;
    using top = at.make("a");
    await makeTree(at.pathOf("a"), CONTENT);
    const { state } = snapshots.freeze(top, at.dir, "f");
    const inodesOf = (name: string, since = state, limit = 100) => {
      using tree = at.dir.openDirectory(name);
      const { subvolumes } = {
        subvolumes: undefined,
        ...snapshots.changedSince(tree, since, limit),
      };
      return subvolumes?.map(({ inodes }) => [...inodes].sort());
    };
    snapshots.freeze(top, at.dir, "unchanged");
    assertEquals(inodesOf("unchanged"), [[]]);
    top.syncFileSystem();
    Deno.writeTextFileSync(join(at.pathOf("a"), "folder/file"), "edited");
    Deno.writeTextFileSync(join(at.pathOf("a"), "new"), "new");
    const edited = snapshots.state(top)!;
    snapshots.freeze(top, at.dir, "g");
    const expected = [top, "folder/file", "new"].map((what) =>
      Number((typeof what === "string" ? top.statEntry(what) : what.stat()).ino)
    ).sort();
    assertEquals(inodesOf("g"), [expected]);
    assertEquals(inodesOf("g", state, 2), undefined);
    // The edits are part of the state that the sync after them has made, and of none before it.
    const [uuid, generation] = edited.split(":");
    assertEquals(inodesOf("g", edited), [[]]);
    assertEquals(inodesOf("g", `${uuid}:${BigInt(generation!) - 1n}`), [expected]);
    // A tree of the same name with the same content is another, and so is a copy.
    at.remove("a");
    using again = at.make("a");
    snapshots.freeze(again, at.dir, "h");
    assertEquals(inodesOf("h"), undefined);
    using later = at.dir.openDirectory("g");
    snapshots.clone(later, at.dir, "c");
    using clone = at.dir.openDirectory("c");
    snapshots.freeze(clone, at.dir, "i");
    assertEquals(inodesOf("i"), undefined);
  });
}

function testLimits(test: Register): void {
  test("a limit holds for a process, and its use is told, until it is lifted", (at) => {
    const limits = at.volume.limits!;
    using top = at.make("a");
    assert(limits.limit(at.dir, top, 20 << 20));
    assertEquals(writeAsTenant(join(at.pathOf("a"), "small"), 8), "written");
    assertEquals(writeAsTenant(join(at.pathOf("a"), "large"), 30), "quota");
    top.syncFileSystem();
    const usage = limits.usages(at.dir).get(limits.keyOf(top)!)!;
    assertEquals(usage.limit, 20 << 20);
    assert(usage.bytes > 8 << 20 && usage.bytes <= 20 << 20, `${usage.bytes}`);
    limits.limit(at.dir, top, 60 << 20);
    assertEquals(writeAsTenant(join(at.pathOf("a"), "large"), 30), "written");
    limits.limit(at.dir, top);
    assertEquals(writeAsTenant(join(at.pathOf("a"), "larger"), 60), "written");
  });

  test("a plain folder on the same file system has no limit and no key", (at) => {
    const limits = at.volume.limits!;
    at.dir.makeDirectory("plain");
    using plain = at.dir.openDirectory("plain");
    assertEquals(limits.limit(at.dir, plain, 1 << 20), false);
    assertEquals(limits.keyOf(plain), undefined);
  });
}
