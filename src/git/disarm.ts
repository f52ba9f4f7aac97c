/**
 * A restored repository's config was written by whoever made the image. While git works on it, it
 * holds only what cannot run programs or lead elsewhere; afterwards everything is as it was, with
 * what git added meanwhile. Only for staging trees, in which nobody else is at work.
 */

import { join } from "@std/path";
import type { Content, Owner, Tree } from "../content/api.ts";
import { DaemonError } from "../errors.ts";
import { canonicalName, type ConfigEntry, formatConfig, parseConfigList } from "./config_text.ts";
import { inspectGitFolder } from "./git_folder.ts";
import { isSafe } from "./safe_config.ts";
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
    await content.place(tree, path, { room: "spool", path: name }, owner, 0o644);
  } catch (error) {
    await Deno.remove(join(spool, name)).catch(() => {});
    throw error;
  }
}

/**
 * Disarms the repository whose Git folder is at `folder`.
 * @param git outside any repository
 * @param config variables that the repository gets, in place of those of the same names
 * @returns what undoes it, keeping `config`
 */
export async function disarm(
  git: GitSession,
  files: CheckoutFiles,
  folder: string,
  config: readonly ConfigEntry[],
): Promise<() => Promise<void>> {
  const { content, tree, spool } = files;
  const { configs, alternates } = await inspectGitFolder(content, tree, folder);
  const undo: (() => Promise<void>)[] = [];
  for (const path of alternates) {
    const original = await readBytes(content, tree, spool, path, MAX_CONFIG_BYTES);
    await replaceFile(files, path, new Uint8Array());
    undo.push(() => replaceFile(files, path, original));
  }
  for (const path of configs) {
    const original = await readConfig(files, path);
    const safe = (await listConfig(git, original)).filter(isSafe);
    const isTop = path === joinPath(folder, "config");
    const armed = isTop ? overridden(safe, config) : safe;
    await replaceFile(files, path, new TextEncoder().encode(formatConfig(armed)));
    undo.push(() => rearm(git, files, { path, original, safe }));
  }
  return async () => {
    for (const step of undo) await step();
  };
}

function overridden(
  entries: readonly ConfigEntry[],
  config: readonly ConfigEntry[],
): ConfigEntry[] {
  const names = new Set(config.map(([name]) => canonicalName(name)));
  return [...entries.filter(([name]) => !names.has(canonicalName(name))), ...config];
}

/** A config as it was before it was disarmed. */
interface Armed {
  path: string;
  original: Uint8Array;
  /** Its safe entries. */
  safe: readonly ConfigEntry[];
}

/** Puts a config back, with what has become of the safe part of it. */
async function rearm(
  git: GitSession,
  files: CheckoutFiles,
  { path, original, safe }: Armed,
): Promise<void> {
  const now = await listConfig(git, await readConfig(files, path));
  const before = new Set(safe.map(identity));
  const after = new Set(now.map(identity));
  const gone = safe.filter((entry) => !after.has(identity(entry)));
  const changed = new Set(gone.map(([name]) => canonicalName(name)));
  const added = now.filter((entry) =>
    !before.has(identity(entry)) || changed.has(canonicalName(entry[0]))
  );
  const kept = await without(git, files.scratch, original, changed);
  await replaceFile(files, path, appended(kept, formatConfig(added)));
}

function identity([name, value]: ConfigEntry): string {
  return `${canonicalName(name)}\0${value}`;
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
