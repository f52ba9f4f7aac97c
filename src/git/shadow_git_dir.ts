/**
 * A private view of a live repository. Whoever works in the workspace can change its `.git` at any
 * moment, and git runs programs that a config names; so git is shown a Git folder of ours, with
 * copies of what says which commit and which files are there, a config of what is harmless, and the
 * repository's own objects.
 */

import { join } from "@std/path";
import type { Content, ContentEntry, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { formatConfig } from "./config_text.ts";
import { listConfig } from "./sanitize_config.ts";
import { isForStatus } from "./safe_config.ts";
import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./session.ts";
import { followLinks, joinPath, readBytes, readText, resolveWithin } from "./tree_path.ts";

export interface ShadowSource {
  content: Content;
  tree: Tree;
  /** The checkout's path in the tree. */
  location: string;
  /** Absolute path of the spool. */
  spool: string;
  scratch: Scratch;
  /** The caller's: whoever works in the workspace decides how much there is to copy. */
  signal: AbortSignal;
}

/** A ref, and HEAD: a name or a hash. */
const MAX_REF = 4096;
const MAX_SMALL_FILE = 1024 * 1024;
/** Of everything that is copied: an index of some millions of files. */
const MAX_BYTES = 256 * 1024 * 1024;
/** Refs in files of their own, and their folders; git packs them long before. */
const MAX_LOOSE_REFS = 50_000;

/** How long a file of a Git folder may be to be copied; `undefined` where it is not needed. */
function limitOf(name: string): number | undefined {
  if (name === "HEAD") return MAX_REF;
  if (name === "shallow") return 4 * MAX_SMALL_FILE;
  return /^(?:packed-refs|index|sharedindex\.[0-9a-f]+)$/.test(name) ? MAX_BYTES : undefined;
}

const COPIED_INFO = new Set(["attributes", "exclude", "sparse-checkout"]);

/** What may still be copied. */
interface Budget {
  bytes: number;
  refs: number;
}

/**
 * Makes the view of the repository at `source.location`.
 * @param git outside any repository
 * @returns the environment that shows git the view, from the checkout's directory
 * @throws {DaemonError} FAILED_PRECONDITION where the repository is a part of another
 */
export async function makeShadowGitDir(
  git: GitSession,
  source: ShadowSource,
): Promise<Record<string, string>> {
  const { location, scratch } = source;
  const folder = await findFolder(source);
  const entries = await entriesOf(source, folder);
  if (entries.has("commondir")) {
    throw unusable(folder, "is a part of another repository (a linked worktree)");
  }
  const path = await scratch.folder("view");
  await scratch.folder("view/refs");
  await scratch.folder("view/objects");
  const budget: Budget = { bytes: MAX_BYTES, refs: MAX_LOOSE_REFS };
  for (const entry of entries.values()) {
    const maxBytes = limitOf(entry.name);
    if (entry.type !== "file" || maxBytes === undefined) continue;
    await copy(source, entry, { budget, maxBytes });
  }
  await copyInfo(source, entries.get("info"), budget);
  for (const name of ["refs", "reftable"]) {
    const entry = entries.get(name);
    if (entry) await copyFolder(source, entry, budget);
  }
  const head = entries.get("HEAD")?.branch;
  if (head !== undefined) await scratch.write("view/HEAD", `ref: ${head}\n`);
  await writeConfig(git, source, "view", entries.get("config"));
  const objects = await checkObjects(source, folder, entries.get("objects"));
  return {
    GIT_DIR: path,
    GIT_WORK_TREE: ".",
    GIT_OBJECT_DIRECTORY: relativeTo(location, objects),
  };
}

/**
 * Makes a view of the index alone, for a repository that {@link makeShadowGitDir} refuses. It has no commit and
 * no object.
 * @throws {DaemonError}
 */
export async function indexView(
  git: GitSession,
  source: ShadowSource,
): Promise<Record<string, string>> {
  const variables = await emptyView(source.scratch);
  const entries = await entriesOf(source, await findFolder(source));
  try {
    await writeConfig(git, source, "empty", entries.get("config"));
  } catch (error) {
    // Without it, the index is taken to be of the usual kind.
    if (!(error instanceof DaemonError)) throw error;
  }
  const limits = { budget: { bytes: MAX_BYTES, refs: 0 }, maxBytes: MAX_BYTES, view: "empty" };
  for (const entry of entries.values()) {
    const isIndex = entry.name === "index" || entry.name.startsWith("sharedindex.");
    if (entry.type === "file" && isIndex) await copy(source, entry, limits);
  }
  return variables;
}

/** Makes a view of an empty repository. */
export async function emptyView(scratch: Scratch): Promise<Record<string, string>> {
  const path = await scratch.folder("empty");
  for (const name of ["refs", "objects"]) await scratch.folder(`empty/${name}`);
  await scratch.write("empty/HEAD", "ref: refs/heads/main\n");
  await scratch.remove("empty/index");
  return { GIT_DIR: path, GIT_WORK_TREE: "." };
}

async function writeConfig(
  git: GitSession,
  { content, tree, spool, scratch }: ShadowSource,
  view: string,
  entry: Found | undefined,
): Promise<void> {
  const config = entry?.type === "file"
    ? await readBytes(content, tree, spool, entry.path, MAX_SMALL_FILE)
    : new Uint8Array();
  const kept = (await listConfig(git, config)).filter(isForStatus);
  await scratch.write(`${view}/config`, formatConfig([["core.bare", "false"], ...kept]));
}

/** Where the Git folder is: in the checkout, or where a link or a file in its place leads. */
async function findFolder(source: ShadowSource): Promise<string> {
  const { content, tree, location, spool } = source;
  const path = joinPath(location, ".git");
  const found = await followLinks(content, tree, path);
  if (found?.type === "directory") return found.path;
  if (found?.type !== "file") throw unusable(path, "leads out of the workspace, or nowhere");
  const text = await readText(content, tree, spool, found.path, 4096);
  const target = /^gitdir: (.+)\n?$/.exec(text)?.[1];
  const folder = target === undefined ? undefined : resolveWithin(location, target);
  const end = folder === undefined ? undefined : await followLinks(content, tree, folder);
  if (end?.type !== "directory") throw unusable(path, "leads out of the workspace, or nowhere");
  return end.path;
}

/** An entry of a Git folder, by its own name, and what it leads to. */
interface Found extends ContentEntry {
  /** In the tree, without links. */
  path: string;
  /** The branch, where it is a link as a very old git made HEAD. */
  branch?: string;
}

/** What a Git folder holds; links that lead to nothing of the tree are left out. */
async function entriesOf(source: ShadowSource, folder: string): Promise<Map<string, Found>> {
  const { content, tree } = source;
  const entries = new Map<string, Found>();
  for (const entry of await content.list(tree, folder)) {
    const path = joinPath(folder, entry.name);
    if (entry.type !== "symlink") {
      entries.set(entry.name, { ...entry, path });
      continue;
    }
    const target = new TextDecoder().decode(await content.readLink(tree, path));
    const found = await followLinks(content, tree, path);
    const { name } = entry;
    if (name === "HEAD" && target.startsWith("refs/heads/")) {
      entries.set(name, { ...entry, path, branch: target });
    } else if (found) entries.set(name, { name, ...found });
  }
  return entries;
}

interface CopyLimits {
  budget: Budget;
  /** Of one file. */
  maxBytes: number;
  /** The view's folder. */
  view?: string;
}

async function copy(
  { content, tree, spool, scratch, signal }: ShadowSource,
  { name, size, path }: Pick<Found, "name" | "size" | "path">,
  { budget, maxBytes, view = "view" }: CopyLimits,
): Promise<void> {
  signal.throwIfAborted();
  const limit = Math.min(maxBytes, budget.bytes);
  const tooLarge = () => unusable(path, "is too large");
  // A hole is copied as zeros; and what is cut here, may have grown meanwhile.
  if (size > limit) throw tooLarge();
  const copied = await content.copyOut(tree, path, limit + 1);
  await scratch.adopt(join(spool, copied.file.path), `${view}/${name}`);
  if (copied.size > limit) throw tooLarge();
  budget.bytes -= copied.size;
}

async function copyInfo(
  source: ShadowSource,
  info: Found | undefined,
  budget: Budget,
): Promise<void> {
  if (info?.type !== "directory") return;
  await source.scratch.folder("view/info");
  for (const entry of await source.content.list(source.tree, info.path)) {
    if (entry.type !== "file" || !COPIED_INFO.has(entry.name)) continue;
    const file = { ...entry, name: `info/${entry.name}`, path: joinPath(info.path, entry.name) };
    await copy(source, file, { budget, maxBytes: MAX_SMALL_FILE });
  }
}

/**
 * Copies a folder's regular files; links among them, as nothing makes them any more, are left out,
 * and files too long to be refs.
 */
async function copyFolder(
  source: ShadowSource,
  { name, type, path }: Found,
  budget: Budget,
): Promise<void> {
  if (type !== "directory") return;
  source.signal.throwIfAborted();
  await source.scratch.folder(`view/${name}`);
  const isTable = name === "reftable";
  for (const entry of await source.content.list(source.tree, path)) {
    if (budget.refs-- === 0) throw unusable(path, "holds too many refs that are not packed");
    const inside = { ...entry, name: `${name}/${entry.name}`, path: joinPath(path, entry.name) };
    if (entry.type !== "file") await copyFolder(source, inside, budget);
    else if (isTable) await copy(source, inside, { budget, maxBytes: MAX_BYTES });
    else if (entry.size <= MAX_REF) {
      await copy(source, inside, { budget, maxBytes: MAX_REF });
    }
  }
}

/** Objects stay where they are, as long as they are the workspace's own. @returns their folder */
async function checkObjects(
  { content, tree, spool }: ShadowSource,
  folder: string,
  objects: Found | undefined,
): Promise<string> {
  if (objects?.type !== "directory") {
    throw unusable(joinPath(folder, "objects"), "is no folder of the workspace");
  }
  const { path } = objects;
  for (const { name, type } of await content.list(tree, path)) {
    if (type === "symlink") throw unusable(`${path}/${name}`, "is a symbolic link");
    if (name !== "info" || type !== "directory") continue;
    const info = await content.list(tree, `${path}/info`);
    if (!info.some((entry) => entry.name === "alternates")) continue;
    const alternates = `${path}/info/alternates`;
    const text = await readText(content, tree, spool, alternates, MAX_SMALL_FILE);
    const outside = text.split("\n").some((line) =>
      line !== "" && !line.startsWith("#") && resolveWithin(path, line) === undefined
    );
    if (outside) throw unusable(alternates, "leads out of the workspace");
  }
  return path;
}

/** `folder` as seen from the directory `from`; both are paths in the tree. */
function relativeTo(from: string, folder: string): string {
  const [here, there] = [from, folder].map((path) => path.split("/").filter((name) => name !== ""));
  let common = 0;
  while (common < here!.length && here![common] === there![common]) common++;
  return [...here!.slice(common).map(() => ".."), ...there!.slice(common)].join("/");
}

function unusable(path: string, problem: string): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", `${path} ${problem}: its status is not read`);
}
