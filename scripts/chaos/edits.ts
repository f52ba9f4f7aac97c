/** Random changes to a workspace's content, as programs in it would make them. */

import { join } from "@std/path";
import type { Random } from "./random.ts";

/** Changes a folder a few times. Nothing here waits, so that a client's edits are in its plan's order. */
export function editTree(root: string, random: Random): void {
  const edits = random.whole(1, 12);
  for (let n = 0; n < edits; n++) {
    try {
      EDITS[random.weighted(WEIGHTS)](root, random);
    } catch (error) {
      // A name that is taken or leads nowhere, a disk that is full: the next edit may be luckier.
      if (!isExpected(error)) throw error;
    }
  }
}

const WEIGHTS = {
  write: 8,
  append: 3,
  overwrite: 3,
  remove: 3,
  rename: 3,
  folder: 4,
  symlink: 2,
  hardlink: 2,
  mode: 2,
  time: 1,
  sparse: 1,
  large: 0.3,
} as const;

type Edit = (root: string, random: Random) => void;

const EDITS: Record<keyof typeof WEIGHTS, Edit> = {
  write: (root, random) =>
    Deno.writeFileSync(freshPath(root, random), random.bytes(random.whole(0, 20_000)), {
      createNew: true,
    }),
  append: (root, random) =>
    Deno.writeFileSync(anyFile(root, random), random.bytes(random.whole(1, 500)), { append: true }),
  overwrite(root, random) {
    const path = anyFile(root, random);
    using file = Deno.openSync(path, { write: true });
    file.seekSync(random.whole(0, 100), Deno.SeekMode.Start);
    file.writeSync(random.bytes(random.whole(1, 50)));
  },
  remove: (root, random) => Deno.removeSync(anyEntry(root, random), { recursive: true }),
  rename: (root, random) => Deno.renameSync(anyEntry(root, random), freshPath(root, random)),
  folder: (root, random) => Deno.mkdirSync(freshPath(root, random)),
  symlink: (root, random) =>
    Deno.symlinkSync(random.pick(["/nonexistent/target", "nowhere", "."]), freshPath(root, random)),
  hardlink: (root, random) => Deno.linkSync(anyFile(root, random), freshPath(root, random)),
  mode: (root, random) =>
    Deno.chmodSync(anyFile(root, random), random.pick([0o600, 0o644, 0o755, 0o4755, 0o444])),
  time: (root, random) => Deno.utimeSync(anyFile(root, random), 1, random.whole(0, 2_000_000_000)),
  sparse(root, random) {
    using file = Deno.openSync(freshPath(root, random), { createNew: true, write: true });
    file.truncateSync(random.whole(1, 40) * 100_000);
    file.seekSync(random.whole(0, 50_000), Deno.SeekMode.Start);
    file.writeSync(random.bytes(100));
  },
  large(root, random) {
    const block = random.bytes(65_536);
    using file = Deno.openSync(freshPath(root, random), { createNew: true, write: true });
    for (let n = random.whole(20, 300); n > 0; n--) file.writeSync(block);
  },
};

/**
 * ENOENT, EEXIST, ENOTDIR, EISDIR, EINVAL (a folder into itself), EFBIG, ENOSPC, ENOTEMPTY, ELOOP and
 * EDQUOT, by their numbers: Deno has no class for some.
 */
const EXPECTED_ERRORS = new Set([2, 17, 20, 21, 22, 27, 28, 39, 40, 122]);

function isExpected(error: unknown): boolean {
  if (error instanceof NothingToEdit) return true;
  const number = error instanceof Error && /\(os error (\d+)\)/.exec(error.message)?.[1];
  return EXPECTED_ERRORS.has(Number(number));
}

/** Thrown where a tree has nothing of the kind that an edit needs. */
class NothingToEdit extends Error {}

function entriesOf(root: string): { path: string; isFile: boolean; isDirectory: boolean }[] {
  const found: ReturnType<typeof entriesOf> = [];
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const names = [...Deno.readDirSync(folder)].toSorted((a, b) => a.name < b.name ? -1 : 1);
    for (const { name, isFile, isDirectory } of names) {
      const path = join(folder, name);
      found.push({ path, isFile, isDirectory });
      if (isDirectory) folders.push(path);
    }
  }
  return found;
}

function anyEntry(root: string, random: Random): string {
  return pick(entriesOf(root), random);
}

function anyFile(root: string, random: Random): string {
  return pick(entriesOf(root).filter(({ isFile }) => isFile), random);
}

function pick(entries: readonly { path: string }[], random: Random): string {
  if (entries.length === 0) throw new NothingToEdit();
  return random.pick(entries).path;
}

/** A name that is probably free, in some folder of the tree. */
function freshPath(root: string, random: Random): string {
  const folders = [root, ...entriesOf(root).filter((it) => it.isDirectory).map((it) => it.path)];
  const name = random.pick(["a", "b", ".wh.c", "odd name", "ü", "d"]) + random.whole(0, 30);
  return join(random.pick(folders), name);
}
