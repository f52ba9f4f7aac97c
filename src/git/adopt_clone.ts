/**
 * A fresh clone in the place of a restored checkout that could not be updated. What else the checkout
 * holds stays: files that nobody knows, local changes of files that the target has as they were. The
 * repository that was there, and what does not fit, is put aside in the new Git folder.
 *
 * The clone is whole, in a tree of its own, before anything of the checkout is touched; its files are
 * then moved into place by the content Workers, so that folders which git may not write to are no
 * obstacle. Where that fails, everything is moved back.
 */

import { join } from "@std/path";
import type { Tree, TreeFolder } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import { GitFailure } from "./failure.ts";
import { PUT_ASIDE } from "./git_folder.ts";
import { AsideMoves, type AsidePlace, clearPlaces, moveBack, samePaths } from "./local_work.ts";
import { warnOfAside } from "./make_way.ts";
import { bytesOfPath, forEachRecord, printedBytes, type RawPath, rawPath } from "./raw_path.ts";
import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./session.ts";
import { type CheckoutFiles, sanitizeConfig } from "./sanitize_config.ts";
import { LOCAL_REPO_ENV } from "./submodules.ts";
import { ABSENT, GITLINK, type TreeChange, treeChanges } from "./tree_changes.ts";
import { joinPath } from "./tree_path.ts";
import { emptyView, indexView, makeShadowGitDir } from "./shadow_git_dir.ts";

const NO_REPO_ENV: Readonly<Record<string, string>> = { GIT_DIR: "/dev/null" };

/** A list of some millions of files. */
const MAX_LIST_BYTES = 512 * 1024 * 1024;

/** The checkout that is there, and what takes its place. */
export interface ReplaceSource extends CheckoutFiles {
  /** The fresh clone, at the top of a staging tree. */
  fresh: Tree;
  /** A staging tree for what nobody needs any more. */
  discarded: Tree;
  /** Names what is put aside. */
  stamp: string;
}

/**
 * Puts the fresh clone in the checkout's place.
 * @param git in the checkout's directory
 * @param clone in the fresh clone's directory
 */
export async function adoptClone(
  git: GitSession,
  clone: GitSession,
  source: ReplaceSource,
): Promise<void> {
  const { content, tree, location, fresh, discarded, owner, signal, stamp } = source;
  const old = git.withEnv(await viewOf(git, source));
  const { changes, submodules } = await describeClone(clone, old, source);
  const checkout: TreeFolder = { tree, folder: location };
  const put = `.git/${PUT_ASIDE}/${stamp}`;
  const aside = { tree: fresh, folder: `${put}/files` };
  await content.makeDirectory(fresh, aside.folder, owner);
  const place: AsidePlace = { content, checkout, aside, discarded, owner };
  const moves = new AsideMoves(place);
  const indexTime = await indexTimeOf(source);
  try {
    const from = { content, tree, location, indexTime, signal };
    const set = await clearPlaces(old, changes, from, moves, place);
    const cloned = { tree: fresh, folder: "" };
    const repository = [{ from: bytesOfPath(".git"), to: bytesOfPath("git") }];
    await moves.move(checkout, { tree: fresh, folder: put }, repository);
    // The Git folders of submodules were in the repository's, and have gone with it.
    if (submodules.length > 0) {
      const folder = `${put}/submodules`;
      await content.makeDirectory(fresh, folder, owner);
      await moves.move(checkout, { tree: fresh, folder }, samePaths(submodules));
    }
    await moves.move(cloned, checkout, samePaths([".git"]));
    await moves.move(cloned, checkout, samePaths([...filesOf(changes), ...submodules]));
    const folder = joinPath(location, put);
    const now = { ...place, aside: { tree, folder: `${folder}/files` } };
    const left = await moveBack(set, moves, now);
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

/** What the clone's commit changes, and the submodules it has. */
async function describeClone(
  clone: GitSession,
  old: GitSession,
  source: ReplaceSource,
): Promise<{ changes: TreeChange[]; submodules: RawPath[] }> {
  const nowhere = clone.withEnv(NO_REPO_ENV);
  const here = clone.withEnv(LOCAL_REPO_ENV);
  // The request's own config, which may name programs, is in it by now.
  const files = { ...source, tree: source.fresh, location: "" };
  const config = await sanitizeConfig(nowhere, files, ".git", []);
  const changes = await changesTo(here, old, source.scratch);
  const submodules = await gitlinksOf(here);
  await config.restore(nowhere);
  return { changes, submodules };
}

/** What shows git of the repository that is there as much as can be read. */
async function viewOf(git: GitSession, source: ReplaceSource): Promise<Record<string, string>> {
  const { scratch, signal } = source;
  const nowhere = git.withEnv(NO_REPO_ENV);
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
  return await readable(() => makeShadowGitDir(nowhere, source)) ??
    await readable(async () => {
      const variables = await makeShadowGitDir(nowhere, source);
      await scratch.remove("view/index");
      return variables;
    }) ??
    await readable(() => indexView(nowhere, source)) ??
    await emptyView(scratch);
}

/** What the clone's commit changes, as far as it is known what was checked out. */
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
  return await treeChanges(clone, await baseIn(clone, old, scratch), target);
}

/** Writes down in the clone what was checked out. @returns the hash of that tree */
async function baseIn(clone: GitSession, old: GitSession, scratch: Scratch): Promise<string> {
  const folder = await scratch.folder("base");
  const index = clone.withEnv({ ...LOCAL_REPO_ENV, GIT_INDEX_FILE: join(folder, "index") });
  for (const args of [["ls-tree", "-r", "-z", "--full-tree", "HEAD"], ["ls-files", "-s", "-z"]]) {
    try {
      const input = await printedBytes(old, args, { maxBytes: MAX_LIST_BYTES });
      await index.run(["read-tree", "--empty"]);
      await index.run(["update-index", "-z", "--index-info"], { input });
      return (await index.run(["write-tree", "--missing-ok"])).stdout.trim();
    } catch (error) {
      // Damaged, or of another kind of hashes.
      if (!(error instanceof GitFailure)) throw error;
    }
  }
  const empty = ["hash-object", "-t", "tree", "-w", "--stdin"];
  return (await clone.run(empty, { input: new Uint8Array() })).stdout.trim();
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
