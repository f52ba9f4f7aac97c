/** Trees that are edited at random, and what images leave out of them. */

import { assert } from "@std/assert";
import fc from "fast-check";
import { digestOf } from "../../src/digest.ts";
import { noise } from "../fixtures/noise.ts";
import { directory, file, makeTree, type TreeEntry, type TreeTable } from "../fixtures/tree.ts";

const KiB = 1024;
const TAG = "Signature: 8a477f597d28d172789f06886806bc55\n";
const IGNORE_FILE = ".wsdaemonignore";
const PATHS = ["p", "q", "p/big", "q/x.o", "p/y.o", "v", "q/r", "q/r/big", "p/w", "d1/z"];
/** Some are chunks, some are stored again without a look when they move, and some are not. */
const SIZES = [2 * KiB, 300 * KiB, 900 * KiB, 1500 * KiB, 3072 * KiB];
/** In the syntax of gitignore(5), and what it means in these trees. */
const PATTERNS: Readonly<Record<string, (path: string, q: TreeEntry | undefined) => boolean>> = {
  "*.o": (path) => path.split("/").some((name) => name.endsWith(".o")),
  "big": (path) => path.split("/").includes("big"),
  "/q/": (path, q) => q?.type === "directory" && `${path}/`.startsWith("q/"),
};

/** With enough names that do not compress for an index that is written as patches. */
const NAMES: TreeTable = Array.from({ length: 12 }, (_, n): TreeTable => [
  [`d${n}`, directory()],
  ...[1, 2, 3, 4, 5, 6].map((i) => [`d${n}/${digestOf(`${n} ${i}`).slice(7)}`, file("")] as const),
]).flat();

/** Makes the tree that edits begin with. */
export async function makeFirstTree(root: string): Promise<void> {
  await makeTree(root, [...NAMES, ["p", directory()], ["q", directory()]]);
  const files = ["p/big", "q/x.o", "p/w", "v"];
  for (const [n, name] of files.entries()) {
    Deno.writeFileSync(`${root}/${name}`, noise(SIZES[n + 1]!, n + 1));
  }
}

export const edit = fc.record({
  op: fc.constantFrom(
    "write" as const,
    "write" as const,
    "write" as const,
    "overwrite" as const,
    "overwrite" as const,
    "insert" as const,
    "move" as const,
    "move" as const,
    "move" as const,
    "chmod" as const,
    "copy" as const,
    "chmod" as const,
    "remove" as const,
    "make-folder" as const,
    "tag" as const,
    "ignore" as const,
  ),
  // Large files more often: what moves of them is not stored again.
  path: fc.constantFrom(...PATHS, "v", "v", "p/w", "p/w"),
  to: fc.constantFrom(...PATHS),
  size: fc.constantFrom(...SIZES),
  n: fc.nat(7),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

/** Edits a tree; what cannot be done is not. */
export function applyEdit(root: string, { op, path, to, size, n }: Edit): void {
  const [from, target] = [`${root}/${path}`, `${root}/${to}`];
  try {
    if (op === "write") Deno.writeFileSync(from, noise(size, n + 1));
    else if (op === "overwrite") overwrite(from, n);
    else if (op === "insert") {
      const bytes = Deno.readFileSync(from);
      Deno.writeFileSync(from, new Uint8Array([...noise(4 * KiB, n + 9), ...bytes]));
    } else if (op === "move") Deno.renameSync(from, target);
    else if (op === "copy") Deno.copyFileSync(from, target);
    else if (op === "chmod") Deno.chmodSync(from, 0o700 + n);
    else if (op === "remove") Deno.removeSync(from, { recursive: true });
    else if (op === "make-folder") Deno.mkdirSync(from);
    else if (op === "tag") Deno.writeTextFileSync(`${from}/CACHEDIR.TAG`, TAG);
    else {
      const patterns = Object.keys(PATTERNS);
      Deno.writeTextFileSync(`${root}/${IGNORE_FILE}`, `${patterns[n % patterns.length]}\n`);
    }
  } catch (error) {
    // The file system says what it makes of it.
    assert(error instanceof Error);
  }
}

function overwrite(path: string, n: number): void {
  using file = Deno.openSync(path, { read: true, write: true });
  file.seekSync(Math.floor(file.statSync().size * n / 8), Deno.SeekMode.Start);
  file.writeSync(noise(1000, n + 1));
}

export const excludes = fc.record({
  cacheDirs: fc.boolean(),
  ignoreFile: fc.boolean(),
  patterns: fc.subarray(Object.keys(PATTERNS)),
});
type ExcludeOptions = typeof excludes extends fc.Arbitrary<infer T> ? T : never;

/** Returns what an image has of a tree. */
export function packedEntries(
  root: string,
  entries: readonly TreeEntry[],
  { cacheDirs, ignoreFile, patterns }: ExcludeOptions,
): TreeEntry[] {
  const own = ignoreFile && entries.some(({ path }) => path === IGNORE_FILE)
    ? Deno.readTextFileSync(`${root}/${IGNORE_FILE}`).trim().split("\n")
    : [];
  const q = entries.find(({ path }) => path === "q");
  const isTag = ({ path, type }: TreeEntry) =>
    path.endsWith("/CACHEDIR.TAG") && type === "file" &&
    Deno.readTextFileSync(`${root}/${path}`).startsWith(TAG.trim());
  const caches = cacheDirs
    ? entries.filter(isTag).map(({ path }) => path.slice(0, -"CACHEDIR.TAG".length))
    : [];
  return entries.filter(({ path }) =>
    ![...patterns, ...own].some((pattern) => PATTERNS[pattern]!(path, q)) &&
    !caches.some((cache) => path.startsWith(cache) && path !== `${cache}CACHEDIR.TAG`)
  );
}
