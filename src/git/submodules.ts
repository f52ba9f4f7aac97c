/**
 * Submodules, one by one, so that a failing one costs only itself. Their URLs and paths come from
 * the repository: git's own checks of both apply, as do the protocols and the gate.
 */

import type { Content, Tree } from "../content/api.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log.ts";
import { parseConfigList } from "./config_text.ts";
import { GitFailure } from "./failure.ts";
import type { GitSession } from "./session.ts";
import { gitEntry, joinPath, readText, resolveWithin } from "./tree_path.ts";

const log = logger("git");

/** Deeper nesting is taken for a trap. */
const MAX_DEPTH = 8;
const MAX_GITFILE_BYTES = 4096;

export interface SubmoduleOptions {
  content: Content;
  tree: Tree;
  /** Absolute path of the spool. */
  spool: string;
  /** The checkout's path in the tree. */
  location: string;
  shallow: boolean;
}

/** Initialises and updates the submodules of the checkout, and theirs; failures are warnings. */
export async function updateSubmodules(git: GitSession, options: SubmoduleOptions): Promise<void> {
  await updateLevel(git, options, options.location, 1);
}

async function updateLevel(
  git: GitSession,
  options: SubmoduleOptions,
  superproject: string,
  level: number,
): Promise<void> {
  for (const path of await submodulePaths(git)) {
    const location = joinPath(superproject, path);
    try {
      await updateOne(git, options, path, location);
      if (level === MAX_DEPTH) continue;
      await using directory = await opened(options, location);
      if (directory) {
        await updateLevel(git.at(directory.path, HERE), options, location, level + 1);
      }
    } catch (error) {
      git.signal.throwIfAborted();
      log.warn("Submodule {location} was not updated: {reason}", {
        location,
        reason: messageOf(error),
      });
    }
  }
}

/** A repository is looked for nowhere else. */
export const HERE: Readonly<Record<string, string>> = { GIT_DIR: ".git", GIT_WORK_TREE: "." };

/** Paths that `.gitmodules`, as committed, gives its submodules. */
async function submodulePaths(git: GitSession): Promise<string[]> {
  const { code, stdout } = await git.run(
    [
      "config",
      "--blob",
      "HEAD:.gitmodules",
      "--no-includes",
      "--null",
      "--get-regexp",
      "^submodule\\..*\\.path$",
    ],
    { answers: [1, 128] },
  );
  return code === 0 ? parseConfigList(stdout).map(([, path]) => path) : [];
}

async function updateOne(
  git: GitSession,
  options: SubmoduleOptions,
  path: string,
  location: string,
): Promise<void> {
  await checkGitFile(options, location);
  const update = (depth: readonly string[]) =>
    git.runRemote(["submodule", "--quiet", "update", "--init", ...depth, "--", path]);
  if (!options.shallow) {
    await update([]);
    return;
  }
  try {
    await update(["--depth", "1"]);
  } catch (error) {
    // A server that gives no commit by its hash gives it with its branch's history.
    if (!(error instanceof GitFailure) || !/unadvertised object|not our ref/.test(error.stderr)) {
      throw error;
    }
    await update([]);
  }
}

/**
 * A restored submodule whose Git folder is anywhere but among the superproject's modules would have
 * git work on a repository that nobody looked at.
 */
async function checkGitFile(
  { content, tree, spool, location: top }: SubmoduleOptions,
  location: string,
): Promise<void> {
  const entry = await gitEntry(content, tree, location);
  if (!entry) return;
  if (entry.type === "file") {
    const text = await readText(
      content,
      tree,
      spool,
      joinPath(location, ".git"),
      MAX_GITFILE_BYTES,
    );
    const target = /^gitdir: (.+)\n?$/.exec(text)?.[1];
    const resolved = target === undefined ? undefined : resolveWithin(location, target);
    if (resolved?.startsWith(joinPath(top, ".git/modules/"))) return;
  }
  throw new Error("its .git does not lead to the superproject's .git/modules");
}

async function opened(
  { content, tree }: SubmoduleOptions,
  location: string,
): Promise<(AsyncDisposable & { path: string }) | null> {
  if (!await gitEntry(content, tree, location)) return null;
  const { path, close } = await content.openDirectory(tree, location);
  return { path, [Symbol.asyncDispose]: close };
}
