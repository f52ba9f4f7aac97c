/** The status of a live checkout. */

import { join } from "@std/path";
import { DaemonError } from "../errors.ts";
import type { GitStatus } from "./git_status.ts";
import { type FileTime, filteredPaths, unchangedFiltered } from "./filtered_files.ts";
import { bytesOfPath, rawPath } from "./raw_path.ts";
import type { GitSession } from "./session.ts";
import { RecordSplitter, statusParser } from "./status_parse.ts";
import { joinPath } from "./tree_path.ts";
import { makeShadowGitDir, type ShadowSource } from "./shadow_git_dir.ts";

/** Entries of each list; more are counted. */
const LIST_LIMIT = 100;

const NO_REPO_ENV: Readonly<Record<string, string>> = { GIT_DIR: "/dev/null" };

/** Reads the status. @throws {DaemonError} FAILED_PRECONDITION */
export async function readStatus(git: GitSession, source: ShadowSource): Promise<GitStatus> {
  const view = git.withEnv(await makeShadowGitDir(git.withEnv(NO_REPO_ENV), source));
  const uncommitted = new ChangedList();
  const untracked = new CutList();
  let branch = "";
  let commit: string | undefined;
  const parser = statusParser({
    branch: (name) => branch = name,
    commit: (hash) => commit = hash,
    changed: (path, content) => uncommitted.add(path, content),
    untracked: (path) => untracked.add(path),
  });
  await view.stream(STATUS, (chunk) => parser.push(chunk));
  parser.end();
  await uncommitted.withoutFiltered(view, source);
  await confirm(untracked, source);
  const unpushed = await unpushedCommits(view, commit);
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

/** Submodules are compared by their commit only: in theirs, git would run as their config has it. */
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

/** Commits of local branches and of HEAD that no remote is known to have. */
async function unpushedCommits(git: GitSession, commit: string | undefined): Promise<CutList> {
  const list = new CutList();
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

/** A list that keeps its first entries and counts all. */
class CutList {
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

/** More files than one judges by what their filters made of them. */
const MAX_JUDGED = 100_000;

interface ChangedContent {
  path: Uint8Array;
  blob: string;
}

/** Changed files, of which some may be as they were once their filters are thought of. */
class ChangedList {
  /** What is changed for certain, and the first of it. */
  list: CutList = new CutList();
  #judged: { name: string; content: ChangedContent | undefined }[] = [];
  #contents = 0;

  add(name: string, content: ChangedContent | undefined): void {
    // The order is Git's: what follows a file that is to be judged waits with it.
    if (content && this.#contents < MAX_JUDGED) this.#contents++;
    else if (this.#contents === 0 || this.#judged.length >= 2 * MAX_JUDGED) {
      return this.list.add(name);
    }
    this.#judged.push({ name, content });
  }

  /** Takes out what nobody changed. */
  async withoutFiltered(git: GitSession, source: ShadowSource): Promise<void> {
    const contents = this.#judged.flatMap(({ content }) => content ?? []);
    const unchanged = await unchangedContents(git, source, contents);
    for (const { name, content } of this.#judged.splice(0)) {
      if (!content || !unchanged.has(content)) this.list.add(name);
    }
  }
}

/** Those of the files whose content a filter made and nobody changed. */
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
  const indexTime = await modified(join(scratch.path, "view/index"));
  const source = { content, tree, location, indexTime, signal };
  const unchanged = await unchangedFiltered(git, source, files);
  return new Set([...unchanged].map((path) => byPath.get(path)!));
}

/** When a file of ours was modified, to the millisecond before. */
async function modified(path: string): Promise<FileTime | undefined> {
  const { mtime } = await Deno.stat(path);
  if (!mtime) return undefined;
  const milliseconds = mtime.getTime();
  return { sec: Math.floor(milliseconds / 1000), nsec: milliseconds % 1000 * 1_000_000 };
}

/**
 * Keeps only names that the tree itself has. Somebody may swap folders for links while git reads
 * them; what it then lists of elsewhere must not be told.
 */
async function confirm(list: CutList, { content, tree, location }: ShadowSource): Promise<void> {
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
