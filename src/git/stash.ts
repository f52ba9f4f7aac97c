/**
 * Makes a stash entry of chosen paths from Git objects alone: it changes neither index nor working tree, so
 * a failure loses nothing.
 */

import { join } from "@std/path";
import { GitFailure } from "./git_failure.ts";
import type { SetAside } from "./local_work.ts";
import { bytesOfPath, joinBytes, type RawPath, textOfPath } from "./raw_path.ts";
import type { Scratch } from "./scratch.ts";
import type { GitSession } from "./git_session.ts";
import { ABSENT, LINK, type TreeChange } from "./tree_changes.ts";

/** The content of a stash at one path. */
export interface Stashed {
  path: RawPath;
  /** The staged content. */
  index?: { mode: string; hash: string };
  /** The content of the working tree. */
  worktree?: { mode: string; hash: string };
}

/** Formats index entries for `update-index -z --index-info`; a mode of {@link ABSENT} removes one. */
export function indexInfo(
  entries: Iterable<{ path: RawPath; mode: string; hash: string }>,
): Uint8Array {
  const text = new TextEncoder();
  return joinBytes([...entries].flatMap(({ path, mode, hash }) => [
    text.encode(mode === ABSENT ? `0 ${"0".repeat(hash.length)}\t` : `${mode} ${hash}\t`),
    bytesOfPath(path),
    Uint8Array.of(0),
  ]));
}

/** Environment variables. */
type Variables = Readonly<Record<string, string>>;

/**
 * Stores a file or link that was set aside as a blob.
 * @param git in the checkout's directory
 * @param folder where it was set aside, as seen from there
 * @returns `undefined` for what has no place in a stash, or cannot be read by git
 */
export async function storeBlob(
  git: GitSession,
  folder: string,
  { path, state, isFiltered }: SetAside,
): Promise<{ mode: string; hash: string } | undefined> {
  const name = textOfPath(path);
  if (name === undefined || isFiltered) return undefined;
  if (state.type === "symlink") {
    const args = ["hash-object", "-w", "--no-filters", "--stdin"];
    const { stdout } = await git.run(args, { input: state.target });
    return { mode: LINK, hash: stdout.trim() };
  }
  if (state.type !== "file") return undefined;
  const args = ["hash-object", "-w", `--path=${name}`, "--", `${folder}/${name}`];
  const { code, stdout } = await git.run(args, { answers: [128] });
  if (code !== 0) return undefined;
  return { mode: (state.permissions & 0o100) === 0 ? "100644" : "100755", hash: stdout.trim() };
}

/**
 * Makes a stash entry on top of `commit`.
 * @param variables that show git the repository
 * @returns whether it was made: a damaged repository may not be able to
 */
export async function makeStash(
  git: GitSession,
  variables: Variables,
  scratch: Scratch,
  { commit, entries }: { commit: string; entries: readonly Stashed[] },
): Promise<boolean> {
  const folder = await scratch.folder("stash");
  const session = git.withEnv({ ...variables, GIT_INDEX_FILE: join(folder, "index") });
  const run = async (...args: string[]) => (await session.run(args)).stdout.trim();
  const treeOf = async (side: "index" | "worktree") => {
    const some = entries.flatMap((entry) => {
      const state = entry[side];
      return state ? [{ path: entry.path, ...state }] : [];
    });
    await session.run(["update-index", "-z", "--index-info"], { input: indexInfo(some) });
    return await run("write-tree", "--missing-ok");
  };
  try {
    await run("read-tree", commit);
    const subject = await run("log", "-1", "--format=%h %s", "--no-show-signature", commit);
    const index = await run(
      "commit-tree",
      await treeOf("index"),
      "-p",
      commit,
      "-m",
      `index on ${subject}`,
    );
    const message = `WIP on ${subject}`;
    const worktree = await treeOf("worktree");
    const made = await run("commit-tree", worktree, "-p", commit, "-p", index, "-m", message);
    await run("stash", "store", "--quiet", "--message", message, made);
    return true;
  } catch (error) {
    if (error instanceof GitFailure) return false;
    throw error;
  }
}

/** Returns what only the index has of a staged change; `undefined` where the working tree has it, too. */
export function stagedAlone(
  staged: TreeChange,
  worktreeHash: string | undefined,
): { mode: string; hash: string } | undefined {
  const { newMode: mode, newHash: hash } = staged;
  return mode === ABSENT || hash === worktreeHash || /^0+$/.test(hash) ? undefined : { mode, hash };
}
