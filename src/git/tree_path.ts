/** Resolves paths in a tree, and reads small files at them. */

import { join } from "@std/path";
import type { Content, ContentEntry, PathState, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";

/** Joins `base`, which may be empty, and a relative path. */
export function joinPath(base: string, path: string): string {
  return base === "" ? path : `${base}/${path}`;
}

/**
 * Returns the path in the tree that `target` means as seen from the directory `from`; `undefined` where it
 * is absolute or leads out of the tree.
 */
export function resolveWithin(from: string, target: string): string | undefined {
  if (target.startsWith("/")) return undefined;
  const components: string[] = [];
  for (const name of `${from}/${target}`.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") components.push(name);
    else if (components.pop() === undefined) return undefined;
  }
  return components.join("/");
}

/** Returns the first `maxBytes` of a regular file of the tree. @throws {DaemonError} INVALID_ARGUMENT for a link */
export async function readBytes(
  content: Content,
  tree: Tree,
  spool: string,
  path: string,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { file } = await content.copyOut(tree, path, maxBytes);
  const copy = join(spool, file.path);
  try {
    return await Deno.readFile(copy);
  } finally {
    await Deno.remove(copy);
  }
}

/** Returns what {@link readBytes} does, as text. */
export async function readText(
  content: Content,
  tree: Tree,
  spool: string,
  path: string,
  maxBytes: number,
): Promise<string> {
  return new TextDecoder().decode(await readBytes(content, tree, spool, path, maxBytes));
}

/** Returns the entry `.git` of a directory of the tree; `undefined` where either does not exist. */
export async function gitEntry(
  content: Content,
  tree: Tree,
  location: string,
): Promise<ContentEntry | undefined> {
  try {
    return (await content.list(tree, location)).find(({ name }) => name === ".git");
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

/** Bounds how many links one path may lead through; the kernel's own limit. */
const MAX_LINKS = 40;

/**
 * Follows symbolic links within the tree.
 * @returns what the path leads to, and its path without links; `undefined` where it leads to nothing,
 *   or out of the tree
 */
export async function followLinks(
  content: Content,
  tree: Tree,
  path: string,
): Promise<Omit<ContentEntry, "name"> & { path: string } | undefined> {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const state = await stateOf(content, tree, at);
    if (state.type === "file") return { type: "file", size: state.size, path: at };
    if (state.type === "directory") return { type: "directory", size: 0, path: at };
    if (state.type !== "symlink" && state.type !== "blocked") return undefined;
    const link = state.type === "blocked" ? new TextDecoder().decode(state.blocker) : at;
    const next = state.type === "blocked" ? await stateOf(content, tree, link) : state;
    if (next.type !== "symlink") return undefined;
    const parent = link.slice(0, Math.max(0, link.lastIndexOf("/")));
    const resolved = resolveWithin(parent, new TextDecoder().decode(next.target));
    if (resolved === undefined) return undefined;
    at = resolved + at.slice(link.length);
  }
  return undefined;
}

async function stateOf(content: Content, tree: Tree, path: string): Promise<PathState> {
  if (path === "") return { type: "directory", isEmpty: false };
  const [state] = await content.inspectPaths(tree, "", [new TextEncoder().encode(path)]);
  return state!;
}
