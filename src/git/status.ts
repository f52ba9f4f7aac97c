/** The status of a live checkout. */

import { DaemonError } from "../errors.ts";
import type { GitStatus } from "./git_status.ts";
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
  const uncommitted = new CutList();
  const untracked = new CutList();
  let branch = "";
  let commit: string | undefined;
  const parser = statusParser({
    branch: (name) => branch = name,
    commit: (hash) => commit = hash,
    changed: (path) => uncommitted.add(path),
    untracked: (path) => untracked.add(path),
  });
  await view.stream(STATUS, (chunk) => parser.push(chunk));
  parser.end();
  await confirm(untracked, source);
  const unpushed = await unpushedCommits(view, commit);
  return {
    branch,
    latestCommit: commit ?? "",
    uncommittedFiles: uncommitted.entries(),
    untrackedFiles: untracked.entries(),
    unpushedCommits: unpushed.entries(),
    totalUncommittedFiles: uncommitted.total,
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
