/**
 * A private view of a live repository. Whoever works in the workspace can change its `.git` at any
 * moment, and git runs programs that a config names; so git is shown a Git folder of ours, with
 * copies of what says which commit and which files are there, a config of what is harmless, and the
 * repository's own objects.
 */

import { join } from "@std/path";
import type { Content, ContentEntry, Tree } from "../content/api.ts";
import { DaemonError } from "../errors.ts";
import { formatConfig } from "./config_text.ts";
import { listConfig } from "./disarm.ts";
import { isForStatus } from "./safe_config.ts";
import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./session.ts";
import { gitEntry, joinPath, readBytes, readText, resolveWithin } from "./tree_path.ts";

export interface ViewSource {
  content: Content;
  tree: Tree;
  /** The checkout's path in the tree. */
  location: string;
  /** Absolute path of the spool. */
  spool: string;
  scratch: Scratch;
}

const MAX_SMALL_FILE = 1024 * 1024;
const MAX_INDEX = 1024 * 1024 * 1024;
/** Refs in files of their own; git packs them long before. */
const MAX_LOOSE_REFS = 50_000;

/** Files of a Git folder that are copied as they are. */
const COPIED = /^(?:HEAD|packed-refs|shallow|index|sharedindex\.[0-9a-f]+)$/;
const COPIED_INFO = new Set(["exclude", "sparse-checkout"]);

/**
 * Makes the view of the repository at `source.location`.
 * @param git outside any repository
 * @returns the environment that shows git the view, from the checkout's directory
 * @throws {DaemonError} FAILED_PRECONDITION where the repository is a part of another
 */
export async function makeView(
  git: GitSession,
  source: ViewSource,
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
  for (const { name, type } of entries.values()) {
    if (type === "file" && COPIED.test(name)) await copy(source, folder, name, MAX_INDEX);
  }
  await copyInfo(source, folder, entries.get("info"));
  const refs: ContentEntry[] = ["refs", "reftable"].flatMap((name) => entries.get(name) ?? []);
  const budget = { left: MAX_LOOSE_REFS };
  for (const entry of refs) await copyFolder(source, folder, entry, budget);
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
async function findFolder({ content, tree, location, spool }: ViewSource): Promise<string> {
  const path = joinPath(location, ".git");
  const entry = await gitEntry(content, tree, location);
  if (entry?.type === "directory") return path;
  if (entry?.type !== "file") throw unusable(path, "is neither a folder nor a file");
  const target = /^gitdir: (.+)\n?$/.exec(await readText(content, tree, spool, path, 4096))?.[1];
  const folder = target === undefined ? undefined : resolveWithin(location, target);
  if (folder === undefined) throw unusable(path, "leads out of the workspace, or nowhere");
  return folder;
}

async function copy(
  { content, tree, spool, scratch }: ViewSource,
  folder: string,
  name: string,
  maxBytes: number,
): Promise<void> {
  const { file, size } = await content.copyOut(tree, joinPath(folder, name), maxBytes + 1);
  await scratch.adopt(join(spool, file.path), `view/${name}`);
  if (size > maxBytes) throw unusable(joinPath(folder, name), "is too large");
}

async function copyInfo(
  source: ViewSource,
  folder: string,
  info: ContentEntry | undefined,
): Promise<void> {
  if (info?.type !== "directory") return;
  await source.scratch.folder("view/info");
  for (const { name, type } of await source.content.list(source.tree, joinPath(folder, "info"))) {
    if (type === "file" && COPIED_INFO.has(name)) {
      await copy(source, folder, `info/${name}`, MAX_SMALL_FILE);
    }
  }
}

/** Copies a folder's regular files; links among them, as nothing makes them any more, are left out. */
async function copyFolder(
  source: ViewSource,
  folder: string,
  { name, type }: ContentEntry,
  budget: { left: number },
): Promise<void> {
  if (type !== "directory") return;
  await source.scratch.folder(`view/${name}`);
  for (const entry of await source.content.list(source.tree, joinPath(folder, name))) {
    const path = `${name}/${entry.name}`;
    if (budget.left-- === 0) throw unusable(folder, "has too many refs that are not packed");
    if (entry.type === "file") await copy(source, folder, path, MAX_INDEX);
    else await copyFolder(source, folder, { ...entry, name: path }, budget);
  }
}

/** Objects stay where they are, as long as they are the workspace's own. */
async function checkObjects(
  { content, tree, spool }: ViewSource,
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
