/**
 * Puts a fresh clone in the place of a restored checkout that could not be updated. Everything else in
 * the checkout stays: untracked files, and local changes of files that the target does not change. The
 * repository that was there, and what does not fit, is set aside in the new Git folder.
 *
 * The clone is whole, in a tree of its own, before anything of the checkout is touched; its files are
 * then moved into place by the content Workers, which may also write to folders that git may not.
 * Where that fails, everything is moved back.
 */

import { join } from "@std/path";
import type { Tree, TreeFolder } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { GitFailure } from "./git_failure.ts";
import { ASIDE_FOLDER } from "./git_folder.ts";
import { type AsideFolders, AsideMoves, clearPaths, moveBack, samePaths } from "./local_work.ts";
import { warnOfAside } from "./aside_folder.ts";
import { bytesOfPath, forEachRecord, printedBytes, type RawPath, rawPath } from "./raw_path.ts";
import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./git_session.ts";
import { type CheckoutFiles, sanitizeConfig } from "./sanitize_config.ts";
import { LOCAL_REPO_ENV, NO_REPO_ENV } from "./git_environment.ts";
import { ABSENT, emptyTree, GITLINK, type TreeChange, treeChanges } from "./tree_changes.ts";
import { joinPath } from "./tree_path.ts";
import { makeEmptyGitDir, makeShadowGitDir, makeShadowIndex } from "./shadow_git_dir.ts";

/** Larger than a list of some millions of files. */
const MAX_LIST_BYTES = 512 * 1024 * 1024;

/** A restored checkout, and the clone that replaces it. */
export interface ReplaceSource extends CheckoutFiles {
  /** The fresh clone, at the top of a staging tree. */
  fresh: Tree;
  /** A staging tree for what is to be deleted. */
  discarded: Tree;
  /** Names the folder for what is set aside. */
  stamp: string;
}

/**
 * Replaces the checkout by the fresh clone. Moves everything back where it fails.
 * @param git in the checkout's directory
 * @param clone in the fresh clone's directory
 */
export async function adoptClone(
  git: GitSession,
  clone: GitSession,
  source: ReplaceSource,
): Promise<void> {
  const { content, tree, location, fresh, discarded, owner, signal, stamp } = source;
  const old = git.withEnv(await readableGitDir(git, source));
  const { changes, submodules } = await describeClone(clone, old, source);
  const checkout: TreeFolder = { tree, folder: location };
  const stampFolder = `.git/${ASIDE_FOLDER}/${stamp}`;
  const aside = { tree: fresh, folder: `${stampFolder}/files` };
  await content.makeDirectory(fresh, aside.folder, owner);
  const place: AsideFolders = { content, checkout, aside, discarded, owner };
  const moves = new AsideMoves(place);
  const indexTime = await indexTimeOf(source);
  try {
    const from = { content, tree, location, indexTime, signal };
    const setAside = await clearPaths(old, changes, from, moves, place);
    const cloned = { tree: fresh, folder: "" };
    const repository = [{ from: bytesOfPath(".git"), to: bytesOfPath("git") }];
    await moves.move(checkout, { tree: fresh, folder: stampFolder }, repository);
    // The Git folders of submodules were in the repository's, and have gone with it.
    if (submodules.length > 0) {
      const folder = `${stampFolder}/submodules`;
      await content.makeDirectory(fresh, folder, owner);
      await moves.move(checkout, { tree: fresh, folder }, samePaths(submodules));
    }
    await moves.move(cloned, checkout, samePaths([".git"]));
    await moves.move(cloned, checkout, samePaths([...filesOf(changes), ...submodules]));
    const folder = joinPath(location, stampFolder);
    const now = { ...place, aside: { tree, folder: `${folder}/files` } };
    const left = await moveBack(setAside, moves, now);
    warnOfAside(git, { location }, now.aside.folder, left.map(({ path }) => path));
    git.warn(
      `What was Git's at ${JSON.stringify(location)} and does not fit the fresh clone is kept in ` +
        folder,
    );
  } catch (error) {
    await moves.undo();
    throw error;
  }
}

/** Returns what the clone's commit changes, and the paths of its submodules. */
async function describeClone(
  clone: GitSession,
  old: GitSession,
  source: ReplaceSource,
): Promise<{ changes: TreeChange[]; submodules: RawPath[] }> {
  const outside = clone.withEnv(NO_REPO_ENV);
  const here = clone.withEnv(LOCAL_REPO_ENV);
  // By now the clone's config has the request's own variables, which may name programs.
  const files = { ...source, tree: source.fresh, location: "" };
  const config = await sanitizeConfig(outside, files, ".git", []);
  const changes = await changesTo(here, old, source.scratch);
  const submodules = await gitlinksOf(here);
  await config.restore(outside);
  return { changes, submodules };
}

/** Returns the environment that shows git as much of the existing repository as can be read. */
async function readableGitDir(
  git: GitSession,
  source: ReplaceSource,
): Promise<Record<string, string>> {
  const { scratch, signal } = source;
  const outside = git.withEnv(NO_REPO_ENV);
  const readable = async (make: () => Promise<Record<string, string>>) => {
    try {
      const variables = await make();
      await git.withEnv(variables).stream(["ls-files"], () => {});
      return variables;
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      signal.throwIfAborted();
      return undefined;
    }
  };
  return await readable(() => makeShadowGitDir(outside, source)) ??
    await readable(async () => {
      const variables = await makeShadowGitDir(outside, source);
      await scratch.remove("shadow/index");
      return variables;
    }) ??
    await readable(() => makeShadowIndex(outside, source)) ??
    await makeEmptyGitDir(scratch);
}

/** Returns what the clone's commit changes, as far as it is known what was checked out. */
async function changesTo(
  clone: GitSession,
  old: GitSession,
  scratch: Scratch,
): Promise<TreeChange[]> {
  const target = "HEAD^{tree}";
  const { code } = await clone.run(["rev-parse", "--quiet", "--verify", target], {
    answers: [1, 128],
  });
  // An empty remote changes nothing.
  if (code !== 0) return [];
  return await treeChanges(clone, await storeBase(clone, old, scratch), target);
}

/** Stores in the clone the tree that was checked out. @returns its hash */
async function storeBase(clone: GitSession, old: GitSession, scratch: Scratch): Promise<string> {
  const folder = await scratch.folder("base");
  const index = clone.withEnv({ ...LOCAL_REPO_ENV, GIT_INDEX_FILE: join(folder, "index") });
  for (const args of [["ls-tree", "-r", "-z", "--full-tree", "HEAD"], ["ls-files", "-s", "-z"]]) {
    try {
      const input = await printedBytes(old, args, { maxBytes: MAX_LIST_BYTES });
      await index.run(["read-tree", "--empty"]);
      await index.run(["update-index", "-z", "--index-info"], { input });
      return (await index.run(["write-tree", "--missing-ok"])).stdout.trim();
    } catch (error) {
      // The repository is damaged, or has another hash algorithm.
      if (!(error instanceof GitFailure)) throw error;
    }
  }
  return await emptyTree(clone);
}

function filesOf(changes: readonly TreeChange[]): RawPath[] {
  return changes
    .filter(({ newMode }) => newMode !== ABSENT && newMode !== GITLINK)
    .map(({ path }) => path);
}

async function gitlinksOf(clone: GitSession): Promise<RawPath[]> {
  const paths: RawPath[] = [];
  await forEachRecord(clone, ["ls-files", "--stage", "-z"], (record) => {
    const text = rawPath(record);
    if (text.startsWith(GITLINK)) paths.push(text.slice(text.indexOf("\t") + 1));
  });
  return paths;
}

async function indexTimeOf({ content, tree, location }: ReplaceSource) {
  const path = new TextEncoder().encode(".git/index");
  const [state] = await content.inspectPaths(tree, location, [path]);
  return state?.type === "file" ? state.mtime : undefined;
}
