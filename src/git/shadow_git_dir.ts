/**
 * A private view of a live repository. Whoever works in the workspace can change its `.git` at any
 * moment, and git runs programs that a config names; so git is shown a Git folder of ours, with
 * copies of what says which commit and which files are there, a config of what is harmless, and the
 * repository's own objects.
 */

import { join } from "@std/path";
import type { Content, ContentEntry, Tree } from "../content/content.ts";
import { DaemonError } from "../errors.ts";
import { formatConfig } from "./config_text.ts";
import { listConfig } from "./sanitize_config.ts";
import { isForStatus } from "./safe_config.ts";
import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./session.ts";
import { gitEntry, joinPath, readBytes, readText, resolveWithin } from "./tree_path.ts";

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

const COPIED_INFO = new Set(["exclude", "sparse-checkout"]);

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
  const { content, tree, location, scratch } = source;
  const folder = await findFolder(source);
  const entries = new Map((await content.list(tree, folder)).map((entry) => [entry.name, entry]));
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
    await copy(source, folder, entry, { budget, maxBytes });
  }
  await copyInfo(source, folder, entries.get("info"), budget);
  for (const name of ["refs", "reftable"]) {
    const entry = entries.get(name);
    if (entry) await copyFolder(source, folder, entry, budget);
  }
  const config = entries.has("config")
    ? await readBytes(content, tree, source.spool, joinPath(folder, "config"), MAX_SMALL_FILE)
    : new Uint8Array();
  const kept = (await listConfig(git, config)).filter(isForStatus);
  await scratch.write("view/config", formatConfig([["core.bare", "false"], ...kept]));
  await checkObjects(source, folder, entries.get("objects"));
  return {
    GIT_DIR: path,
    GIT_WORK_TREE: ".",
    GIT_OBJECT_DIRECTORY: `${relativeTo(location, folder)}/objects`,
  };
}

/** Where the Git folder is: in the checkout, or where a file in its place leads within the tree. */
async function findFolder({ content, tree, location, spool }: ShadowSource): Promise<string> {
  const path = joinPath(location, ".git");
  const entry = await gitEntry(content, tree, location);
  if (entry?.type === "directory") return path;
  if (entry?.type !== "file") throw unusable(path, "is neither a folder nor a file");
  const target = /^gitdir: (.+)\n?$/.exec(await readText(content, tree, spool, path, 4096))?.[1];
  const folder = target === undefined ? undefined : resolveWithin(location, target);
  if (folder === undefined) throw unusable(path, "leads out of the workspace, or nowhere");
  return folder;
}

interface CopyLimits {
  budget: Budget;
  /** Of one file. */
  maxBytes: number;
}

async function copy(
  { content, tree, spool, scratch, signal }: ShadowSource,
  folder: string,
  { name, size }: Pick<ContentEntry, "name" | "size">,
  { budget, maxBytes }: CopyLimits,
): Promise<void> {
  signal.throwIfAborted();
  const limit = Math.min(maxBytes, budget.bytes);
  const tooLarge = () => unusable(joinPath(folder, name), "is too large");
  // A hole is copied as zeros; and what is cut here, may have grown meanwhile.
  if (size > limit) throw tooLarge();
  const copied = await content.copyOut(tree, joinPath(folder, name), limit + 1);
  await scratch.adopt(join(spool, copied.file.path), `view/${name}`);
  if (copied.size > limit) throw tooLarge();
  budget.bytes -= copied.size;
}

async function copyInfo(
  source: ShadowSource,
  folder: string,
  info: ContentEntry | undefined,
  budget: Budget,
): Promise<void> {
  if (info?.type !== "directory") return;
  await source.scratch.folder("view/info");
  for (const entry of await source.content.list(source.tree, joinPath(folder, "info"))) {
    if (entry.type !== "file" || !COPIED_INFO.has(entry.name)) continue;
    const file = { ...entry, name: `info/${entry.name}` };
    await copy(source, folder, file, { budget, maxBytes: MAX_SMALL_FILE });
  }
}

/**
 * Copies a folder's regular files; links among them, as nothing makes them any more, are left out,
 * and files too long to be refs.
 */
async function copyFolder(
  source: ShadowSource,
  folder: string,
  { name, type }: ContentEntry,
  budget: Budget,
): Promise<void> {
  if (type !== "directory") return;
  source.signal.throwIfAborted();
  await source.scratch.folder(`view/${name}`);
  const isTable = name === "reftable";
  for (const entry of await source.content.list(source.tree, joinPath(folder, name))) {
    if (budget.refs-- === 0) throw unusable(folder, "has too many refs that are not packed");
    const inside = { ...entry, name: `${name}/${entry.name}` };
    if (entry.type !== "file") await copyFolder(source, folder, inside, budget);
    else if (isTable) await copy(source, folder, inside, { budget, maxBytes: MAX_BYTES });
    else if (entry.size <= MAX_REF) {
      await copy(source, folder, inside, { budget, maxBytes: MAX_REF });
    }
  }
}

/** Objects stay where they are, as long as they are the workspace's own. */
async function checkObjects(
  { content, tree, spool }: ShadowSource,
  folder: string,
  objects: ContentEntry | undefined,
): Promise<void> {
  const path = joinPath(folder, "objects");
  if (objects?.type !== "directory") throw unusable(path, "is not a folder");
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
}

/** `folder` as seen from the directory `from`; both are paths in the tree. */
function relativeTo(from: string, folder: string): string {
  const up = from.split("/").filter((name) => name !== "").map(() => "..");
  return folder.startsWith(joinPath(from, ".git"))
    ? folder.slice(from === "" ? 0 : from.length + 1)
    : [...up, folder].join("/");
}

function unusable(path: string, problem: string): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", `${path} ${problem}: its status is not read`);
}
