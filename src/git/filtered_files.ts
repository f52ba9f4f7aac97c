import type { Content, PathState, Tree } from "../content/mod.ts";
import {
  bytesOfPath,
  forEachRecord,
  joinBytes,
  pathsInput,
  printedBytes,
  type RawPath,
  rawPath,
} from "./raw_path.ts";
import type { GitSession } from "./git_session.ts";

/** A time with nanoseconds. */
export interface FileTime {
  readonly sec: number;
  readonly nsec: number;
}

/** The state of a regular file of the tree. */
export type FileState = Extract<PathState, { type: "file" }>;

/** A file with a filter, and the blob that it was made from unless somebody changed it. */
export interface FilteredFile {
  path: RawPath;
  blob: string;
  state: FileState;
}

/** A checkout, and the time of its index. */
export interface FilteredSource {
  content: Content;
  tree: Tree;
  /** The checkout's path in the tree. */
  location: string;
  /** When the index was written; files that are younger may have changed since. */
  indexTime: FileTime | undefined;
  signal: AbortSignal;
}

const NO_DRIVER = new Set(["unspecified", "unset", "set"]);

/** Returns the paths that attributes, in the checkout or of the repository, give a filter driver. */
export async function filteredPaths(
  git: GitSession,
  paths: readonly RawPath[],
): Promise<Set<RawPath>> {
  const filtered = new Set<RawPath>();
  if (paths.length === 0) return filtered;
  const fields: RawPath[] = [];
  await forEachRecord(git, ["check-attr", "-z", "--stdin", "filter"], (record) => {
    fields.push(rawPath(record));
    if (fields.length < 3) return;
    const [path, , value] = fields.splice(0) as [RawPath, string, string];
    if (!NO_DRIVER.has(value)) filtered.add(path);
  }, { input: pathsInput(paths) });
  return filtered;
}

/** Returns the files that nobody changed, without running a filter: by the index, else by Git LFS pointers. */
export async function unchangedFiltered(
  git: GitSession,
  source: FilteredSource,
  files: readonly FilteredFile[],
): Promise<Set<RawPath>> {
  if (files.length === 0) return new Set();
  const unchanged = await unchangedByIndex(git, source, files);
  const rest = files.filter(({ path }) => !unchanged.has(path));
  const pointers = await readPointers(git, rest.map(({ blob }) => blob));
  for (const { path, blob, state } of rest) {
    const pointer = pointers.get(blob);
    if (!pointer || pointer.size !== state.size) continue;
    const { content, tree, location, signal } = source;
    const { sha256 } = await content.hashFile(tree, location, bytesOfPath(path), { signal });
    if (sha256 === pointer.sha256) unchanged.add(path);
  }
  return unchanged;
}

/** What the index records of a file. */
interface IndexStat {
  mtime: FileTime;
  size: number;
}

/** Returns the files that have the size and time that the index records for that blob. */
async function unchangedByIndex(
  git: GitSession,
  { indexTime }: FilteredSource,
  files: readonly FilteredFile[],
): Promise<Set<RawPath>> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const unchanged = new Set<RawPath>();
  let open: FilteredFile | undefined;
  await forEachRecord(git, ["ls-files", "--stage", "--debug", "-z"], (record) => {
    const text = rawPath(record);
    const debug = /^ {2}ctime: [^]*?\n {2}size: \d+\tflags: [0-9a-f]+\n/.exec(text)?.[0] ?? "";
    if (open && isSame(open.state, parseStat(debug), indexTime)) unchanged.add(open.path);
    const entry = /^\d+ ([0-9a-f]+) (\d)\t([^]*)$/.exec(text.slice(debug.length));
    const file = entry?.[2] === "0" ? byPath.get(entry[3]!) : undefined;
    open = file && file.blob === entry?.[1] ? file : undefined;
  });
  return unchanged;
}

function parseStat(debug: string): IndexStat | undefined {
  const [, sec, nsec] = /^ {2}mtime: (\d+):(\d+)$/m.exec(debug) ?? [];
  const size = /^ {2}size: (\d+)/m.exec(debug)?.[1];
  if (sec === undefined || nsec === undefined || size === undefined) return undefined;
  return { mtime: { sec: Number(sec), nsec: Number(nsec) }, size: Number(size) };
}

/** The index records the lower 32 bits of sizes and times. */
const WORD = 2 ** 32;

function isSame(
  state: FileState,
  stat: IndexStat | undefined,
  indexTime: FileTime | undefined,
): boolean {
  if (!stat || !indexTime || stat.size !== state.size % WORD) return false;
  const { sec, nsec } = stat.mtime;
  if (sec !== state.mtime.sec % WORD || nsec !== 0 && nsec !== state.mtime.nsec) return false;
  // A file as young as the index may have changed after the index was written: "racy" to Git.
  return sec < indexTime.sec || sec === indexTime.sec && state.mtime.nsec < indexTime.nsec;
}

/** The Git LFS specification's limit for a pointer file. Bytes. */
const MAX_POINTER_BYTES = 1024;

/** What a Git LFS pointer says of the file. */
interface Pointer {
  sha256: string;
  size: number;
}

/** Returns the Git LFS pointers among blobs, by the blobs' hashes. */
async function readPointers(
  git: GitSession,
  blobs: readonly string[],
): Promise<Map<string, Pointer>> {
  const pointers = new Map<string, Pointer>();
  if (blobs.length === 0) return pointers;
  const ask = (hashes: Iterable<string>) =>
    new TextEncoder().encode([...hashes].map((hash) => `${hash}\n`).join(""));
  const { stdout } = await git.run(["cat-file", "--batch-check"], { input: ask(new Set(blobs)) });
  const small = stdout.split("\n").flatMap((line) => {
    const [hash = "", type, size] = line.split(" ");
    return type === "blob" && Number(size) <= MAX_POINTER_BYTES ? [hash] : [];
  });
  if (small.length === 0) return pointers;
  const printed = await printedBytes(git, ["cat-file", "--batch"], {
    input: ask(small),
    maxBytes: small.length * (MAX_POINTER_BYTES + 128),
  });
  for (const [hash, bytes] of batchEntries(printed)) {
    const pointer = parsePointer(new TextDecoder().decode(bytes));
    if (pointer) pointers.set(hash, pointer);
  }
  return pointers;
}

/** Yields the blobs that `cat-file --batch` printed. */
function* batchEntries(printed: Uint8Array): Generator<[hash: string, bytes: Uint8Array]> {
  for (let at = 0; at < printed.length;) {
    const end = printed.indexOf(0x0a, at);
    const [hash = "", , size] = rawPath(printed.subarray(at, end)).split(" ");
    const start = end + 1;
    const next = start + Number(size);
    yield [hash, printed.subarray(start, next)];
    at = next + 1;
  }
}

function parsePointer(text: string): Pointer | undefined {
  if (!text.startsWith("version ")) return undefined;
  const sha256 = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1];
  const size = /^size (\d+)$/m.exec(text)?.[1];
  return sha256 !== undefined && size !== undefined ? { sha256, size: Number(size) } : undefined;
}

/** Returns the hash that Git gives a blob; SHA-256 where `hashLength` is 64 digits, else SHA-1. */
export async function blobHash(bytes: Uint8Array, hashLength: number): Promise<string> {
  const header = new TextEncoder().encode(`blob ${bytes.length}\0`);
  const algorithm = hashLength === 64 ? "SHA-256" : "SHA-1";
  const digest = await crypto.subtle.digest(algorithm, joinBytes([header, bytes]).slice().buffer);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
