/**
 * Sanitizes a restored repository's config, which was written by whoever made the image. While git works
 * on the repository, the config holds structural variables only: none that run programs, lead elsewhere
 * or say how to connect. Afterwards it is restored, with what git added meanwhile. Only for staging
 * trees, in which no other process works.
 */

import { join } from "@std/path";
import type { Content, Owner, Tree } from "../content/mod.ts";
import { DaemonError, messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import type { EgressProxy } from "../outbound/mod.ts";
import { canonicalName, type ConfigEntry, formatConfig, parseConfigList } from "./config_text.ts";
import { inspectGitFolder } from "./git_folder.ts";
import { removeLocks } from "./remove_locks.ts";
import { isStructural } from "./safe_config.ts";
import type { GitSession } from "./git_session.ts";
import type { Scratch } from "./scratch.ts";
import { joinPath, readBytes } from "./tree_path.ts";

const log = logger("git");

const MAX_CONFIG_BYTES = 1024 * 1024;

/** A tree, and what reading and replacing small files of it takes. */
export interface TreeFiles {
  content: Content;
  tree: Tree;
  /** Absolute path of the spool. */
  spool: string;
  owner: Owner;
}

/** A checkout in a tree, with what git needs to work on it. */
export interface CheckoutFiles extends TreeFiles {
  /** The checkout's path in the tree. */
  location: string;
  scratch: Scratch;
  egressProxy: EgressProxy;
  /** The protocols that remotes may use. */
  protocols: readonly string[];
  /** The caller's signal; that of git commands has a time limit, too. */
  signal: AbortSignal;
  /** The time limit of the whole checkout. Milliseconds. */
  timeout: number;
}

/** Returns the entries of a config file's text, without those of files that it includes. */
export async function listConfig(git: GitSession, text: Uint8Array): Promise<ConfigEntry[]> {
  const { stdout } = await git.run(["config", "--file", "-", "--no-includes", "--list", "--null"], {
    input: text,
  });
  return parseConfigList(stdout);
}

/** Replaces a file of the tree atomically; its mode becomes 0644. */
export async function replaceFile(
  { content, tree, spool, owner }: TreeFiles,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const name = crypto.randomUUID();
  await Deno.writeFile(join(spool, name), bytes, { createNew: true });
  try {
    await content.place(tree, path, { area: "spool", path: name }, owner, 0o644);
  } catch (error) {
    await Deno.remove(join(spool, name)).catch(() => {});
    throw error;
  }
}

/** A sanitized repository, on which git may work. */
export interface SanitizedConfig {
  /** Its Git folder and those of its submodules; git may work on no other one that existed before. */
  folders: ReadonlySet<string>;
  /** Restores the original config, with the request's variables and what git changed meanwhile. */
  restore(git: GitSession): Promise<void>;
}

/**
 * Sanitizes the repository whose Git folder is at `folder`, and removes its locks. Where it fails, what
 * was sanitized is restored.
 * @param git outside any repository
 * @param config variables that the repository gets, in place of those of the same names
 */
export async function sanitizeConfig(
  git: GitSession,
  files: CheckoutFiles,
  folder: string,
  config: readonly ConfigEntry[],
): Promise<SanitizedConfig> {
  const { content, tree } = files;
  const found = await inspectGitFolder(content, tree, folder);
  await removeLocks(git, files.scratch, folder, found.locks);
  const undo: ((git: GitSession) => Promise<void>)[] = [];
  const restore = async (git: GitSession) => {
    for (const step of undo) await step(git);
  };
  try {
    for (const path of found.alternates) undo.push(await replaced(files, path, ""));
    // This is what git writes for a worktree of the repository.
    for (const path of found.commonDirs) undo.push(await replaced(files, path, "../..\n"));
    for (const path of found.configs) {
      const own = path === joinPath(folder, "config") ? config : [];
      undo.push(await sanitizeFile(git, files, path, own));
    }
  } catch (error) {
    await restore(git).catch((failure) => {
      log.warn("{folder} stays sanitized: {reason}", { folder, reason: messageOf(failure) });
    });
    throw error;
  }
  return { folders: new Set(found.folders), restore };
}

/** Replaces a file's text. @returns what restores it */
async function replaced(
  files: CheckoutFiles,
  path: string,
  text: string,
): Promise<() => Promise<void>> {
  const { content, tree, spool } = files;
  const original = await readBytes(content, tree, spool, path, MAX_CONFIG_BYTES);
  await replaceFile(files, path, new TextEncoder().encode(text));
  return () => replaceFile(files, path, original);
}

/** A config file as it was before it was sanitized. */
interface SanitizedFile {
  path: string;
  original: Uint8Array;
  /** Its entries, without those of files that it includes. */
  entries: readonly ConfigEntry[];
  /** The request's variables that it gets. */
  own: readonly ConfigEntry[];
}

async function sanitizeFile(
  git: GitSession,
  files: CheckoutFiles,
  path: string,
  own: readonly ConfigEntry[],
): Promise<(git: GitSession) => Promise<void>> {
  const original = await readConfig(files, path);
  const entries = await listConfig(git, original);
  const names = new Set(own.map(([name]) => canonicalName(name)));
  const kept = entries.filter((entry) =>
    isStructural(entry) && !names.has(canonicalName(entry[0]))
  );
  await replaceFile(files, path, new TextEncoder().encode(formatConfig([...kept, ...own])));
  return (git) => restoreFile(git, files, { path, original, entries, own });
}

/** Restores a config file, with the variables that git changed meanwhile. */
async function restoreFile(
  git: GitSession,
  files: CheckoutFiles,
  sanitized: SanitizedFile,
): Promise<void> {
  const { path, original, entries, own } = sanitized;
  const now = byName(await listConfig(git, await readConfig(files, path)));
  const before = byName(entries);
  const requested = new Set(own.map(([name]) => canonicalName(name)));
  const isChanged = (name: string) => {
    if (valuesOf(before.get(name)) === valuesOf(now.get(name))) return false;
    const heldBack = before.get(name)?.some((entry) => !isStructural(entry)) === true;
    // A variable that was held back stays the user's, unless the request or a checkout set it.
    return !heldBack || now.has(name) && (requested.has(name) || name.startsWith("branch."));
  };
  const changed = [...new Set([...before.keys(), ...now.keys()])].filter(isChanged);
  const gone = new Set(changed.filter((name) => before.has(name)));
  const added = changed.flatMap((name) => now.get(name) ?? []);
  const kept = await without(git, files.scratch, original, gone);
  await replaceFile(files, path, appended(kept, formatConfig(added)));
}

function byName(entries: readonly ConfigEntry[]): Map<string, ConfigEntry[]> {
  return Map.groupBy(entries, ([name]) => canonicalName(name));
}

function valuesOf(entries: readonly ConfigEntry[] = []): string {
  return JSON.stringify(entries.map(([, value]) => value));
}

/** Returns a config file's text without the variables of those names. */
async function without(
  git: GitSession,
  scratch: Scratch,
  text: Uint8Array,
  names: ReadonlySet<string>,
): Promise<Uint8Array> {
  if (names.size === 0) return text;
  await scratch.write("config", text);
  const path = join(scratch.path, "config");
  for (const name of names) {
    await git.run(["config", "--file", path, "--unset-all", name], { answers: [5] });
  }
  return await Deno.readFile(path);
}

/** Appends entries to a config file of the tree. */
export async function appendConfig(
  files: TreeFiles,
  path: string,
  entries: readonly ConfigEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  await replaceFile(files, path, appended(await readConfig(files, path), formatConfig(entries)));
}

async function readConfig(
  { content, tree, spool }: TreeFiles,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBytes(content, tree, spool, path, MAX_CONFIG_BYTES + 1);
  if (bytes.length <= MAX_CONFIG_BYTES) return bytes;
  throw new DaemonError("FAILED_PRECONDITION", `${path} is too long for a Git config`);
}

function appended(bytes: Uint8Array, text: string): Uint8Array {
  const addition = new TextEncoder().encode(text);
  const gap = bytes.length === 0 || bytes.at(-1) === 0x0a ? 0 : 1;
  const all = new Uint8Array(bytes.length + gap + addition.length);
  all.set(bytes);
  if (gap === 1) all[bytes.length] = 0x0a;
  all.set(addition, bytes.length + gap);
  return all;
}
