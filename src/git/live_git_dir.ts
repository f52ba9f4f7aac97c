/** The Git folder of a live checkout, found and listed without following a link out of the tree. */

import type { Content, ContentEntry, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { Scratch } from "./scratch.ts";
import { followLinks, joinPath, readText, resolveWithin } from "./tree_path.ts";

const MAX_ALTERNATES_BYTES = 1024 * 1024;

/** A live checkout, and a private folder for its shadow. */
export interface ShadowSource {
  content: Content;
  tree: Tree;
  /** The checkout's path in the tree. */
  location: string;
  /** Absolute path of the spool. */
  spool: string;
  scratch: Scratch;
  /** The caller's; it bounds a copy whose size is decided by whoever works in the workspace. */
  signal: AbortSignal;
}

/**
 * Returns the path of the checkout's Git folder, following a link or a file in its place.
 * @throws {DaemonError} FAILED_PRECONDITION where that leads out of the workspace
 */
export async function findGitDir(source: ShadowSource): Promise<string> {
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

/** An entry of a Git folder by its own name, and what it leads to. */
export interface GitDirEntry extends ContentEntry {
  /** Path in the tree, without links. */
  path: string;
  /** The branch that HEAD is, where it is a symbolic link, as a very old git made it. */
  branch?: string;
}

/** Lists a Git folder, without links that lead to nothing in the tree. */
export async function listGitDir(
  source: ShadowSource,
  folder: string,
): Promise<Map<string, GitDirEntry>> {
  const { content, tree } = source;
  const entries = new Map<string, GitDirEntry>();
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

/**
 * Checks that all objects of the repository are in the tree, so that git may read them in place.
 * @returns their folder
 * @throws {DaemonError} FAILED_PRECONDITION where a link or an alternate leads elsewhere
 */
export async function checkObjects(
  { content, tree, spool }: ShadowSource,
  folder: string,
  objects: GitDirEntry | undefined,
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
    const text = await readText(content, tree, spool, alternates, MAX_ALTERNATES_BYTES);
    const outside = text.split("\n").some((line) =>
      line !== "" && !line.startsWith("#") && resolveWithin(path, line) === undefined
    );
    if (outside) throw unusable(alternates, "leads out of the workspace");
  }
  return path;
}

/** Returns `folder` as seen from the directory `from`; both are paths in the tree. */
export function relativePath(from: string, folder: string): string {
  const [here, there] = [from, folder].map((path) => path.split("/").filter((name) => name !== ""));
  let common = 0;
  while (common < here!.length && here![common] === there![common]) common++;
  return [...here!.slice(common).map(() => ".."), ...there!.slice(common)].join("/");
}

/** Returns the error for a Git folder that the status cannot be read of. */
export function unusable(path: string, problem: string): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", `${path} ${problem}: its status is not read`);
}
