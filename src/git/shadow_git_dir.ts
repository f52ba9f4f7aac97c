/**
 * Makes a shadow of a live repository's Git folder. Whoever works in the workspace can change its `.git` at
 * any moment, and git runs programs that a config names; so git is shown a Git folder of the daemon's,
 * with copies of the files that say which commit and which files are there, a config of harmless
 * variables, and the repository's own objects.
 */

import { join } from "@std/path";
import { DaemonError } from "../errors.ts";
import { formatConfig } from "./config_text.ts";
import {
  checkObjects,
  findGitDir,
  type GitDirEntry,
  listGitDir,
  relativePath,
  type ShadowSource,
  unusable,
} from "./live_git_dir.ts";
import { listConfig } from "./sanitize_config.ts";
import { isForStatus } from "./safe_config.ts";
import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./git_session.ts";
import { joinPath, readBytes } from "./tree_path.ts";

/** Bytes of HEAD or a ref: a name or a hash. */
const MAX_REF_BYTES = 4096;
const MAX_SMALL_FILE_BYTES = 1024 * 1024;
/** Bounds everything that is copied; larger than an index of some millions of files. */
const MAX_BYTES = 256 * 1024 * 1024;
/** Bounds loose refs and their folders; git packs them long before. */
const MAX_LOOSE_REFS = 50_000;

/** Returns how many bytes a file of a Git folder may have; `undefined` where it is not copied. */
function limitOf(name: string): number | undefined {
  if (name === "HEAD") return MAX_REF_BYTES;
  if (name === "shallow") return 4 * MAX_SMALL_FILE_BYTES;
  return /^(?:packed-refs|index|sharedindex\.[0-9a-f]+)$/.test(name) ? MAX_BYTES : undefined;
}

const COPIED_INFO = new Set(["attributes", "exclude", "sparse-checkout"]);

/** How many bytes and refs may still be copied. */
interface Budget {
  bytes: number;
  refs: number;
}

/**
 * Makes the shadow of the repository at `source.location`.
 * @param git outside any repository
 * @returns the environment that shows git the shadow, from the checkout's directory
 * @throws {DaemonError} FAILED_PRECONDITION where the repository is a part of another
 */
export async function makeShadowGitDir(
  git: GitSession,
  source: ShadowSource,
): Promise<Record<string, string>> {
  const { location, scratch } = source;
  const folder = await findGitDir(source);
  const entries = await listGitDir(source, folder);
  if (entries.has("commondir")) {
    throw unusable(folder, "is a part of another repository (a linked worktree)");
  }
  const path = await scratch.folder("shadow");
  await scratch.folder("shadow/refs");
  await scratch.folder("shadow/objects");
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
  if (head !== undefined) await scratch.write("shadow/HEAD", `ref: ${head}\n`);
  await writeConfig(git, source, "shadow", entries.get("config"));
  const objects = await checkObjects(source, folder, entries.get("objects"));
  return {
    GIT_DIR: path,
    GIT_WORK_TREE: ".",
    GIT_OBJECT_DIRECTORY: relativePath(location, objects),
  };
}

/**
 * Makes a shadow of the index alone, for a repository that {@link makeShadowGitDir} refuses. It has no
 * commit and no object.
 * @throws {DaemonError} FAILED_PRECONDITION where there is no index to copy
 */
export async function makeShadowIndex(
  git: GitSession,
  source: ShadowSource,
): Promise<Record<string, string>> {
  const variables = await makeEmptyGitDir(source.scratch);
  const entries = await listGitDir(source, await findGitDir(source));
  try {
    await writeConfig(git, source, "empty", entries.get("config"));
  } catch (error) {
    // Without a config, git takes the index to be in its default format.
    if (!(error instanceof DaemonError)) throw error;
  }
  const limits: CopyLimits = {
    budget: { bytes: MAX_BYTES, refs: 0 },
    maxBytes: MAX_BYTES,
    shadow: "empty",
  };
  for (const entry of entries.values()) {
    const isIndex = entry.name === "index" || entry.name.startsWith("sharedindex.");
    if (entry.type === "file" && isIndex) await copy(source, entry, limits);
  }
  return variables;
}

/** Makes an empty repository. @returns the environment that shows it to git */
export async function makeEmptyGitDir(scratch: Scratch): Promise<Record<string, string>> {
  const path = await scratch.folder("empty");
  for (const name of ["refs", "objects"]) await scratch.folder(`empty/${name}`);
  await scratch.write("empty/HEAD", "ref: refs/heads/main\n");
  await scratch.remove("empty/index");
  return { GIT_DIR: path, GIT_WORK_TREE: "." };
}

async function writeConfig(
  git: GitSession,
  { content, tree, spool, scratch }: ShadowSource,
  shadow: string,
  entry: GitDirEntry | undefined,
): Promise<void> {
  const config = entry?.type === "file"
    ? await readBytes(content, tree, spool, entry.path, MAX_SMALL_FILE_BYTES)
    : new Uint8Array();
  const kept = (await listConfig(git, config)).filter(isForStatus);
  await scratch.write(`${shadow}/config`, formatConfig([["core.bare", "false"], ...kept]));
}

/** Bounds of one copy. */
interface CopyLimits {
  budget: Budget;
  /** Maximum bytes of one file. */
  maxBytes: number;
  /** The shadow's folder. */
  shadow?: string;
}

async function copy(
  { content, tree, spool, scratch, signal }: ShadowSource,
  { name, size, path }: Pick<GitDirEntry, "name" | "size" | "path">,
  { budget, maxBytes, shadow = "shadow" }: CopyLimits,
): Promise<void> {
  signal.throwIfAborted();
  const limit = Math.min(maxBytes, budget.bytes);
  const tooLarge = () => unusable(path, "is too large");
  // Holes are copied as zeros, so the size bounds the copy; the file may have grown meanwhile.
  if (size > limit) throw tooLarge();
  const copied = await content.copyOut(tree, path, limit + 1);
  await scratch.adopt(join(spool, copied.file.path), `${shadow}/${name}`);
  if (copied.size > limit) throw tooLarge();
  budget.bytes -= copied.size;
}

async function copyInfo(
  source: ShadowSource,
  info: GitDirEntry | undefined,
  budget: Budget,
): Promise<void> {
  if (info?.type !== "directory") return;
  await source.scratch.folder("shadow/info");
  for (const entry of await source.content.list(source.tree, info.path)) {
    if (entry.type !== "file" || !COPIED_INFO.has(entry.name)) continue;
    const file = { ...entry, name: `info/${entry.name}`, path: joinPath(info.path, entry.name) };
    await copy(source, file, { budget, maxBytes: MAX_SMALL_FILE_BYTES });
  }
}

/**
 * Copies a folder's regular files, except files too long to be refs. Symbolic links are left out: no git
 * makes them any more.
 */
async function copyFolder(
  source: ShadowSource,
  { name, type, path }: GitDirEntry,
  budget: Budget,
): Promise<void> {
  if (type !== "directory") return;
  source.signal.throwIfAborted();
  await source.scratch.folder(`shadow/${name}`);
  const isTable = name === "reftable";
  for (const entry of await source.content.list(source.tree, path)) {
    if (budget.refs-- === 0) throw unusable(path, "holds too many refs that are not packed");
    const inside = { ...entry, name: `${name}/${entry.name}`, path: joinPath(path, entry.name) };
    if (entry.type !== "file") await copyFolder(source, inside, budget);
    else if (isTable) await copy(source, inside, { budget, maxBytes: MAX_BYTES });
    else if (entry.size <= MAX_REF_BYTES) {
      await copy(source, inside, { budget, maxBytes: MAX_REF_BYTES });
    }
  }
}
