/** Reads the status of a live checkout. */

import { join } from "@std/path";
import { DaemonError } from "../errors.ts";
import { NO_REPO_ENV } from "./git_environment.ts";
import type { GitStatus } from "./git_status.ts";
import { type FileTime, filteredPaths, unchangedFiltered } from "./filtered_files.ts";
import { bytesOfPath, rawPath } from "./raw_path.ts";
import type { GitSession } from "./git_session.ts";
import { RecordSplitter, statusParser } from "./status_parser.ts";
import { joinPath } from "./tree_path.ts";
import type { ShadowSource } from "./live_git_dir.ts";
import { makeShadowGitDir } from "./shadow_git_dir.ts";

/** How many entries each list holds; all are counted. */
const LIST_LIMIT = 100;

/**
 * Returns the status of the checkout in the session's directory.
 * @throws {DaemonError} FAILED_PRECONDITION where git fails or the repository cannot be read safely
 */
export async function readStatus(git: GitSession, source: ShadowSource): Promise<GitStatus> {
  const shadow = git.withEnv(await makeShadowGitDir(git.withEnv(NO_REPO_ENV), source));
  const uncommitted = new ChangedList();
  const untracked = new TruncatedList();
  let branch = "";
  let commit: string | undefined;
  const parser = statusParser({
    branch: (name) => branch = name,
    commit: (hash) => commit = hash,
    changed: (path, content) => uncommitted.add(path, content),
    untracked: (path) => untracked.add(path),
  });
  await shadow.stream(STATUS, (chunk) => parser.push(chunk));
  parser.end();
  await uncommitted.withoutFiltered(shadow, source);
  await removeVanished(untracked, source);
  const unpushed = await unpushedCommits(shadow, commit);
  return {
    branch,
    latestCommit: commit ?? "",
    uncommittedFiles: uncommitted.list.entries(),
    untrackedFiles: untracked.entries(),
    unpushedCommits: unpushed.entries(),
    totalUncommittedFiles: uncommitted.list.total,
    totalUntrackedFiles: untracked.total,
    totalUnpushedCommits: unpushed.total,
  };
}

/** Submodules are compared by their commit only: inside them git would follow their own config. */
const STATUS = [
  "status",
  "--porcelain=v2",
  "--branch",
  "-z",
  "--untracked-files=all",
  "--ignore-submodules=dirty",
  "--no-renames",
  "--no-ahead-behind",
];

const LOG = ["log", "-z", "--format=%h: %s", "--encoding=UTF-8", "--no-show-signature"];

/** Lists the commits of local branches and of HEAD that no remote is known to have. */
async function unpushedCommits(
  git: GitSession,
  commit: string | undefined,
): Promise<TruncatedList> {
  const list = new TruncatedList();
  const text = new TextDecoder();
  const splitter = new RecordSplitter((record) => list.add(oneLine(text.decode(record))));
  const tips = ["--branches", ...(commit === undefined ? [] : [commit]), "--not", "--remotes"];
  await git.stream([...LOG, ...tips], (chunk) => splitter.push(chunk));
  splitter.end();
  return list;
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, " ").trimEnd();
}

/** A list that holds its first entries and counts all. */
class TruncatedList {
  total = 0;
  kept: string[] = [];

  add(entry: string): void {
    this.total++;
    if (this.kept.length < LIST_LIMIT) this.kept.push(entry);
  }

  entries(): string[] {
    const more = this.total - this.kept.length;
    return more > 0 ? [...this.kept, `... and ${more} more`] : this.kept;
  }
}

/** Bounds how many changed files are checked for a filter; more are reported as changed. */
const MAX_FILTER_CHECKS = 100_000;

/** A file of which nothing but the content differs from the index. */
interface ChangedContent {
  path: Uint8Array;
  blob: string;
}

/** Changed files, some of which may be unchanged but for what a filter made of their blob. */
class ChangedList {
  /** What is certainly changed. */
  list: TruncatedList = new TruncatedList();
  #pending: { name: string; content: ChangedContent | undefined }[] = [];
  #contents = 0;

  add(name: string, content: ChangedContent | undefined): void {
    // Keeps Git's order: what follows a file that is yet to be checked waits with it.
    if (content && this.#contents < MAX_FILTER_CHECKS) this.#contents++;
    else if (this.#contents === 0 || this.#pending.length >= 2 * MAX_FILTER_CHECKS) {
      return this.list.add(name);
    }
    this.#pending.push({ name, content });
  }

  /** Removes files whose content a filter made and nobody changed. */
  async withoutFiltered(git: GitSession, source: ShadowSource): Promise<void> {
    const contents = this.#pending.flatMap(({ content }) => content ?? []);
    const unchanged = await unchangedContents(git, source, contents);
    for (const { name, content } of this.#pending.splice(0)) {
      if (!content || !unchanged.has(content)) this.list.add(name);
    }
  }
}

/** Returns those of the files whose content a filter made and nobody changed. */
async function unchangedContents(
  git: GitSession,
  { content, tree, location, scratch, signal }: ShadowSource,
  changed: readonly ChangedContent[],
): Promise<Set<ChangedContent>> {
  const byPath = new Map(changed.map((item) => [rawPath(item.path), item]));
  const filtered = [...await filteredPaths(git, [...byPath.keys()])];
  if (filtered.length === 0) return new Set();
  const states = await content.inspectPaths(tree, location, filtered.map(bytesOfPath));
  const files = filtered.flatMap((path, n) => {
    const state = states[n]!;
    return state.type === "file" ? [{ path, blob: byPath.get(path)!.blob, state }] : [];
  });
  const indexTime = await modifiedAt(join(scratch.path, "shadow/index"));
  const source = { content, tree, location, indexTime, signal };
  const unchanged = await unchangedFiltered(git, source, files);
  return new Set([...unchanged].map((path) => byPath.get(path)!));
}

/** Returns when one of the daemon's files was modified, rounded down to a millisecond. */
async function modifiedAt(path: string): Promise<FileTime | undefined> {
  const { mtime } = await Deno.stat(path);
  if (!mtime) return undefined;
  const milliseconds = mtime.getTime();
  return { sec: Math.floor(milliseconds / 1000), nsec: milliseconds % 1000 * 1_000_000 };
}

/**
 * Keeps only names that the tree itself has. Somebody may replace folders by links while git reads them,
 * and names that it then lists of other folders of the node must not be disclosed.
 */
async function removeVanished(
  list: TruncatedList,
  { content, tree, location }: ShadowSource,
): Promise<void> {
  const folders = new Map<string, ReadonlySet<string>>();
  const there: string[] = [];
  for (const path of list.kept) {
    const bare = path.replace(/\/$/, "");
    const at = bare.lastIndexOf("/");
    const folder = bare.slice(0, Math.max(0, at));
    let names = folders.get(folder);
    if (!names) {
      names = await namesIn(folder === "" ? location : joinPath(location, folder));
      folders.set(folder, names);
    }
    if (names.has(bare.slice(at + 1))) there.push(path);
  }
  list.total -= list.kept.length - there.length;
  list.kept = there;

  async function namesIn(path: string): Promise<ReadonlySet<string>> {
    try {
      return new Set((await content.list(tree, path)).map(({ name }) => name));
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      return new Set();
    }
  }
}
