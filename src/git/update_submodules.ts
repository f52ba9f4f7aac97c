/**
 * Updates submodules one by one, so that a failing one does not affect the others. Their URLs and paths
 * come from the repository: git's own checks of both apply, as do the protocols and the egress proxy.
 */

import { DaemonError, messageOf } from "../errors.ts";
import { type ConfigEntry, parseConfigList } from "./config_text.ts";
import { appendConfig, type CheckoutFiles } from "./sanitize_config.ts";
import { GitFailure } from "./git_failure.ts";
import { ENDLESS_DEPTH } from "./fetch_from.ts";
import type { GitSession } from "./git_session.ts";
import { LITERAL_PATHSPECS_ENV } from "./git_environment.ts";
import { registerSubmodule } from "./register_submodule.ts";
import { gitEntry, joinPath, readText, resolveWithin } from "./tree_path.ts";

/** Deeper nesting is not updated: no honest project needs it. */
const MAX_DEPTH = 8;
const MAX_GITFILE_BYTES = 4096;

/** A checkout whose submodules are updated. */
export interface SubmoduleOptions extends CheckoutFiles {
  /** Whether the history is cut. */
  shallow: boolean;
  /** Git folders that existed before and on which git may work. */
  folders: ReadonlySet<string>;
}

/** Messages of a server that does not serve a commit by its hash, which is the tip of no branch either. */
const NOT_GIVEN =
  /unadvertised object|not our ref|direct fetching of that commit failed|could(?:n't| not) find remote ref/i;

/** Undoes that a shallow clone fetches one branch only. */
const ALL_BRANCHES: readonly ConfigEntry[] = [
  ["remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"],
];

/** A submodule as `.gitmodules` names it. */
interface Submodule {
  name: string;
  path: string;
}

/** The paths in the tree of a checkout and of its Git folder. */
interface Superproject {
  location: string;
  folder: string;
}

/**
 * Initialises and updates the submodules of the checkout, recursively. Failures are warnings, as is the end
 * of git's time limit.
 * @throws {DaemonError} RESOURCE_EXHAUSTED where the node has no space left
 */
export async function updateSubmodules(git: GitSession, options: SubmoduleOptions): Promise<void> {
  const { location } = options;
  const folder = joinPath(location, ".git");
  await warningOf(git, options, `Submodules of ${JSON.stringify(location)} were`, async () => {
    await updateLevel(git.withEnv(LITERAL_PATHSPECS_ENV), options, { location, folder }, 1);
  });
}

async function updateLevel(
  git: GitSession,
  options: SubmoduleOptions,
  superproject: Superproject,
  level: number,
): Promise<void> {
  for (const submodule of await submodulesOf(git)) {
    const location = joinPath(superproject.location, submodule.path);
    await warningOf(git, options, `Submodule ${JSON.stringify(location)} was`, async () => {
      const folder = await updateOne(git, options, superproject, submodule);
      if (folder === undefined || level === MAX_DEPTH) return;
      const { path, close } = await options.content.openDirectory(options.tree, location);
      try {
        await updateLevel(git.inDirectory(path, LITERAL_PATHSPECS_ENV), options, {
          location,
          folder,
        }, level + 1);
      } finally {
        await close();
      }
    });
  }
}

/** Runs `work`; a failure is a warning unless the caller has given up or the node has no space left. */
async function warningOf(
  git: GitSession,
  { signal }: SubmoduleOptions,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    // What the node lacks, all remaining work lacks, too.
    if (error instanceof DaemonError && error.code === "RESOURCE_EXHAUSTED") throw error;
    const reason = git.signal.aborted ? "git.timeout is over" : messageOf(error);
    git.warn(`${what} not updated: ${reason}`);
  }
}

/** Returns the submodules that the committed `.gitmodules` names. */
async function submodulesOf(git: GitSession): Promise<Submodule[]> {
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
  if (code !== 0) return [];
  const nameOf = (key: string) => key.slice("submodule.".length, -".path".length);
  return parseConfigList(stdout).map(([key, path]) => ({ name: nameOf(key), path }));
}

/** Updates one submodule. @returns its Git folder; `undefined` where git made none */
async function updateOne(
  git: GitSession,
  options: SubmoduleOptions,
  superproject: Superproject,
  submodule: Submodule,
): Promise<string | undefined> {
  const { name, path } = submodule;
  // Git takes what follows a line's end, or does not, for a part of the path (CVE-2025-48384).
  if (/\p{Cc}/u.test(path)) throw new Error("its path holds control characters");
  const location = joinPath(superproject.location, path);
  const own = joinPath(superproject.folder, `modules/${name}`);
  const before = await folderOf(options, location);
  const used = before ?? (await isFolder(options, own) ? own : undefined);
  if (used !== undefined && !options.folders.has(used)) {
    throw new Error("its .git does not lead to a Git folder of the superproject's");
  }
  const { url, protocols } = await registerSubmodule(git, options, submodule);
  if (used !== undefined) {
    // The config of a restored one was sanitized, which removed its remote.
    await appendConfig(options, joinPath(used, "config"), [["remote.origin.url", url]]);
  }
  await update(git.withProtocols(protocols), options.shallow, path, async () => {
    const folder = used ?? (await isFolder(options, own) ? own : undefined);
    if (folder !== undefined) await appendConfig(options, joinPath(folder, "config"), ALL_BRANCHES);
    return folder !== undefined;
  });
  const after = await folderOf(options, location);
  if (after === undefined || after === own || options.folders.has(after)) return after;
  throw new Error("its .git does not lead to where git put it");
}

/**
 * Updates a submodule.
 * @param widen configures it to fetch every branch; returns whether it has been cloned
 */
async function update(
  git: GitSession,
  shallow: boolean,
  path: string,
  widen: () => Promise<boolean>,
): Promise<void> {
  const run = (depth: readonly string[]) =>
    git.runRemote(["submodule", "--quiet", "update", ...depth, "--", path]);
  if (!shallow) {
    await run([]);
    return;
  }
  try {
    await run(["--depth", "1"]);
  } catch (error) {
    // A server that does not serve a commit by its hash serves it with its branch's history.
    const isRefused = error instanceof GitFailure &&
      (error.refusesDepth || NOT_GIVEN.test(error.stderr));
    if (!isRefused) throw error;
    await run(await widen() ? ["--depth", String(ENDLESS_DEPTH)] : []);
  }
}

/** Returns the Git folder that a submodule's `.git` file names; `undefined` where there is none. */
async function folderOf(
  { content, tree, spool }: SubmoduleOptions,
  location: string,
): Promise<string | undefined> {
  const entry = await gitEntry(content, tree, location);
  if (!entry) return undefined;
  const path = joinPath(location, ".git");
  const text = entry.type === "file"
    ? await readText(content, tree, spool, path, MAX_GITFILE_BYTES)
    : "";
  const target = /^gitdir: (.+)\n?$/.exec(text)?.[1];
  const folder = target === undefined ? undefined : resolveWithin(location, target);
  if (folder === undefined) throw new Error("its .git does not lead to a folder of the workspace");
  return folder;
}

async function isFolder({ content, tree }: SubmoduleOptions, path: string): Promise<boolean> {
  try {
    await content.list(tree, path);
    return true;
  } catch (error) {
    if (error instanceof DaemonError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}
