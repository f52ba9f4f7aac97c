/**
 * A restored repository's config was written by whoever made the image. While git works on it, it
 * holds only what shapes the repository: nothing that runs programs, leads elsewhere or says how to
 * connect. Afterwards everything is as it was, with what git added meanwhile. Only for staging
 * trees, in which nobody else is at work.
 */

import { join } from "@std/path";
import type { Content, Owner, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { EgressProxy } from "../outbound/mod.ts";
import { canonicalName, type ConfigEntry, formatConfig, parseConfigList } from "./config_text.ts";
import { inspectGitFolder } from "./git_folder.ts";
import { removeLocks } from "./locks.ts";
import { isStructural } from "./safe_config.ts";
import type { GitSession } from "./session.ts";
import type { Scratch } from "./scratch.ts";
import { joinPath, readBytes } from "./tree_path.ts";

const MAX_CONFIG_BYTES = 1024 * 1024;

/** What it takes to read and replace small files of a tree. */
export interface TreeFiles {
  content: Content;
  tree: Tree;
  /** Absolute path of the spool. */
  spool: string;
  owner: Owner;
}

/** A checkout's place, and a private folder for its time. */
export interface CheckoutFiles extends TreeFiles {
  /** The checkout's path in the tree. */
  location: string;
  scratch: Scratch;
  gate: EgressProxy;
  /** Protocols that remotes may speak. */
  protocols: readonly string[];
  /** The caller's; git's has a time limit besides. */
  signal: AbortSignal;
  /** That limit, in milliseconds. */
  timeout: number;
}

/** Entries of a config file's text, without what it includes. */
export async function listConfig(git: GitSession, text: Uint8Array): Promise<ConfigEntry[]> {
  const { stdout } = await git.run(["config", "--file", "-", "--no-includes", "--list", "--null"], {
    input: text,
  });
  return parseConfigList(stdout);
}

/** Replaces a file of the tree, mode 0644. */
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

/** A repository on which git may work. */
export interface SanitizedConfig {
  /** Its Git folder and those of its submodules: no other one that was there is to be worked on. */
  folders: ReadonlySet<string>;
  /** Puts back what was taken out, keeping the request's config. */
  restore(git: GitSession): Promise<void>;
}

/**
 * Disarms the repository whose Git folder is at `folder`, and rids it of locks.
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
  for (const path of found.alternates) undo.push(await replaced(files, path, ""));
  // As git writes it for a worktree of this repository.
  for (const path of found.commonDirs) undo.push(await replaced(files, path, "../..\n"));
  for (const path of found.configs) {
    const own = path === joinPath(folder, "config") ? config : [];
    undo.push(await disarmConfig(git, files, path, own));
  }
  return {
    folders: new Set(found.folders),
    async restore(git) {
      for (const step of undo) await step(git);
    },
  };
}

/** Gives a file another text. @returns what undoes it */
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

/** A config as it was before it was disarmed. */
interface Armed {
  path: string;
  original: Uint8Array;
  /** Its entries, without what it includes. */
  entries: readonly ConfigEntry[];
  /** What it gets of the request. */
  own: readonly ConfigEntry[];
}

async function disarmConfig(
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
  return (git) => rearm(git, files, { path, original, entries, own });
}

/** Puts a config back, with what has become of it meanwhile. */
async function rearm(git: GitSession, files: CheckoutFiles, armed: Armed): Promise<void> {
  const { path, original, entries, own } = armed;
  const now = byName(await listConfig(git, await readConfig(files, path)));
  const before = byName(entries);
  const wanted = new Set(own.map(([name]) => canonicalName(name)));
  const isChanged = (name: string) => {
    if (valuesOf(before.get(name)) === valuesOf(now.get(name))) return false;
    const heldBack = before.get(name)?.some((entry) => !isStructural(entry)) === true;
    // What was held back is the user's, but for what the request or a checkout sets.
    return !heldBack || now.has(name) && (wanted.has(name) || name.startsWith("branch."));
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

/** A config file's text without the variables of those names, and otherwise as it was. */
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
