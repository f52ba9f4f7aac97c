import type { Content, ContentEntry, Tree } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { joinPath } from "./tree_path.ts";

/** The folder of a Git folder in which local work is set aside. The name is on disk since version 0.1. */
export const ASIDE_FOLDER = "wsdaemon-put-aside";

/** Bounds the walk; larger than any repository that an initialisation could wait for. */
const MAX_DIRECTORIES = 100_000;

/** The files of a Git folder that could lead git elsewhere, and its locks; paths in the tree. */
export interface GitFolderFiles {
  /** The Git folders themselves: the repository's, and those of its submodules. */
  folders: string[];
  /** Their config files, which can name other files and programs. */
  configs: string[];
  /** Files that name other object folders. */
  alternates: string[];
  /** Files by which linked worktrees name their repository. */
  commonDirs: string[];
  /** Locks that a killed git left. */
  locks: string[];
}

/**
 * Kinds of folders, told by their paths. In `modules` a submodule's name may have several components, so a folder
 * there is a Git folder only where it looks like one.
 */
type Kind = "git" | "modules" | "worktrees" | "worktree" | "objects" | "object info" | "plain";

const ALTERNATES = new Set(["alternates", "http-alternates"]);

/**
 * Walks the Git folder at `path`, and those of submodules in it.
 * @throws {DaemonError} FAILED_PRECONDITION where something in it leads elsewhere
 */
export async function inspectGitFolder(
  content: Content,
  tree: Tree,
  path: string,
): Promise<GitFolderFiles> {
  const files: GitFolderFiles = {
    folders: [],
    configs: [],
    alternates: [],
    commonDirs: [],
    locks: [],
  };
  const pending: { folder: string; kind: Kind }[] = [{ folder: path, kind: "git" }];
  for (let seen = 0; pending.length > 0; seen++) {
    if (seen > MAX_DIRECTORIES) throw refused(path, "has too many folders");
    const next = pending.pop()!;
    const entries = await content.list(tree, next.folder);
    const kind = next.kind === "modules" && looksLikeGitFolder(entries) ? "git" : next.kind;
    if (kind === "git") files.folders.push(next.folder);
    for (const { name, type } of entries) {
      const at = joinPath(next.folder, name);
      if (type === "directory") {
        // Hooks are never run, and often are links. What was set aside is no part of the repository.
        if (kind !== "git" || name !== "hooks" && name !== ASIDE_FOLDER) {
          pending.push({ folder: at, kind: kindOf(kind, name) });
        }
      } else if (type === "file") {
        sortFile(files, kind, name, at);
      } else {
        throw refused(at, `is a ${type === "symlink" ? "symbolic link" : "special file"}`);
      }
    }
  }
  return files;
}

function looksLikeGitFolder(entries: readonly ContentEntry[]): boolean {
  const has = (expected: string, as: ContentEntry["type"]) =>
    entries.some(({ name, type }) => name === expected && type === as);
  return has("HEAD", "file") && has("objects", "directory");
}

/** Returns the kind of the folder `name` in one of that kind. */
function kindOf(kind: Kind, name: string): Kind {
  switch (kind) {
    case "git":
      return name === "modules" || name === "worktrees" || name === "objects" ? name : "plain";
    case "modules":
      return "modules";
    case "worktrees":
      return "worktree";
    case "worktree":
      return name === "modules" ? name : "plain";
    case "objects":
      return name === "info" ? "object info" : "plain";
    default:
      return "plain";
  }
}

function sortFile(files: GitFolderFiles, kind: Kind, name: string, at: string): void {
  if (name.endsWith(".lock")) files.locks.push(at);
  switch (kind) {
    case "git":
    case "modules":
      if (name === "commondir") throw refused(at, "makes the repository a part of another");
      if (name === "config" || name === "config.worktree") files.configs.push(at);
      break;
    case "worktree":
      if (name === "commondir") files.commonDirs.push(at);
      if (name === "config.worktree") files.configs.push(at);
      break;
    case "object info":
      if (ALTERNATES.has(name)) files.alternates.push(at);
      break;
  }
}

function refused(path: string, problem: string): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", `${path} ${problem}; git does not run on that`);
}
