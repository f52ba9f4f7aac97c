/** Git folders as they lie in a tree: what is in them, found without Git and without links. */

import type { Content, Tree } from "../content/api.ts";
import { DaemonError } from "../errors.ts";
import { joinPath } from "./tree_path.ts";

/** Files of a Git folder that lead git to other files, or to programs. */
const LEADING = new Set(["config", "config.worktree"]);
const ALTERNATES = new Set(["alternates", "http-alternates"]);

/** More directories than any repository has that a daemon can wait for. */
const MAX_DIRECTORIES = 100_000;

export interface GitFolderFiles {
  /** `config` files of the repository and of its submodules. */
  configs: string[];
  /** Files that name other object folders. */
  alternates: string[];
}

/**
 * Goes through the Git folder at `path`, and those of submodules in it.
 * @throws {DaemonError} FAILED_PRECONDITION where something in it leads elsewhere
 */
export async function inspectGitFolder(
  content: Content,
  tree: Tree,
  path: string,
): Promise<GitFolderFiles> {
  const files: GitFolderFiles = { configs: [], alternates: [] };
  const pending = [path];
  for (let seen = 0; pending.length > 0; seen++) {
    if (seen > MAX_DIRECTORIES) throw refused(path, "has too many folders");
    const folder = pending.pop()!;
    for (const { name, type } of await content.list(tree, folder)) {
      const at = joinPath(folder, name);
      if (type === "directory") {
        // Hooks are never run, and often are links.
        if (name !== "hooks") pending.push(at);
      } else if (type !== "file") {
        throw refused(at, `is a ${type === "symlink" ? "symbolic link" : "special file"}`);
      } else if (name === "commondir") {
        throw refused(at, "makes the repository a part of another");
      } else if (LEADING.has(name)) {
        files.configs.push(at);
      } else if (ALTERNATES.has(name)) {
        files.alternates.push(at);
      }
    }
  }
  return files;
}

function refused(path: string, problem: string): DaemonError {
  return new DaemonError("FAILED_PRECONDITION", `${path} ${problem}; git does not run on that`);
}
